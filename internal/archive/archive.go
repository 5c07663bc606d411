// Package archive owns what Debian's archive says of newer packages: the signed lists of a release's security and
// update suites, asked for at most once an hour and kept in a folder, and which packages they outdate. It knows nothing
// of images, of the cloud, or of who decides what an update means. A list that does not verify is refused.
package archive

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"gopkg.in/yaml.v3"
)

var (
	// ErrRefused is a list that came and is not what Debian signed, or is signed and too old.
	ErrRefused = errors.New("the package lists are refused")
	// ErrUnreachable is a mirror that gives no list: it does not answer, or has none.
	ErrUnreachable = errors.New("the package lists cannot be read")
	// ErrNotKept is a list that is not in the folder, or no good any more.
	ErrNotKept = errors.New("no good package list is kept here")
	// ErrNoSecurity is a release, or a choice of mirrors, that has no security updates.
	ErrNoSecurity = errors.New("there are no security updates to compare with")
)

// DefaultInterval is how long a list is good before the mirror is asked again.
const DefaultInterval = time.Hour

// The limits of one request, so that a machine without a network says so soon.
const (
	dialTimeout    = 3 * time.Second
	requestTimeout = 30 * time.Second
)

// Architecture is what Droplets are.
const Architecture = "amd64"

// Archive is where a release's newer packages are looked up.
type Archive struct {
	Mirror         string           // of the update suite
	SecurityMirror string           // of the security suite; empty: the bake knows none
	Folder         string           // what was read is kept here
	Keys           []string         // files of keys that are trusted beside Debian's
	Interval       time.Duration    // between questions to the mirror
	Now            func() time.Time // the clock, which tests set

	client *http.Client
}

// New is an archive that is asked at no mirror yet, and keeps lists in a folder.
func New(folder string) *Archive {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext

	return &Archive{
		Folder:   folder,
		Interval: DefaultInterval,
		Now:      time.Now,
		client: &http.Client{
			Transport: transport,
			Timeout:   requestTimeout,
		},
	}
}

// Release is what of a Debian release's file (images/releases) is of matter here.
type Release struct {
	UpdatesSuite  string   `yaml:"updates_suite"`
	SecuritySuite string   `yaml:"security_suite"`
	Components    []string `yaml:"components"`
	Keyring       string   `yaml:"keyring"` // where a Debian machine has the keys that sign the archive
	Archive       struct {
		Expired bool `yaml:"expired"`
	} `yaml:"archive"`
}

// ParseRelease reads a release's file. What else is in it, and whether it is right, is the builder's.
func ParseRelease(data []byte) (Release, error) {
	var release Release
	if err := yaml.Unmarshal(data, &release); err != nil {
		return release, fmt.Errorf("read release: %w", err)
	}

	return release, nil
}

// source is one suite on one mirror.
type source struct {
	mirror     string
	suite      string
	components []string
	security   bool
}

// sources are the suites to ask; the security suite is the first.
func (a *Archive) sources(release Release) ([]source, error) {
	// Nobody makes updates for a release whose archive is closed.
	if release.SecuritySuite == "" || a.SecurityMirror == "" || release.Archive.Expired {
		return nil, ErrNoSecurity
	}

	all := []source{{
		mirror:     a.SecurityMirror,
		suite:      release.SecuritySuite,
		components: release.Components,
		security:   true,
	}}

	if release.UpdatesSuite != "" && a.Mirror != "" {
		all = append(all, source{
			mirror:     a.Mirror,
			suite:      release.UpdatesSuite,
			components: release.Components,
		})
	}

	return all, nil
}

// Lists are a release's newer packages: the mirrors' where they were not asked within the interval, and else those that
// are kept. Where a mirror cannot be reached, a list that is kept and still good is taken, and Unreachable says why.
func (a *Archive) Lists(ctx context.Context, release Release) (*Lists, error) {
	return a.collect(release, func(s source, keys keyring) (list, error) {
		return a.current(ctx, s, keys)
	})
}

// Kept are the lists as they were last read. No mirror is asked.
func (a *Archive) Kept(release Release) (*Lists, error) {
	return a.collect(release, a.kept)
}

func (a *Archive) collect(release Release, read func(source, keyring) (list, error)) (*Lists, error) {
	sources, err := a.sources(release)
	if err != nil {
		return nil, err
	}

	keys, err := readKeys(append([]string{release.Keyring}, a.Keys...))
	if err != nil {
		return nil, err
	}

	lists := &Lists{offered: map[string]offer{}}

	for _, source := range sources {
		found, err := read(source, keys)
		if err != nil {
			return nil, err
		}

		if source.security {
			lists.Published = found.signed.date
		}

		lists.Unreachable = errors.Join(lists.Unreachable, found.unreachable)

		for _, packages := range found.packages {
			err := lists.add(packages, source.security)
			if err != nil {
				return nil, refused(source.mirror+", "+source.suite, err)
			}
		}
	}

	return lists, nil
}
