package main

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/images"
	"github.com/hornero/hornero/internal/archive"
	"github.com/hornero/hornero/internal/record"
)

// keyringVariable names one more file of keys that may sign package lists, as of a mirror of one's own.
const keyringVariable = "HORNERO_ARCHIVE_KEYRING"

// Variables that name the mirrors whose lists are read, where this machine's own apt has none of Debian's.
const (
	mirrorVariable         = "HORNERO_MIRROR"
	securityMirrorVariable = "HORNERO_SECURITY_MIRROR"
)

// newArchive is Debian's archive, with what was read of it in the user's cache.
func newArchive(ctx context.Context) (*archive.Archive, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find a folder for package lists: %w", err)
	}

	sites := archive.MachineSites(ctx)

	debian := archive.New(filepath.Join(cache, "hornero", "archive"))
	debian.Mirror = cmp.Or(os.Getenv(mirrorVariable), sites.Mirror)
	debian.SecurityMirror = cmp.Or(os.Getenv(securityMirrorVariable), sites.Security)

	if more := os.Getenv(keyringVariable); more != "" {
		if _, err := os.Stat(more); err != nil {
			return nil, fmt.Errorf("%s: %w", keyringVariable, err)
		}

		debian.Keys = []string{more}
	}

	return debian, nil
}

// readLists reads the lists of newer packages of a release.
type readLists func(archive.Release) (*archive.Lists, error)

// updates tells what is newer than what images have. Each release's lists are read once.
type updates struct {
	read  readLists
	lists map[string]*archive.Lists
	wrong map[string]error
}

func newUpdates(read readLists) *updates {
	return &updates{
		read:  read,
		lists: map[string]*archive.Lists{},
		wrong: map[string]error{},
	}
}

// currentUpdates are updates by lists that are at most an hour old.
func currentUpdates(ctx context.Context, debian *archive.Archive) *updates {
	return newUpdates(func(release archive.Release) (*archive.Lists, error) {
		return debian.Lists(ctx, release)
	})
}

// of are the lists of a release.
func (u *updates) of(release string) (*archive.Lists, error) {
	if u.lists[release] != nil || u.wrong[release] != nil {
		return u.lists[release], u.wrong[release]
	}

	lists, err := u.readRelease(release)
	u.lists[release] = lists
	u.wrong[release] = err

	return lists, err
}

func (u *updates) readRelease(name string) (*archive.Lists, error) {
	data, err := fs.ReadFile(images.FS(), "releases/"+name+".yaml")
	if err != nil {
		return nil, fmt.Errorf("read release %s: %w", name, err)
	}

	release, err := archive.ParseRelease(data)
	if err != nil {
		return nil, err
	}

	return u.read(release)
}

// kept are the updates for an image by its record here; nil where the record or the lists are not known.
func (u *updates) kept(folder record.Folder, name string, id int) []archive.Update {
	written, err := folder.Read(name, id)
	if err != nil {
		return nil
	}

	lists, err := u.of(written.Release)
	if err != nil {
		return nil
	}

	return lists.Outdated(written.Packages)
}

// securityOf are the security updates among some.
func securityOf(all []archive.Update) []archive.Update {
	return slices.DeleteFunc(slices.Clone(all), func(update archive.Update) bool {
		return !update.Security
	})
}

// namedUpdates is how many updates a line names.
const namedUpdates = 3

// updatesLine says in a line what is newer than an image; nil is not known.
func updatesLine(all []archive.Update) string {
	if all == nil {
		return "updates not known"
	}

	security := securityOf(all)
	others := len(all) - len(security)

	var parts []string

	if len(security) > 0 {
		parts = append(parts, count(len(security), "security update")+" ("+someUpdates(security)+")")
	}
	if others > 0 {
		parts = append(parts, count(others, "other update"))
	}

	return cmp.Or(strings.Join(parts, ", "), "no updates")
}

func someUpdates(all []archive.Update) string {
	var names []string
	for _, update := range all[:min(namedUpdates, len(all))] {
		names = append(names, update.String())
	}

	if more := len(all) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}

	return strings.Join(names, ", ")
}

// longAge is an age as a sentence has it.
func longAge(then, now time.Time) string {
	gone := max(now.Sub(then), 0)

	switch {
	case then.IsZero():
		return "of unknown age"
	case gone < time.Hour:
		return count(int(gone.Minutes()), "minute") + " old"
	case gone < 48*time.Hour:
		return count(int(gone.Hours()), "hour") + " old"
	}

	return count(int(gone.Hours()/24), "day") + " old"
}
