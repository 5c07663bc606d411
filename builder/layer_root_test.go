//go:build root

package builder_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/record"
)

// quick is how long it may take to find that nothing is to be baked.
const quick = 5 * time.Second

// gate passes requests on to the lab's API and counts those that change something.
type gate struct {
	*httptest.Server
	mutex  sync.Mutex
	writes []string
	seen   func(call string) // told of each request that was served
}

// watch lets somebody see each request once it is served, before its answer goes out.
func (g *gate) watch(seen func(call string)) {
	g.mutex.Lock()
	defer g.mutex.Unlock()

	g.seen = seen
}

func newGate(t *testing.T, address string) *gate {
	t.Helper()
	target, err := url.Parse(address)
	require.NoError(t, err)

	g := &gate{}
	lab := httputil.NewSingleHostReverseProxy(target)
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			g.mutex.Lock()
			g.writes = append(g.writes, r.Method+" "+r.URL.Path)
			g.mutex.Unlock()
		}

		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		lab.ServeHTTP(w, r)
		g.mutex.Lock()
		seen := g.seen
		g.mutex.Unlock()

		if seen != nil {
			seen(callOf(r, body))
		}
	}))

	t.Cleanup(g.Close)

	return g
}

// callOf writes a request as the pretended cloud does: numbers as N, tags as TAG, and an action's type.
func callOf(r *http.Request, body []byte) string {
	call := r.Method + " " + shape(strings.Split(strings.TrimPrefix(r.URL.Path, "/v2/"), "/"))
	var action struct{ Type string }
	if json.Unmarshal(body, &action) == nil && action.Type != "" {
		call += " " + action.Type
	}

	return call
}

// taken returns what was written since the last call.
func (g *gate) taken() []string {
	g.mutex.Lock()
	defer g.mutex.Unlock()

	writes := g.writes
	g.writes = nil

	return writes
}

// makeImages does what `make images` does for these roles, and returns how many Droplets it made.
func (o *oven) makeImages(g *gate, roles ...string) (droplets int, writes []string, took time.Duration) {
	o.Helper()
	var said bytes.Buffer
	started := time.Now()

	_, err := command.Run(o.Context(), command.Command{
		Args: []string{
			"scripts/images.sh",
			"-var",
			fmt.Sprintf("roles=[%q, %q]", roles[0], roles[1]),
			"-var",
			"roles_dir=" + o.roles,
		},
		Dir:    "..",
		Output: &said,
		Env: []string{
			"CLOUD=digitalocean",
			"DIGITALOCEAN_API_URL=" + g.URL,
			"DIGITALOCEAN_ACCESS_TOKEN=" + o.options["api_token"].(string),
		},
	})

	took = time.Since(started)
	require.NoError(o, err, said.String())

	writes = g.taken()
	for _, write := range writes {
		if write == "POST /v2/droplets" {
			droplets++
		}
	}

	return droplets, writes, took
}

// rewrite replaces text in a file of the oven's roles.
func (o *oven) rewrite(file, old, now string) {
	o.Helper()
	path := filepath.Join(o.roles, file)
	text, err := os.ReadFile(path)
	require.NoError(o, err)
	require.Contains(o, string(text), old)
	writeFile(o.T, path, strings.Replace(string(text), old, now, 1))
}

// newest is the newest image of a role.
func (o *oven) newest(role string) godo.Image {
	o.Helper()
	images, err := do.ImagesByTag(o.Context(), o.client, "hornero:role:"+role)
	require.NoError(o, err)
	require.NotEmpty(o, images)

	return slices.MaxFunc(images, func(a, b godo.Image) int { return a.ID - b.ID })
}

// What roles share is baked once, and only what changed is baked again.
func TestLayers(t *testing.T) {
	o := newOvenAt(t, plot{name: "layertest"})
	o.role("echo from the role > /usr/share/baked")

	writeFile(t,
		filepath.Join(o.roles, "other/role.yaml"),
		"version: 1\nname: other\nsummary: another\npeers: client\n",
	)

	made(t, "bin/packer-plugin-hornero", "packer")

	g := newGate(t, o.options["api_url"].(string))

	droplets, _, took := o.makeImages(g, "tiny", "other")
	t.Logf("cold: %.1f s", took.Seconds())
	require.Equal(t, 3, droplets, "the layer and two roles")
	o.nothingLeft(3)

	droplets, writes, took := o.makeImages(g, "tiny", "other")
	t.Logf("nothing changed: %.1f s", took.Seconds())
	require.Zero(t, droplets)
	require.Empty(t, writes, "nothing but reads of the API")
	require.Less(t, took, quick)

	require.Len(t, o.recordFiles(), 3, "each image's record lies on this machine")

	tiny, other := o.newest("tiny"), o.newest("other")
	o.rewrite("tiny/tiny.conf", "word ", "the word ")
	o.killed(g, "provisioner", "sealing", "build", "-color=false", "-only=roles.*", "-var", `roles=["tiny"]`, "-var", "roles_dir="+o.roles,
		"-var", "bootstrap_binary="+o.options["bootstrap_binary"].(string), "../images")
	g.taken()

	droplets, _, _ = o.makeImages(g, "tiny", "other")
	o.onlyWholeImages()
	require.Equal(t, 1, droplets, "one role's template bakes that role alone")
	require.Greater(t, o.newest("tiny").ID, tiny.ID)
	require.Equal(t, other.ID, o.newest("other").ID)

	o.rewrite("common/role.yaml", "    - procps\n", "    - procps\n    - tree\n")

	droplets, _, _ = o.makeImages(g, "tiny", "other")
	require.Equal(t, 3, droplets, "a package of common bakes all")

	on := o.launch(o.newest("tiny").ID, "tiny")
	require.NotEmpty(t, on("command -v tree"))
	require.Equal(t, "from the role", on("cat /usr/share/baked"))
	require.Equal(t, "active", on("systemctl is-active hornero-bootstrap.service"))
	require.Equal(t, "running", on("systemctl is-system-running --wait"))
	o.checkRecord(on)
	checkImagesCommand(o, tiny.ID, on("cat "+record.Path))
}
