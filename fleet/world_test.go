package fleet_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/lab/state"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

const text = `version: 1
name: blog
cloud: lab
region: fra1
site: {title: "Tom & Ann", admin_user: admin, admin_email: admin@example.org}
nodes:
  - {name: db, role: db, count: 3}
  - {name: proxy, role: proxy, count: 2}
  - {name: web, role: web, count: 2}
load_balancer: {nodes: web, http: PORT}
`

// world is the lab's API over pretended machines: each Droplet is an SSH server that answers for its agent.
type world struct {
	api.Machines // what no stack asks for
	t            *testing.T
	config       fleet.Config
	created      func(api.Machine) // is called with each new machine, before it is there

	mutex    sync.Mutex
	machines map[int]api.Machine
	history  []string       // what was drained and destroyed, in order
	rebuilt  []string       // on which nodes the peer set was rebuilt
	asked    map[string]int // how often each node was asked how it is

	// What nodes say.
	known     map[string]int // the peer set: the newest incarnation of each node
	era       int
	forgotten map[string]int // declared gone
	events    []status.Event
	images    map[string]status.Image    // of the nodes
	survivors map[string]status.Recovery // what members say that they hold of the peer set
	holder    string                     // of the reserved IP
	problems  map[string]string          // that nodes have with it

	// What is wrong with nodes.
	unhealthy map[string]bool
	refused   string // a node that refuses its user-data
	cutOff    string // a node that we reach and its peers do not
	silent    string // a node whose commands never end
	remembers bool   // the nodes cannot read the peer set, and only remember the events
	strangers bool   // the nodes were never in a peer set, but for one that founds it
}

func newWorld(t *testing.T) *world {
	w := &world{
		t:         t,
		machines:  map[int]api.Machine{},
		known:     map[string]int{},
		asked:     map[string]int{},
		unhealthy: map[string]bool{},
	}

	site := serveSite(t)

	manifests, err := roles.LoadDir(roles.Embedded())
	require.NoError(t, err)

	yaml := strings.Replace(text, "PORT", site.Port(), 1)
	s, err := stack.Parse("stack.yaml", []byte(yaml), manifests)
	require.NoError(t, err)

	folder := t.TempDir()
	file := filepath.Join(folder, "secrets.age")
	key := filepath.Join(folder, "age.key")

	secrets, err := stack.OpenSecrets(file, key, nil)
	require.NoError(t, err)
	require.NoError(t, secrets.Ensure(s, manifests))

	client, err := do.NewClient(w.serve(folder), "token", "test")
	require.NoError(t, err)

	w.config = fleet.Config{
		Client:    client,
		Stack:     s,
		Secrets:   secrets,
		Manifests: manifests,
		Timeout:   20 * time.Second,
		Dial:      w.dial,
		Published: func(context.Context, string) (string, error) {
			return site.Hostname(), nil
		},
	}

	return w
}

// serveSite stands in for the site behind the load balancer, and returns its URL.
func serveSite(t *testing.T) *url.URL {
	page := func(out http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(out, "<title>Tom &amp; Ann</title>")
	}

	site := httptest.NewServer(http.HandlerFunc(page))
	t.Cleanup(site.Close)

	at, err := url.Parse(site.URL)
	require.NoError(t, err)

	return at
}

// set changes what the nodes say while they may be asked.
func (w *world) set(change func()) {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	change()
}

// destroyDroplet deletes a node's Droplet behind the fleet's back, and waits until left others are there.
func (w *world) destroyDroplet(node string, left int) {
	_, err := w.config.Client.Droplets.DeleteByTag(w.t.Context(), "hornero:blog:node:"+node)
	require.NoError(w.t, err)

	gone := func() bool { return len(w.names()) == left }
	require.Eventually(w.t, gone, waitLimit, waitTick)
}

// retag takes a tag of the stack from a node's Droplet, and gives it another, as somebody else may.
func (w *world) retag(node, from, to string) {
	client := w.config.Client
	droplets, _, err := client.Droplets.ListByTag(w.t.Context(), "hornero:blog:node:"+node, nil)
	require.NoError(w.t, err)
	require.Len(w.t, droplets, 1)

	resources := []godo.Resource{{
		ID:   strconv.Itoa(droplets[0].ID),
		Type: godo.DropletResourceType,
	}}

	// First, as the last role among a Droplet's tags is the one that counts.
	_, err = client.Tags.UntagResources(w.t.Context(), "hornero:blog:"+from, &godo.UntagResourcesRequest{
		Resources: resources,
	})
	require.NoError(w.t, err)

	_, _, err = client.Tags.Create(w.t.Context(), &godo.TagCreateRequest{Name: "hornero:blog:" + to})
	require.NoError(w.t, err)

	_, err = client.Tags.TagResources(w.t.Context(), "hornero:blog:"+to, &godo.TagResourcesRequest{
		Resources: resources,
	})
	require.NoError(w.t, err)
}

// status is what the fleet reports.
func (w *world) status() fleet.Report {
	report, err := w.fleet().Status(w.t.Context())
	require.NoError(w.t, err)

	return report
}

// serve starts the API with an image of each role, and returns its address.
func (w *world) serve(folder string) string {
	store, err := state.Open(filepath.Join(folder, "state.json"), func(d *state.Document) {
		api.Fresh(time.Now())(d)

		for _, role := range []string{"db", "proxy", "web"} {
			tags := []string{"hornero", "hornero:role:" + role, "hornero:release:debian-13"}

			d.Images = append(d.Images, state.Image{
				ID:           d.NextID(),
				Name:         "hornero-" + role,
				Distribution: "Debian",
				Type:         "snapshot",
				Regions:      []string{"fra1"},
				MinDisk:      20,
				Status:       "available",
				Root:         role,
				Tags:         d.UseTags(tags),
			})
		}
	})
	require.NoError(w.t, err)

	server := api.New(api.Options{
		Token:     "token",
		Store:     store,
		Machines:  w,
		Balancers: balancers{},
		Volumes:   volumes{},
		Public:    netip.MustParsePrefix("198.51.100.0/24"),
		Logger:    slog.New(slog.DiscardHandler),
		Delays:    api.Delays{Network: 50 * time.Millisecond},
	})
	require.NoError(w.t, server.Start(w.t.Context()))

	web := httptest.NewServer(server.Handler())
	w.t.Cleanup(func() {
		web.Close()
		server.Close()
	})

	return web.URL
}

func (w *world) fleet() *fleet.Fleet {
	f, err := fleet.New(w.config)
	require.NoError(w.t, err)
	w.t.Cleanup(f.Close)

	return f
}

func (w *world) up() error {
	_, _, err := w.fleet().Up(w.t.Context())
	return err
}

// documents are the node documents of the machines, by Droplet.
func (w *world) documents() map[int]cloudinit.Node {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	all := map[int]cloudinit.Node{}

	for id, machine := range w.machines {
		all[id] = w.document(machine)
	}

	return all
}

func (w *world) document(machine api.Machine) cloudinit.Node {
	document, err := cloudinit.Decode("user-data", []byte(machine.UserData))
	if err != nil {
		w.t.Error(err)
	}

	return document
}

// names lists the machines as node/incarnation, sorted.
func (w *world) names() []string {
	var names []string
	for _, document := range w.documents() {
		names = append(names, document.Node+"/"+strconv.Itoa(document.Incarnation))
	}

	slices.Sort(names)

	return names
}
