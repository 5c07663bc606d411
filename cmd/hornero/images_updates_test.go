package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/archive"
	"github.com/hornero/hornero/internal/archive/mirror"
	"github.com/hornero/hornero/internal/catalog"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/lab/state"
)

// cloudOfImages is the lab's API without machines, in which images are all there is.
type cloudOfImages struct {
	t     *testing.T
	url   string
	store *state.Store
}

const imagesToken = "dop_v1_mine"

func serveImages(t *testing.T) *cloudOfImages {
	t.Helper()

	store, err := state.Open(filepath.Join(t.TempDir(), "state.json"), api.Fresh(time.Now()))
	require.NoError(t, err)

	server := api.New(api.Options{
		Token:  imagesToken,
		Store:  store,
		Logger: slog.New(slog.DiscardHandler),
	})

	web := httptest.NewServer(server.Handler())
	t.Cleanup(func() {
		web.Close()
		server.Close()
	})

	return &cloudOfImages{
		t:     t,
		url:   web.URL,
		store: store,
	}
}

// digestOf is what the images of a role are known by here.
func digestOf(role string) string {
	return strings.Repeat("0", 32-len(role)) + strings.Repeat("a", len(role))
}

// add adds an image of a role, and returns its number.
func (c *cloudOfImages) add(role string, created time.Time, tags ...string) int {
	c.t.Helper()

	tags = append(tags, "hornero", "hornero:role:"+role, "hornero:release:debian-13", "hornero:digest:"+digestOf(role))
	id := 0

	err := c.store.Update(func(d *state.Document) error {
		id = d.NextID()
		d.Images = append(d.Images, state.Image{
			ID:      id,
			Name:    record.ImageName(role, "debian-13", digestOf(role)),
			Type:    "snapshot",
			Regions: []string{"nyc3"},
			Status:  "available",
			Created: created,
			Tags:    d.UseTags(tags),
		})

		return nil
	})
	require.NoError(c.t, err)

	return id
}

func (c *cloudOfImages) client() *godo.Client {
	client, err := do.NewClient(c.url, imagesToken, "test")
	require.NoError(c.t, err)

	return client
}

// kept writes an image's record where a bake leaves it.
func kept(t *testing.T, role string, id int, packages map[string]string) {
	t.Helper()

	folder, err := record.DefaultFolder()
	require.NoError(t, err)

	text, err := json.Marshal(record.Image{
		Version:  record.Version,
		Role:     role,
		Release:  "debian-13",
		Digest:   digestOf(role),
		Packages: packages,
	})
	require.NoError(t, err)
	require.NoError(t, folder.SaveAs(record.ImageName(role, "debian-13", digestOf(role)), id, text))
}

// aged is a bakery with images of all its roles, ten days old, a mirror, and the arguments that name it.
type aged struct {
	bakery
	cloud  *cloudOfImages
	mirror *mirror.Mirror
	ids    map[string]int
	line   []string
}

func newAged(t *testing.T) aged {
	t.Helper()

	a := aged{
		bakery: newBakery(t),
		cloud:  serveImages(t),
		mirror: mirror.New(t),
		ids:    map[string]int{},
	}

	t.Setenv(urlVariable, a.cloud.url)
	t.Setenv(keyringVariable, a.mirror.KeyFile)

	for _, role := range []string{"common", "api", "vault"} {
		id := a.cloud.add(role, time.Now().AddDate(0, 0, -10))
		a.ids[role] = id

		kept(t, role, id, map[string]string{
			"openssl":         "3.5.1-1",
			"only-in-" + role: "1.0-1",
		})
	}

	a.publish(time.Now(), "nothing-of-ours", "2")
	a.line = []string{"images", "bake", "--mirror", a.mirror.URL, "--security-mirror", a.mirror.URL}

	return a
}

// publish has the security suite offer a package.
func (a aged) publish(date time.Time, name, version string) {
	for _, suite := range []string{"trixie-security", "trixie-updates"} {
		offered := mirror.Suite{
			Name:       suite,
			Date:       date,
			ValidUntil: date.AddDate(0, 0, 7),
		}
		if suite == "trixie-security" {
			offered.Packages = []mirror.Package{{Name: name, Version: version}}
		}

		a.mirror.Publish(offered)
	}
}

// renewed is what Packer was told to bake again, as JSON; "" is nothing.
func (a aged) renewed(t *testing.T) string {
	t.Helper()

	builds := a.builds(t)
	require.Len(t, builds, 2)

	_, after, found := strings.Cut(builds[1], "-var renew=")
	if !found {
		return ""
	}

	list, _, _ := strings.Cut(after, " ")
	require.Contains(t, builds[0], "-var renew="+list+" ", "the layer's build is told the same")

	return list
}

func TestUpdatesInALine(t *testing.T) {
	update := func(source string, security bool) archive.Update {
		return archive.Update{
			Source:   source,
			From:     "1",
			To:       "2",
			Security: security,
		}
	}

	for want, all := range map[string][]archive.Update{
		"updates not known": nil,
		"no updates":        {},
		"1 other update":    {update("a", false)},
		"2 security updates (a 1 -> 2, b 1 -> 2), 1 other update": {
			update("a", true), update("b", true), update("c", false),
		},
		"4 security updates (a 1 -> 2, b 1 -> 2, c 1 -> 2, and 1 more)": {
			update("a", true), update("b", true), update("c", true), update("d", true),
		},
	} {
		require.Equal(t, want, updatesLine(all))
	}
}

func TestALongAge(t *testing.T) {
	now := time.Now()

	for gone, want := range map[time.Duration]string{
		-time.Second:    "0 minutes old",
		time.Minute:     "1 minute old",
		47 * time.Hour:  "47 hours old",
		288 * time.Hour: "12 days old",
	} {
		require.Equal(t, want, longAge(now.Add(-gone), now))
	}

	require.Equal(t, "of unknown age", longAge(time.Time{}, now))
}

func TestWhatIsOutdatedIsListed(t *testing.T) {
	a := newAged(t)
	a.publish(time.Now(), "openssl", "3.5.1-1+deb13u1")
	rejected := a.cloud.add("api", time.Now(), record.RejectedTag)
	kept(t, "api", rejected, map[string]string{"openssl": "3.5.1-1+deb13u1"})
	unknown := a.cloud.add("vault", time.Now())

	images, err := catalog.List(t.Context(), a.cloud.client())
	require.NoError(t, err)

	debian, err := newArchive(t.Context())
	require.NoError(t, err)

	debian.Mirror, debian.SecurityMirror = a.mirror.URL, a.mirror.URL
	folder, err := record.DefaultFolder()
	require.NoError(t, err)

	listed := withUpdates(currentUpdates(t.Context(), debian), folder, images)
	states := map[int]string{}

	var out bytes.Buffer
	require.NoError(t, printListed(&out, listed))

	for at, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if at > 0 {
			states[listed[at-1].ID] = strings.TrimSpace(line[strings.Index(line, "  -  ")+5:])
		}
	}

	const outdated = "1 security update (openssl 3.5.1-1 -> 3.5.1-1+deb13u1)"
	require.Equal(t, map[int]string{
		a.ids["common"]: outdated,
		a.ids["api"]:    outdated,
		a.ids["vault"]:  outdated,
		rejected:        "rejected, no updates",
		unknown:         "updates not known",
	}, states)

	out.Reset()
	require.NoError(t, printUpdates(&out, listed[slices.IndexFunc(listed, func(one listedImage) bool {
		return one.ID == a.ids["vault"]
	})]))
	require.Equal(t,
		"\nstate      "+outdated+"\n  openssl  3.5.1-1 -> 3.5.1-1+deb13u1  security\n",
		out.String(),
	)

	text, err := json.Marshal(listed)
	require.NoError(t, err)
	require.Contains(t, string(text), `"updates":null`)
	require.Contains(t, string(text), `"updates":[]`)
	require.Contains(t, string(text), `"updates":[{"source":"openssl","packages":["openssl"],"from":"3.5.1-1",`)
	require.Contains(t, string(text), `"rejected":true`)
}

func TestAnImageIsAccepted(t *testing.T) {
	a := newAged(t)
	id := a.cloud.add("api", time.Now(), record.RejectedTag)

	accept := func() (string, string) {
		images, err := catalog.List(t.Context(), a.cloud.client())
		require.NoError(t, err)

		image, err := catalog.Pick(images, "api")
		require.NoError(t, err)
		require.Equal(t, id, image.ID, "it is the newest all the same")

		var out, said bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetContext(t.Context())
		cmd.SetOut(&out)
		cmd.SetErr(&said)
		require.NoError(t, acceptImage(cmd, a.cloud.client(), image))

		return out.String(), said.String()
	}

	out, said := accept()
	require.Contains(t, out, "is accepted; `hornero plan` tells which nodes")
	require.Empty(t, said)

	out, said = accept()
	require.Empty(t, out)
	require.Contains(t, said, "is not rejected: nothing to do")
}
