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
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/record"
)

// quick is how long it may take to find that nothing is to be baked, when other tests bake beside this one.
const quick = 15 * time.Second

// apiProxy passes requests on to the lab's API and counts those that change something.
type apiProxy struct {
	*httptest.Server
	mutex  sync.Mutex
	writes []string
	seen   func(call string) // told of each request that was served
}

// watch lets somebody see each request once it is served, before its answer goes out.
func (proxy *apiProxy) watch(seen func(call string)) {
	proxy.mutex.Lock()
	defer proxy.mutex.Unlock()

	proxy.seen = seen
}

func newAPIProxy(t *testing.T, address string) *apiProxy {
	t.Helper()
	target, err := url.Parse(address)
	require.NoError(t, err)

	proxy := &apiProxy{}
	lab := httputil.NewSingleHostReverseProxy(target)
	proxy.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			proxy.mutex.Lock()
			proxy.writes = append(proxy.writes, r.Method+" "+r.URL.Path)
			proxy.mutex.Unlock()
		}

		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		lab.ServeHTTP(w, r)
		proxy.mutex.Lock()
		seen := proxy.seen
		proxy.mutex.Unlock()

		if seen != nil {
			seen(callOf(r, body))
		}
	}))

	t.Cleanup(proxy.Close)

	return proxy
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
func (proxy *apiProxy) taken() []string {
	proxy.mutex.Lock()
	defer proxy.mutex.Unlock()

	writes := proxy.writes
	proxy.writes = nil

	return writes
}

// makeImages does what `make images` does for these roles, and returns how many Droplets it made.
func (l *bakeLab) makeImages(proxy *apiProxy, roles ...string) (droplets int, writes []string, took time.Duration) {
	l.Helper()
	started := time.Now()
	list := fmt.Sprintf("roles=[%q, %q]", roles[0], roles[1])
	said, err := l.script(proxy.URL, "images.sh", nil, "-var", list, "-var", "roles_dir="+l.roles)
	took = time.Since(started)
	require.NoError(l, err, said)

	writes = proxy.taken()
	for _, write := range writes {
		if write == "POST /v2/droplets" {
			droplets++
		}
	}

	return droplets, writes, took
}

// newestOf is the image that was made last.
func newestOf(images []godo.Image) godo.Image {
	return slices.MaxFunc(images, func(a, b godo.Image) int { return a.ID - b.ID })
}

// What roles share is baked once, and only what changed is baked again.
func TestLayers(t *testing.T) {
	t.Parallel()
	l := newBakeLab(t, labOptions{name: "layertest"})
	l.role("echo from the role > /usr/share/baked")

	other := filepath.Join(l.roles, "other/role.yaml")
	writeFile(t, other, "version: 1\nname: other\nsummary: another\npeers: client\n")

	proxy := newAPIProxy(t, l.url())

	droplets, _, took := l.makeImages(proxy, "tiny", "other")
	t.Logf("cold: %.1f s", took.Seconds())
	require.Equal(t, 3, droplets, "the layer and two roles")
	l.nothingLeft(3)

	droplets, writes, took := l.makeImages(proxy, "tiny", "other")
	t.Logf("nothing changed: %.1f s", took.Seconds())
	require.Zero(t, droplets)
	require.Empty(t, writes, "nothing but reads of the API")
	require.Less(t, took, quick)

	require.Len(t, l.recordFiles(), 3, "each image's record lies on this machine")

	tinyBefore, otherBefore := l.newest("tiny"), l.newest("other")
	l.rewrite("tiny/tiny.conf", "word ", "the word ")
	l.killed(proxy, "provisioner", "sealing", "build", "-color=false", "-only=roles.*",
		"-var", `roles=["tiny"]`,
		"-var", "roles_dir="+l.roles,
		"-var", "bootstrap_binary="+l.options["bootstrap_binary"].(string),
		"../images",
	)
	proxy.taken()

	droplets, _, _ = l.makeImages(proxy, "tiny", "other")
	l.onlyWholeImages()
	require.Equal(t, 1, droplets, "one role's template bakes that role alone")
	require.Greater(t, l.newest("tiny").ID, tinyBefore.ID)
	require.Equal(t, otherBefore.ID, l.newest("other").ID)

	l.rewrite("common/role.yaml", "    - procps\n", "    - procps\n    - tree\n")

	droplets, _, _ = l.makeImages(proxy, "tiny", "other")
	require.Equal(t, 3, droplets, "a package of common bakes all")

	on := l.launch(l.newest("tiny").ID, "tiny")
	require.NotEmpty(t, on("command -v tree"))
	require.Equal(t, "from the role", on("cat /usr/share/baked"))
	require.Equal(t, "active", on("systemctl is-active hornero-bootstrap.service"))
	require.Equal(t, "running", on("systemctl is-system-running --wait"))
	l.checkRecord(on)
	checkImagesCommand(l, tinyBefore.ID, on("cat "+record.Path))
}
