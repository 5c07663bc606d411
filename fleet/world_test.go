package fleet_test

import (
	"context"
	"log/slog"
	"maps"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
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
roles:
  web: {title: "Tom & Ann", admin_user: admin, admin_email: admin@example.org}
nodes:
  - {name: db, role: db, count: 3}
  - {name: proxy, role: proxy, count: 2}
  - {name: web, role: web, count: 2}
load_balancer: {nodes: web, http: PORT}
`

// unbounded is a client that makes as many requests as the tests' polls want.
var unbounded = do.Retries{
	Max:     do.DefaultRetries.Max,
	MinWait: do.DefaultRetries.MinWait,
	MaxWait: do.DefaultRetries.MaxWait,
	Burst:   1_000_000,
}

// world is the lab's API over pretended machines: each Droplet is an SSH server that answers for its agent.
type world struct {
	api.Machines // what no stack asks for
	t            *testing.T
	config       fleet.Config
	created      func(api.Machine) // is called with each new machine, before it is there
	site         *site
	lab          *api.Server
	store        *state.Store
	ahead        atomic.Int64 // of the machine's clock the lab's is
	journals     journals

	mutex    sync.Mutex
	off      map[int]bool // machines whose power is off
	machines map[int]api.Machine
	history  []string       // what was drained and destroyed, in order
	notice   string         // what was said at the last drain
	rebuilt  []string       // on which nodes the peer set was rebuilt
	ran      []string       // what commands were run, with their standard input
	asked    map[string]int // how often each node was asked how it is
	programs []string       // that tell a node's status, with the node

	// What nodes say.
	known     map[string]int    // the peer set: the newest incarnation of each node
	kinds     map[launch]string // what each was launched as
	era       int
	forgotten map[string]int // declared gone
	events    []status.Event
	images    map[string]status.Image    // of the nodes
	survivors map[string]status.Recovery // what members say that they hold of the peer set
	holder    string                     // of the reserved IP
	problems  map[string]string          // that nodes have with it
	writers   []string                   // who say that they take the writes
	leases    map[string]string          // who holds them
	exits     map[string]uint32          // what commands of roles end with, by node
	lost      bool                       // the peer set has no quorum

	checkers   map[string]map[string]int // who asked nodes whether they serve; one more good answer at each look
	counts     map[string]string         // what nodes counted of their answers
	figures    map[string]status.Figures // what nodes measure
	grows      map[string]status.Figures // and by how much more at each look
	transfers  map[string]int            // for how many more looks a node's state transfer moves
	restarts   map[string]int            // of a node's services
	restarting map[string]int            // how many more at each look

	// What is wrong with nodes.
	unhealthy map[string]bool
	refused   string // a node that refuses its user-data
	cutOff    string // a node that we reach and its peers do not
	silent    string // a node whose commands never end
	agentless string // a node whose agent does not answer
	old       string // a node of a version before
	hangs     string // a node whose role's commands never end
	twin      string // a node whose first incarnation another Droplet was, too, and that one came first
	remembers bool   // the nodes cannot read the peer set, and only remember the events
	strangers bool   // the nodes were never in a peer set, but for one that founds it
	mayFound  func(cloudinit.Node) bool
}

// launch is an incarnation of a node.
type launch struct {
	node        string
	incarnation int
}

func newWorld(t *testing.T) *world {
	return newWorldOf(t, text, nil)
}

// newWorldOf has a stack of its own, with roles of its own; PORT and TLSPORT in its text are where the site answers.
func newWorldOf(t *testing.T, text string, own fstest.MapFS) *world {
	w := &world{
		t:         t,
		site:      serveSite(t),
		journals:  journals{t.TempDir()},
		machines:  map[int]api.Machine{},
		off:       map[int]bool{},
		known:     map[string]int{},
		kinds:     map[launch]string{},
		asked:     map[string]int{},
		unhealthy: map[string]bool{},
		mayFound:  func(document cloudinit.Node) bool { return document.Found },

		restarts:   map[string]int{},
		restarting: map[string]int{},

		writers: []string{"db-1"},
		leases:  map[string]string{"writer": "db-1"},
	}

	manifests, err := roles.LoadDir(roles.Overlay(own))
	require.NoError(t, err)

	s := w.parse(text, manifests)
	folder := t.TempDir()
	file := filepath.Join(folder, "secrets.age")
	key := filepath.Join(folder, "age.key")

	secrets, err := stack.OpenSecrets(file, key, nil)
	require.NoError(t, err)
	require.NoError(t, secrets.Ensure(s, manifests))

	client, err := unbounded.NewClient(w.serve(folder, s), "token", "test")
	require.NoError(t, err)

	w.config = fleet.Config{
		Client:    client,
		Stack:     s,
		Secrets:   secrets,
		Manifests: manifests,
		Timeout:   20 * time.Second,
		Lock:      fleet.LockConfig{Times: quickTimes},
		Admission: time.Millisecond,
		InUseWait: time.Second,
		Soak:      100 * time.Millisecond,
		Dial:      w.dial,
		Published: func(context.Context, string) (string, error) {
			return w.site.plain.Hostname(), nil
		},
	}

	return w
}

// parse reads a stack.yaml whose load balancers are the site.
func (w *world) parse(text string, manifests map[string]*roles.Manifest) *stack.Stack {
	ports := strings.NewReplacer("TLSPORT", w.site.tls.Port(), "PORT", w.site.plain.Port())
	s, err := stack.Parse("stack.yaml", []byte(ports.Replace(text)), manifests)
	require.NoError(w.t, err)

	return s
}

// set changes what the nodes say while they may be asked.
func (w *world) set(change func()) {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	change()
}

// hear returns what tells all progress from now on, a line each.
func (w *world) hear() func() string {
	var said strings.Builder

	w.config.Progress = func(line string) {
		w.set(func() { said.WriteString(line + "\n") })
	}

	return func() string {
		w.mutex.Lock()
		defer w.mutex.Unlock()

		return said.String()
	}
}

// destroyDroplet deletes a node's Droplet behind the fleet's back, and waits until left others are there.
func (w *world) destroyDroplet(node string, left int) {
	_, err := w.config.Client.Droplets.DeleteByTag(w.t.Context(), "hornero:blog:node:"+node)
	require.NoError(w.t, err)

	gone := func() bool { return len(w.names()) == left }
	require.Eventually(w.t, gone, waitLimit, waitTick)
}

// awaitDroplets waits until the API lists so many Droplets of the stack: one that is deleted is listed for a while.
func (w *world) awaitDroplets(number int) {
	listed := func() bool {
		droplets, err := do.DropletsByTag(w.t.Context(), w.config.Client, "hornero:blog")
		require.NoError(w.t, err)

		return len(droplets) == number
	}
	require.Eventually(w.t, listed, waitLimit, waitTick)
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

	w.tag("hornero:blog:"+to, resources[0])
}

// tag puts a tag on something.
func (w *world) tag(name string, resource godo.Resource) {
	tags := w.config.Client.Tags
	_, _, err := tags.Create(w.t.Context(), &godo.TagCreateRequest{Name: name})
	require.NoError(w.t, err)

	_, err = tags.TagResources(w.t.Context(), name, &godo.TagResourcesRequest{
		Resources: []godo.Resource{resource},
	})
	require.NoError(w.t, err)
}

// status is what the fleet reports.
func (w *world) status() fleet.Report {
	report, err := w.fleet().Status(w.t.Context())
	require.NoError(w.t, err)

	return report
}

// serve starts the API with an image of each role of the stack, and returns its address.
func (w *world) serve(folder string, s *stack.Stack) string {
	store, err := state.Open(filepath.Join(folder, "state.json"), func(d *state.Document) {
		api.Fresh(time.Now())(d)

		for _, role := range slices.Sorted(maps.Keys(s.Expected())) {
			tags := []string{"hornero", "hornero:role:" + role, "hornero:release:debian-13", "hornero:document:4"}

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
		Balancers: balancers{w.site},
		Volumes:   volumes{},
		Public:    netip.MustParsePrefix("198.51.100.0/24"),
		Logger:    slog.New(slog.DiscardHandler),
		Delays:    api.Delays{Network: 50 * time.Millisecond},
		Now:       func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) },
	})
	w.lab, w.store = server, store
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

// mustUp makes what exists equal what the stack says.
func (w *world) mustUp() {
	w.t.Helper()
	require.NoError(w.t, w.up())
}

// nothingToDo tells that the plan is empty.
func (w *world) nothingToDo() {
	w.t.Helper()
	require.Empty(w.t, w.plan())
}

// replace recreates a node.
func (w *world) replace(node string) error {
	return w.fleet().Replace(w.t.Context(), node)
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
