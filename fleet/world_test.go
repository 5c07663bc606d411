package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
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

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

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
	mutex        sync.Mutex
	machines     map[int]api.Machine
	history      []string       // what was drained and destroyed, in order
	known        map[string]int // the peer set: the newest incarnation of each node
	unhealthy    map[string]bool
	events       []status.Event
	survivors    map[string]status.Recovery // what members say that they hold of the peer set
	rebuilt      []string
	images       map[string]status.Image // what nodes say of theirs
	forgotten    map[string]int          // declared gone
	refused      string
	cutOff       string         // a node that we reach and its peers do not
	asked        map[string]int // how often each node was asked how it is
	silent       string         // a node whose commands never end
	remembers    bool           // the nodes only remember what happened
	era          int
	holder       string            // of the reserved IP
	problems     map[string]string // that nodes have with it
	strangers    bool              // the nodes were never in a peer set, but for one that founds it
	created      func(api.Machine) // looks on at each new machine
}

func newWorld(t *testing.T) *world {
	w := &world{
		t:         t,
		machines:  map[int]api.Machine{},
		known:     map[string]int{},
		asked:     map[string]int{},
		unhealthy: map[string]bool{},
	}

	site := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(out, "<title>Tom &amp; Ann</title>")
	}))
	t.Cleanup(site.Close)

	at, err := url.Parse(site.URL)
	require.NoError(t, err)

	manifests, err := roles.LoadDir(roles.Embedded())
	require.NoError(t, err)

	s, err := stack.Parse(
		"stack.yaml",
		[]byte(strings.Replace(text, "PORT", at.Port(), 1)),
		manifests,
	)
	require.NoError(t, err)

	folder := t.TempDir()
	secrets, err := stack.OpenSecrets(
		filepath.Join(folder, "secrets.age"),
		filepath.Join(folder, "age.key"),
		nil,
	)
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
			return at.Hostname(), nil
		},
	}

	return w
}

// serve starts the API with an image of each role, and returns its address.
func (w *world) serve(folder string) string {
	store, err := state.Open(filepath.Join(folder, "state.json"), func(d *state.Document) {
		api.Fresh(time.Now())(d)

		for _, role := range []string{"db", "proxy", "web"} {
			d.Images = append(d.Images, state.Image{
				ID:           d.NextID(),
				Name:         "hornero-" + role,
				Distribution: "Debian",
				Type:         "snapshot",
				Regions:      []string{"fra1"},
				MinDisk:      20,
				Status:       "available",
				Root:         role,
				Tags:         d.UseTags([]string{"hornero", "hornero:role:" + role, "hornero:release:debian-13"}),
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

// volumes are none: no stack asks for one.
type volumes struct{ api.Volumes }

func (volumes) Keep(context.Context, []string, []string) error {
	return nil
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

func (w *world) dial(_ context.Context, _, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	w.mutex.Lock()
	defer w.mutex.Unlock()

	for _, machine := range w.machines {
		if machine.Public.String() == host {
			return w.connect(w.document(machine), machine.Private.String())
		}
	}

	return nil, errors.New("no route to host")
}

func (w *world) connect(document cloudinit.Node, address string) (net.Conn, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}

	go func() {
		defer listener.Close()
		if connection, err := listener.Accept(); err == nil {
			w.shell(document, address, connection)
		}
	}()

	return net.Dial("tcp", listener.Addr().String())
}

// shell serves SSH as a node does: with the host key and certificate of its document, for the keys of its document.
func (w *world) shell(document cloudinit.Node, address string, connection net.Conn) {
	defer connection.Close()

	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) != document.SSH.AuthorizedKeys[0] {
			return nil, errors.New("a stranger's key")
		}

		return nil, nil
	}}

	key, err := ssh.ParsePrivateKey([]byte(document.SSH.HostKey.Reveal()))
	if err != nil {
		w.t.Error(err)
		return
	}

	certificate, _, _, _, err := ssh.ParseAuthorizedKey([]byte(document.SSH.HostCertificate))
	if err != nil {
		w.t.Error(err)
		return
	}

	signer, err := ssh.NewCertSigner(certificate.(*ssh.Certificate), key)
	if err != nil {
		w.t.Error(err)
		return
	}

	config.AddHostKey(signer)

	_, channels, requests, err := ssh.NewServerConn(connection, config)
	if err != nil {
		return // the other side says why
	}

	go ssh.DiscardRequests(requests)

	for channel := range channels {
		session, asked, err := channel.Accept()
		if err != nil {
			return
		}

		go w.session(document, address, session, asked)
	}
}

func (w *world) session(document cloudinit.Node, address string, session ssh.Channel, asked <-chan *ssh.Request) {
	defer session.Close()

	for request := range asked {
		if request.Type != "exec" {
			_ = request.Reply(false, nil)
			continue
		}

		_ = request.Reply(true, nil)
		w.mutex.Lock()
		silent, remembers := w.silent == document.Node, w.remembers
		w.mutex.Unlock()

		if silent {
			<-w.t.Context().Done()
			return
		}

		if remembers {
			_, _ = io.WriteString(session.Stderr(), "this node remembers\n")
		}

		_, _ = io.WriteString(session, w.command(document, address, string(request.Payload[4:])))
		_, _ = session.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{0}))

		return
	}
}

// happen is an event that every node knows from now on.
func (w *world) happen(kind, node string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	w.events = append(w.events, status.Event{
		ID:   int64(len(w.events) + 1),
		Kind: kind,
		Node: node,
	})
}

func (w *world) command(document cloudinit.Node, address, command string) string {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	if command == "hornero-bootstrap drain" {
		w.history = append(w.history, "drain "+document.Node)
		return ""
	}

	switch command {
	case "hornero-bootstrap recover --dry-run --json":
		said := w.survivors[document.Node]
		said.Node = document.Node
		encoded, _ := json.Marshal(said)

		return string(encoded)

	case "hornero-bootstrap recover --yes --json":
		w.rebuilt = append(w.rebuilt, document.Node)
		return "{}"
	}

	var after int64
	var number int

	if n, _ := fmt.Sscanf(
		command,
		"hornero-bootstrap events --json --after %d -n %d",
		&after,
		&number,
	); n == 2 {
		var out strings.Builder
		for _, event := range w.events {
			if event.ID > after {
				_ = json.NewEncoder(&out).Encode(event)
			}
		}

		return out.String()
	}

	w.known[document.Node] = max(w.known[document.Node], document.Incarnation)

	said := status.Status{
		Stack:       document.Stack,
		Node:        document.Node,
		Role:        document.Role,
		Incarnation: document.Incarnation,
		Address:     address,
		Phase:       "serving",
		State:       "synced",
		Healthy:     !w.unhealthy[document.Node],
		Writer:      document.Node == "db-1",
		PeerSet: status.PeerSet{
			Founded:   "f",
			Quorum:    true,
			Era:       w.era,
			Forgotten: w.forgotten,
			Writer:    "db-1",
			Leader:    "10.0.0.9:9202",
			Voters:    []string{"10.0.0.9:9202"},
			Leases:    map[string]string{"writer": "db-1"},
		},
	}

	said.Image = w.images[document.Node]

	if _, given := document.Secrets[cloudinit.SecretReservedIPToken]; given {
		said.ReservedIP = &status.ReservedIP{
			Address: document.Settings[cloudinit.SettingReservedIP],
			Holder:  w.holder,
			Problem: w.problems[document.Node],
		}
	}

	said.PeerSet.ReservedIP = w.holder

	if w.unhealthy[document.Node] {
		said.Reason = "it was told to be"
	}

	if w.asked[document.Node]++; w.cutOff == document.Node {
		said.PeerSet.Quorum = false
		said.PeerSet.Writer = "db-9"
	}

	if w.strangers {
		said.Phase, said.Healthy, said.Stranger, said.PeerSet = "joining", false, !document.Found, status.PeerSet{}
	}

	if w.refused == document.Node {
		said.Phase, said.Healthy = "refused", false
	}

	for _, name := range slices.Sorted(maps.Keys(w.known)) {
		said.PeerSet.Peers = append(said.PeerSet.Peers, status.Peer{
			Name:        name,
			Incarnation: w.known[name],
		})
	}

	encoded, _ := json.Marshal(said)

	return string(encoded)
}

func (w *world) Create(_ context.Context, machine api.Machine) error {
	if w.created != nil {
		w.created(machine)
	}

	w.mutex.Lock()
	defer w.mutex.Unlock()

	w.machines[machine.ID] = machine

	return nil
}

func (w *world) Destroy(_ context.Context, id int) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	if machine, there := w.machines[id]; there {
		document := w.document(machine)
		w.history = append(
			w.history,
			"destroy "+document.Node+"/"+strconv.Itoa(document.Incarnation),
		)
	}

	delete(w.machines, id)

	return nil
}

func (w *world) Images() ([]string, error) {
	return nil, nil
}

func (w *world) SetNetworkFaults(context.Context, []api.NetworkFault) error {
	return nil
}

func (w *world) SetDelays(context.Context, []api.LinkDelay) error {
	return nil
}

func (w *world) SetClocks(context.Context, map[int]time.Duration) error {
	return nil
}

func (w *world) Import(context.Context, string, string) (api.Imported, error) {
	return api.Imported{}, nil
}

func (w *world) EnableIPv6(context.Context, int, netip.Addr) error {
	return nil
}

func (w *world) SetFills(context.Context, map[int]int64) error {
	return nil
}

func (w *world) SetFirewalls(context.Context, []api.Shield) error {
	return nil
}

func (w *world) SetReserved(context.Context, map[netip.Addr]int) error {
	return nil
}

func (w *world) Running(id int) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	_, there := w.machines[id]

	return there
}

func (w *world) List() ([]int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return slices.Collect(maps.Keys(w.machines)), nil
}

func (w *world) EnsureImage(context.Context, string) error {
	return nil
}
func (w *world) DeleteImage(context.Context, string) error {
	return nil
}
func (w *world) Boot(context.Context, int) error {
	return nil
}
func (w *world) Shutdown(context.Context, int) error {
	return nil
}
func (w *world) PowerOff(context.Context, int) error {
	return nil
}
func (w *world) Snapshot(context.Context, int, string) (int64, error) {
	return 0, nil
}
func (w *world) Fault(context.Context, int, string) error {
	return nil
}
func (w *world) Inspect(int) (api.Inspection, bool) {
	return api.Inspection{}, false
}

type balancers struct{}

func (balancers) Apply(context.Context, api.Balancer) error {
	return nil
}
func (balancers) Remove(context.Context, string) error { return nil }
func (balancers) List() ([]string, error) {
	return nil, nil
}
func (balancers) Published(netip.Addr) (string, bool) {
	return "", false
}
