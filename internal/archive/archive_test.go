package archive_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/archive"
	"github.com/hornero/hornero/internal/archive/mirror"
)

var (
	published = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	good      = published.AddDate(0, 0, 7)

	release = archive.Release{
		UpdatesSuite:  "trixie-updates",
		SecuritySuite: "trixie-security",
		Components:    []string{"main"},
	}
)

// world is an archive that trusts a mirror of the test's own, an hour after that was published.
type world struct {
	*archive.Archive
	mirror *mirror.Mirror
	now    time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{
		Archive: archive.New(t.TempDir()),
		mirror:  mirror.New(t),
		now:     published.Add(time.Hour),
	}

	w.Mirror = w.mirror.URL
	w.SecurityMirror = w.mirror.URL
	w.Keys = []string{w.mirror.KeyFile}
	w.Now = func() time.Time { return w.now }

	w.publish("3.5.1-1+deb13u1", published)

	w.mirror.Publish(mirror.Suite{
		Name:       "trixie-updates",
		Date:       published,
		ValidUntil: good,
		Packages: []mirror.Package{
			{
				Name:    "tzdata",
				Version: "2026b-0+deb13u1",
			},
		},
	})

	return w
}

// publish has the security suite offer a version of OpenSSL.
func (w *world) publish(version string, date time.Time) {
	offered := []mirror.Package{
		{
			Name:    "libssl3t64",
			Version: version,
			Source:  "openssl",
		},
		{
			Name:    "openssl",
			Version: version,
		},
		{
			Name:    "linux-image",
			Version: "6.12.9-1",
		},
		{
			Name:    "linux-image",
			Version: "6.12.10-1",
		},
		{
			Name:    "unwanted",
			Version: "9",
		},
	}

	w.mirror.Publish(mirror.Suite{
		Name:       "trixie-security",
		Date:       date,
		ValidUntil: date.AddDate(0, 0, 7),
		Packages:   offered,
	})
}

func TestPackagesAreComparedAsDebianDoes(t *testing.T) {
	w := newWorld(t)
	lists, err := w.Lists(t.Context(), release)
	require.NoError(t, err)
	require.NoError(t, lists.Unreachable)
	require.Equal(t, published, lists.Published)

	for name, c := range map[string]struct {
		have map[string]string
		want []string
	}{
		"nothing of it": {
			have: map[string]string{"bash": "5"},
		},
		"the same": {
			have: map[string]string{"openssl": "3.5.1-1+deb13u1"},
		},
		"a later one": {
			have: map[string]string{"openssl": "3.5.2-1~deb13u1", "libssl3t64": "1:1"},
		},
		"not a version": {
			have: map[string]string{"openssl": ""},
		},
		"an older one, once for its source": {
			have: map[string]string{"openssl": "3.5.1-1", "libssl3t64": "3.5.1-1"},
			want: []string{"openssl 3.5.1-1 -> 3.5.1-1+deb13u1"},
		},
		"a tilde sorts before the end": {
			have: map[string]string{"openssl": "3.5.1-1+deb13u1~rc1"},
			want: []string{"openssl 3.5.1-1+deb13u1~rc1 -> 3.5.1-1+deb13u1"},
		},
		"the highest of several, by number": {
			have: map[string]string{"linux-image": "6.12.9-1"},
			want: []string{"linux-image 6.12.9-1 -> 6.12.10-1"},
		},
		"security first": {
			have: map[string]string{"tzdata": "2025a-1", "openssl": "1"},
			want: []string{"openssl 1 -> 3.5.1-1+deb13u1", "tzdata 2025a-1 -> 2026b-0+deb13u1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var found []string
			for _, update := range lists.Outdated(c.have) {
				require.Equal(t, update.Source != "tzdata", update.Security)
				found = append(found, update.String())
			}

			require.Equal(t, c.want, found)
		})
	}
}

func TestTheMirrorIsAskedOnceAnHour(t *testing.T) {
	w := newWorld(t)
	const path = "/dists/trixie-security/InRelease"

	_, err := w.Kept(release)
	require.ErrorIs(t, err, archive.ErrNotKept)

	ask := func() *archive.Lists {
		t.Helper()
		lists, err := w.Lists(t.Context(), release)
		require.NoError(t, err)

		return lists
	}

	ask()
	require.Len(t, w.mirror.Asked(), 4, "a signed file and a list, of each suite")

	w.now = w.now.Add(59 * time.Minute)
	ask()
	require.Empty(t, w.mirror.Asked())

	w.now = w.now.Add(2 * time.Minute)
	ask()
	require.Equal(t, []string{path, "/dists/trixie-updates/InRelease"}, w.mirror.Asked(), "both are as they were")

	w.now = w.now.Add(time.Minute)
	ask()
	require.Empty(t, w.mirror.Asked(), "that nothing changed is known for an hour, too")

	w.publish("3.5.1-1+deb13u2", published.Add(2*time.Hour))
	w.now = w.now.Add(time.Hour)
	lists := ask()
	require.Len(t, w.mirror.Asked(), 3)
	require.Equal(t, "3.5.1-1+deb13u2", lists.Outdated(map[string]string{"openssl": "1"})[0].To)

	w.now = w.now.Add(-30 * time.Minute)
	ask()
	require.Len(t, w.mirror.Asked(), 2, "the clock was set back")

	w.publish("3.5.1-1+deb13u1", published)
	w.now = w.now.Add(2 * time.Hour)
	lists = ask()
	require.Len(t, w.mirror.Asked(), 2)
	require.Equal(t, published.Add(2*time.Hour), lists.Published, "an older list takes nothing back")

	kept, err := w.Kept(release)
	require.NoError(t, err)
	require.Equal(t, lists.Published, kept.Published)
	require.Empty(t, w.mirror.Asked())

	folders, err := filepath.Glob(filepath.Join(w.Folder, "*", "*"))
	require.NoError(t, err)
	require.Len(t, folders, 6, "no older list is left")
}

func TestAListThatIsNotDebiansIsRefused(t *testing.T) {
	cut := func(data []byte) []byte {
		return data[:len(data)-20]
	}

	flip := func(data []byte) []byte {
		data[len(data)/2] ^= 1
		return data
	}

	for name, c := range map[string]struct {
		spoil func(*world)
		want  string
	}{
		"a key that nobody knows": {
			spoil: func(w *world) {
				w.Keys = nil
			},
			want: "its signature is not good",
		},
		"changed words": {
			spoil: func(w *world) {
				w.mirror.Spoil("trixie-security", "InRelease", func(data []byte) []byte {
					return bytes.Replace(data, []byte("Origin: Debian"), []byte("Origin: Debiam"), 1)
				})
			},
			want: "its signature is not good",
		},
		"a signed file that is cut": {
			spoil: func(w *world) {
				w.mirror.Spoil("trixie-security", "InRelease", cut)
			},
			want: "it bears no whole signature",
		},
		"a page of a hotel": {
			spoil: func(w *world) {
				w.mirror.Put("trixie-security", "InRelease", []byte("<html>pay first"), published)
			},
			want: "it bears no whole signature",
		},
		"a list that is cut": {
			spoil: func(w *world) {
				w.mirror.Spoil("trixie-security", "by-hash", cut)
			},
			want: "Packages.xz has ",
		},
		"a list with other bytes": {
			spoil: func(w *world) {
				w.mirror.Spoil("trixie-security", "by-hash", flip)
			},
			want: "Packages.xz is not the one that is signed",
		},
		"an old list": {
			spoil: func(w *world) {
				w.now = good.Add(time.Second)
			},
			want: "it was good until 2026-03-09 only",
		},
		"another suite's": {
			spoil: func(w *world) {
				w.mirror.Publish(mirror.Suite{
					Name: "bookworm-security",
					Date: published,
				})

				w.mirror.Put(
					"trixie-security",
					"InRelease",
					w.mirror.File("bookworm-security", "InRelease"),
					published,
				)
			},
			want: "it is of bookworm-security (stable), not of trixie-security",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.spoil(w)

			_, err := w.Lists(t.Context(), release)
			require.ErrorIs(t, err, archive.ErrRefused)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "--no-updates-check bakes without them")

			_, err = w.Kept(release)
			require.ErrorIs(t, err, archive.ErrNotKept, "nothing of it is kept")
		})
	}
}

// What lies in the folder is believed no more than what comes from a mirror.
func TestAKeptListIsCheckedAgain(t *testing.T) {
	for _, kept := range []string{"InRelease", "[0-9a-f]*[0-9a-f]"} {
		w := newWorld(t)
		_, err := w.Lists(t.Context(), release)
		require.NoError(t, err)
		w.mirror.Asked()

		files, err := filepath.Glob(filepath.Join(w.Folder, "trixie-security", kept))
		require.NoError(t, err)
		require.NotEmpty(t, files)

		for _, file := range files {
			data, err := os.ReadFile(file)
			require.NoError(t, err)

			copy(data[60:70], make([]byte, 10))
			require.NoError(t, os.WriteFile(file, data, 0o600))
		}

		_, err = w.Kept(release)
		require.ErrorIs(t, err, archive.ErrNotKept)

		_, err = w.Lists(t.Context(), release)
		require.NoError(t, err)
		require.NotEmpty(t, w.mirror.Asked(), "the mirror is asked again")
	}
}

func TestWithoutAMirrorTheKeptListIsTaken(t *testing.T) {
	w := newWorld(t)
	_, err := w.Lists(t.Context(), release)
	require.NoError(t, err)

	w.mirror.Stop()
	w.now = w.now.Add(2 * time.Hour)
	lists, err := w.Lists(t.Context(), release)
	require.NoError(t, err)
	require.ErrorIs(t, lists.Unreachable, archive.ErrUnreachable)
	require.Len(t, lists.Outdated(map[string]string{"openssl": "1"}), 1)

	w.now = good.Add(time.Second)
	_, err = w.Lists(t.Context(), release)
	require.ErrorIs(t, err, archive.ErrUnreachable, "the kept one is good no more")

	other := newWorld(t)
	other.SecurityMirror = "http://127.0.0.1:1"
	_, err = other.Lists(t.Context(), release)
	require.ErrorIs(t, err, archive.ErrUnreachable)
}

func TestAReleaseWithoutUpdates(t *testing.T) {
	w := newWorld(t)

	closed := release
	closed.Archive.Expired = true
	_, err := w.Lists(t.Context(), closed)
	require.ErrorIs(t, err, archive.ErrNoSecurity)

	w.SecurityMirror = ""
	_, err = w.Lists(t.Context(), release)
	require.ErrorIs(t, err, archive.ErrNoSecurity, "a bake from this mirror would not get them")
	require.Empty(t, w.mirror.Asked())
}

// The file of testdata is what Debian signed on 29 November 2026. The keys that are built in are all that is trusted.
func TestDebiansOwnSignaturesAreGood(t *testing.T) {
	w := newWorld(t)
	w.Keys = nil
	w.now = time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)

	signed, err := os.ReadFile("testdata/trixie-security.InRelease")
	require.NoError(t, err)

	w.mirror.Put("trixie-security", "InRelease", signed, w.now)
	_, err = w.Lists(t.Context(), release)

	// It was believed: the list that it names, which is not here, was asked for.
	require.ErrorIs(t, err, archive.ErrUnreachable)
	require.ErrorContains(t, err, "/main/binary-amd64/by-hash/SHA256/73a053d2")

	spoilt := bytes.Replace(signed, []byte("73a053d2"), []byte("73a053d3"), 1)
	w.mirror.Put("trixie-security", "InRelease", spoilt, w.now)
	_, err = w.Lists(t.Context(), release)
	require.ErrorIs(t, err, archive.ErrRefused)
}

func TestAReleasesFileIsRead(t *testing.T) {
	for _, name := range []string{"debian-12", "debian-13"} {
		data, err := os.ReadFile("../../images/releases/" + name + ".yaml")
		require.NoError(t, err)

		read, err := archive.ParseRelease(data)
		require.NoError(t, err)
		require.Contains(t, read.SecuritySuite, "-security")
		require.Contains(t, read.UpdatesSuite, "-updates")
		require.Equal(t, []string{"main"}, read.Components)
		require.False(t, read.Archive.Expired)
	}
}
