package fleet_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/internal/space"
	"github.com/hornero/hornero/lab/spaces"
)

var spaceText = strings.Replace(text, "roles:\n  web: {", "roles:\n  web: {media: spaces, media_bucket: pictures, "+
	"media_region: fra1, media_make: true, ", 1)

// pictures is the Space of spaceText, on loopback, and what the account's keys may do there.
type pictures struct {
	*world
	url     string
	refuses int // how many requests more are refused, as of a key that is not known yet
}

func newPictures(t *testing.T) *pictures {
	p := &pictures{world: newWorldOf(t, spaceText, nil)}

	served, err := spaces.Open(spaces.Config{
		Folder: t.TempDir(),
		Logger: slog.New(slog.DiscardHandler),
		Keys:   p.key,
	})
	require.NoError(t, err)

	handler := served.Handler("fra1")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.isRefused() {
			w.WriteHeader(http.StatusForbidden)
			return
		}

		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)

	p.url = server.URL
	p.config.SpacesFrom = func(string) (string, error) { return server.URL, nil }

	return p
}

func (p *pictures) isRefused() (refused bool) {
	p.set(func() {
		refused = p.refuses > 0
		p.refuses--
	})

	return refused
}

// key is what the API made, as the lab's Spaces read it.
func (p *pictures) key(access string) (spaces.Key, bool) {
	found := p.store.View().SpacesKey(access)
	if found == nil {
		return spaces.Key{}, false
	}

	key := spaces.Key{Secret: found.Secret}
	for _, grant := range found.Grants {
		key.Grants = append(key.Grants, spaces.Grant(grant))
	}

	return key, true
}

// client opens the Space with the key that nodes are given.
func (p *pictures) client() *space.Client {
	access, err := p.config.Secrets.Get("media.key")
	require.NoError(p.t, err)

	secret, err := p.config.Secrets.Get("media.secret")
	require.NoError(p.t, err)

	return &space.Client{
		Endpoint: p.url,
		Region:   "fra1",
		Bucket:   "pictures",
		Key:      access.Reveal(),
		Secret:   secret,
	}
}

func (p *pictures) accountKeys() []*godo.SpacesKey {
	all, err := do.SpacesKeys(p.t.Context(), p.config.Client)
	require.NoError(p.t, err)

	return all
}

// holds tells whether the Space takes a file, and gives it back, by the key of the secrets file.
func (p *pictures) holds(text string) {
	_, body, err := p.client().Get(p.t.Context(), "kept.txt")
	require.NoError(p.t, err)
	defer body.Close()

	found, err := io.ReadAll(body)
	require.NoError(p.t, err)
	require.Equal(p.t, text, string(found))
}

func TestUpMakesTheSpaceAndAKeyForItAlone(t *testing.T) {
	t.Parallel()

	p := newPictures(t)
	plan := p.plan()
	require.Contains(t, plan, "create Space pictures: no key of the account is there for it; it is made in fra1 where "+
		"it is not there, with a key for it alone")

	said := p.hear()
	p.set(func() { p.refuses = 3 })
	p.mustUp()
	require.Contains(t, said(), "made Space pictures in fra1\n")
	require.NotContains(t, said(), p.client().Secret.Reveal())
	require.Empty(t, p.plan())

	keys := p.accountKeys()
	require.Len(t, keys, 1, "the one that opened everything is gone")
	require.Equal(t, "hornero-blog-media-key", keys[0].Name)
	require.Equal(t, []*godo.Grant{{Bucket: "pictures", Permission: godo.SpacesKeyReadWrite}}, keys[0].Grants)

	for id, document := range p.documents() {
		got := document.Secrets["media.key"]
		require.Equalf(t, document.Role == "web", got == report.Secret(keys[0].AccessKey), "Droplet %d", id)
	}

	_, err := p.client().Exists(t.Context())
	require.NoError(t, err)

	other := *p.client()
	other.Bucket = "others"
	require.ErrorIs(t, other.MakeBucket(t.Context()), space.ErrRefused)

	p.mustUp()
	require.Equal(t, keys, p.accountKeys(), "the second up makes nothing")

	p.mustDestroy()
	require.Contains(t, said(), "Space pictures is kept with its files, and so is its key "+keys[0].AccessKey)
}

func TestAKeyThatIsGoneIsMadeAnewAndTheFilesStay(t *testing.T) {
	t.Parallel()

	p := newPictures(t)
	p.mustUp()

	body := "a picture"
	require.NoError(t, p.client().Put(t.Context(), space.Upload{
		Key:  "kept.txt",
		Body: strings.NewReader(body),
		Size: int64(len(body)),
		Sum:  fmt.Sprintf("%x", sha256.Sum256([]byte(body))),
		Type: "text/plain",
		ACL:  space.Private,
	}))

	first := p.accountKeys()[0].AccessKey
	_, err := p.config.Client.SpacesKeys.Delete(t.Context(), first)
	require.NoError(t, err)
	require.NotEmpty(t, p.plan())

	p.mustUp()
	require.NotEqual(t, first, p.client().Key)
	require.Empty(t, p.plan())
	require.Contains(t, p.names(), "web-1/2", "nodes are given the new one")
	p.holds(body)
}

func TestUpEndsWhatAKilledOneBeganWithSpaces(t *testing.T) {
	t.Parallel()

	p := newPictures(t)

	// Both were made, and the secrets file never heard of them.
	for _, name := range []string{"hornero-blog-making", "hornero-blog-media-key"} {
		_, _, err := p.config.Client.SpacesKeys.Create(t.Context(), &godo.SpacesKeyCreateRequest{
			Name:   name,
			Grants: []*godo.Grant{{Permission: godo.SpacesKeyFullAccess}},
		})
		require.NoError(t, err)
	}

	p.mustUp()

	keys := p.accountKeys()
	require.Len(t, keys, 1)
	require.Equal(t, p.client().Key, keys[0].AccessKey)
}

func TestASpaceOfSomebodyElseIsRefusedAndNoKeyStays(t *testing.T) {
	t.Parallel()

	p := newPictures(t)
	p.set(func() { p.refuses = 1 << 20 })
	p.config.KeyWait = 1

	err := p.up()
	require.ErrorIs(t, err, fleet.ErrSpace)
	require.ErrorContains(t, err, "make Space pictures: the Space cannot be used: its name is taken")
	require.Empty(t, p.accountKeys())
	require.Empty(t, p.names(), "nothing was launched")
}
