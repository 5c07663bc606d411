package main

import (
	"bytes"
	"maps"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/catalog"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/stack"
)

// wantYounger has the stack want images that are at most nine days old.
func (a aged) wantYounger(t *testing.T) {
	t.Helper()

	text, err := os.ReadFile("stack.yaml")
	require.NoError(t, err)

	write(t, a.folder, "stack.yaml", string(text)+"images: {max_age: 9d}\n")
}

// renewCase is what a bake does about images that are ten days old.
type renewCase struct {
	change func(*testing.T, aged)
	more   []string // arguments
	want   string   // the roles that Packer is told to bake again
	said   []string
}

// offer is a case's change that has the security suite offer a package.
func offer(name, version string) func(*testing.T, aged) {
	return func(_ *testing.T, a aged) {
		a.publish(time.Now(), name, version)
	}
}

// knownCases are of images whose records are here.
var knownCases = map[string]renewCase{
	"nothing new": {},
	"an update of what nobody has": {
		change: offer("bash", "9"),
	},
	"the version that is there": {
		change: offer("openssl", "3.5.1-1"),
	},
	"an update of what all have": {
		change: offer("openssl", "3.5.1-1+deb13u1"),
		want:   `["api","common","vault"]`,
		said: []string{
			"is baked again: 1 security update (openssl 3.5.1-1 -> 3.5.1-1+deb13u1)\n",
			"vault: image ",
			", 10 days old, ",
		},
	},
	"an update of what one has": {
		change: offer("only-in-api", "1.0-1+deb13u1"),
		want:   `["api"]`,
	},
	"an update of what the layer has": {
		change: offer("only-in-common", "1.0-1+deb13u1"),
		want:   `["common"]`,
	},
	"without the layer": {
		change: offer("openssl", "4"),
		more:   []string{"api", "--no-layer"},
		want:   `["api"]`,
	},
	"unasked": {
		change: func(t *testing.T, a aged) {
			a.publish(time.Now(), "openssl", "4")
			a.wantYounger(t)
		},
		more: []string{"--no-updates-check"},
	},
	"everything, by force": {
		change: offer("openssl", "4"),
		more:   []string{"--force"},
	},
	"older than the stack wants": {
		change: func(t *testing.T, a aged) {
			a.wantYounger(t)
		},
		want: `["api","common","vault"]`,
		said: []string{"10 days old, is baked again: it is older than images.max_age, 9d\n"},
	},
	"an image that has what its mirror had": {
		change: func(t *testing.T, a aged) {
			a.publish(time.Now().AddDate(0, 0, -11).Add(5*24*time.Hour), "openssl", "4")
			kept(t, "api", a.cloud.add("api", time.Now()), map[string]string{"openssl": "3.5.1-1"})
		},
		want: `["common","vault"]`,
	},
	"a newer image that has it": {
		change: func(t *testing.T, a aged) {
			a.publish(time.Now(), "openssl", "4")
			kept(t, "api", a.cloud.add("api", time.Now()), map[string]string{"openssl": "4"})
		},
		want: `["common","vault"]`,
	},
	"a rejected one": {
		change: func(t *testing.T, a aged) {
			a.publish(time.Now(), "openssl", "4")
			kept(t, "api", a.cloud.add("api", time.Now(), record.RejectedTag), map[string]string{"openssl": "4"})
		},
		want: `["common","vault"]`,
		said: []string{"is rejected, so no node is launched from it; `hornero images accept "},
	},
}

// unknownCases are of images or lists that are not here.
var unknownCases = map[string]renewCase{
	"a record that is nowhere": {
		change: func(t *testing.T, a aged) {
			a.publish(time.Now(), "openssl", "4")
			require.NoError(t, os.Remove(recordFile(t, "api", a.ids["api"])))
		},
		want: `["common","vault"]`,
		said: []string{"security updates are not looked for in the images of api: what is in them is not known "},
	},
	"no record, and old": {
		change: func(t *testing.T, a aged) {
			require.NoError(t, os.RemoveAll("data"))
			a.wantYounger(t)
		},
		want: `["api","common","vault"]`,
	},
	"a layer whose record is nowhere": {
		change: func(t *testing.T, a aged) {
			a.publish(time.Now(), "openssl", "4")
			require.NoError(t, os.Remove(recordFile(t, "common", a.ids["common"])))
		},
		want: `["api","common","vault"]`,
	},
	"a layer whose record is nowhere, and one role's update": {
		change: func(t *testing.T, a aged) {
			a.publish(time.Now(), "only-in-api", "4")
			require.NoError(t, os.Remove(recordFile(t, "common", a.ids["common"])))
		},
		want: `["api"]`,
	},
	"no mirror": {
		change: func(_ *testing.T, a aged) {
			a.mirror.Stop()
		},
		said: []string{"security updates are not looked for: the package lists cannot be read: GET "},
	},
	"no mirror, and old": {
		change: func(t *testing.T, a aged) {
			a.mirror.Stop()
			a.wantYounger(t)
		},
		want: `["api","common","vault"]`,
	},
	"a mirror without security updates": {
		more: []string{"--security-mirror="},
		said: []string{"security updates are not looked for: there are no security updates to compare with\n"},
	},
	"a mirror that the templates are told": {
		change: offer("openssl", "4"),
		more:   []string{"--var", "security_mirror=http://127.0.0.1:1"},
		said:   []string{"connection refused"},
	},
	"another release": {
		more: []string{"--release", "debian-12"},
	},
}

func TestWhatIsOutdatedIsBakedAgain(t *testing.T) {
	all := maps.Clone(knownCases)
	maps.Copy(all, unknownCases)
	require.Len(t, all, len(knownCases)+len(unknownCases))

	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			a := newAged(t)
			if c.change != nil {
				c.change(t, a)
			}

			baked := hornero(t, append(a.line, c.more...)...)
			require.Zero(t, baked.code, baked.stderr)

			if len(c.more) > 0 && c.more[len(c.more)-1] == "--no-layer" {
				require.Contains(t, a.builds(t)[0], "-var renew="+c.want+" ")
				return
			}

			require.Equal(t, c.want, a.renewed(t), baked.stderr)

			for _, said := range c.said {
				require.Contains(t, baked.stderr, said)
			}
		})
	}
}

func recordFile(t *testing.T, role string, id int) string {
	t.Helper()

	folder, err := record.DefaultFolder()
	require.NoError(t, err)

	return folder.File(record.ImageName(role, "debian-13", digestOf(role)), id)
}

// A list that is not what was signed bakes nothing: somebody may want old packages in new images.
func TestListsThatAreRefusedBakeNothing(t *testing.T) {
	for name, c := range map[string]struct {
		change func(aged)
		want   string
	}{
		"changed": {
			change: func(a aged) {
				a.mirror.Spoil("trixie-security", "InRelease", func(text []byte) []byte {
					return bytes.Replace(text, []byte("Debian"), []byte("Debiam"), 1)
				})
			},
			want: "its signature is not good",
		},
		"cut": {
			change: func(a aged) {
				a.mirror.Spoil("trixie-security", "by-hash", func(list []byte) []byte { return list[:9] })
			},
			want: "has 9 bytes where ",
		},
		"too old": {
			change: func(a aged) { a.publish(time.Now().AddDate(0, 0, -8), "openssl", "4") },
			want:   "it was good until ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAged(t)
			c.change(a)

			refused := hornero(t, a.line...)
			require.Equal(t, 1, refused.code)
			require.Contains(t, refused.stderr, "the package lists are refused: "+a.mirror.URL)
			require.Contains(t, refused.stderr, c.want)
			require.Contains(t, refused.stderr, "--no-updates-check bakes without them")
			require.Empty(t, a.builds(t))

			require.Zero(t, hornero(t, append(a.line, "--no-updates-check")...).code)
			require.Len(t, a.builds(t), 2)
		})
	}
}

func TestKeysThatAreNotThereAreTold(t *testing.T) {
	a := newAged(t)
	t.Setenv(keyringVariable, "no-such")

	refused := hornero(t, a.line...)
	require.Equal(t, 1, refused.code)
	require.Contains(t, refused.stderr, "HORNERO_ARCHIVE_KEYRING: stat no-such")
	require.Empty(t, a.builds(t))
}

func TestTheMirrorIsNotAskedForEachBake(t *testing.T) {
	a := newAged(t)

	require.Zero(t, hornero(t, a.line...).code)
	require.NotEmpty(t, a.mirror.Asked())
	require.Zero(t, hornero(t, a.line...).code)
	require.Empty(t, a.mirror.Asked())
}

func TestTheAgeIsOfTheStack(t *testing.T) {
	image := catalog.Image{Created: time.Now().Add(-25 * time.Hour)}

	require.Empty(t, aging{image: image}.reason("", time.Now()))
	require.Empty(t, aging{image: image}.reason("2d", time.Now()))
	require.NotEmpty(t, aging{image: image}.reason("1d", time.Now()))
	require.Empty(t, aging{}.reason(stack.Age("1d"), time.Now()), "an image of unknown age")
}
