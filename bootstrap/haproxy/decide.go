package haproxy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Backends of the template that the driver is made for.
const (
	writerBackend  = "writer"
	readersBackend = "readers"
	// SiteBackend is a proxy's for the site at the stack's reserved IP.
	SiteBackend = "site"
	// nobody is the server where clients wait while no writer is open. No node has that name: it is closed and
	// opened by none.
	nobody = "nobody"
)

// Server is one server of the running process.
type Server struct {
	Backend     string
	Name        string
	Address     string
	Weight      int
	Maintenance bool // by configuration or command; what it inherits from the server that it tracks does not count
	Up          bool // open for sessions
	Passed      bool // its own check passed lately; a server that tracks another has none
	Health      int  // how well its checks went: what changes before Up does
}

func (s Server) id() string {
	return s.Backend + "/" + s.Name
}

// of is whose nodes a backend's servers are.
func (r Roles) of(s Server) string {
	if role, is := r.Sites[s.Backend]; is {
		return role
	}

	return r.Database
}

// Plan is what to tell the process: Close, then the end of the sessions to Moved, then Open. Servers that are
// closed and stay so lose their sessions after that: a client that is cut off finds the new writer open.
type Plan struct {
	Close []string
	Moved []string // servers, as backend/name
	Open  []string
}

// Decide makes the running servers what the peer set says: every database node with a known address is checked
// and may serve reads, and every such web node may serve the site; only the holder of the writer lease, in the
// incarnation that took it, is open for writes. A lease that was given up and that nobody took yet leaves the
// last writer open as long as it is well: it waits for its successor. What closes comes before what moves, and
// that before what opens; "readers", where servers are checked, opens before "writer". Beyond that servers are
// taken in the process' order.
func Decide(servers []Server, roles Roles, snapshot peerset.Snapshot) Plan {
	if snapshot.Founded == "" {
		// To know nothing is not the same as to know that nobody is there: the servers stay as they are.
		return Plan{}
	}

	var plan Plan
	var moving, reading, writing []string

	weights := sharesOf(servers, roles, snapshot)

	for _, server := range servers {
		want := wanted(server, roles, snapshot)
		want.weight = weights[server.id()]

		if want.closed(server) {
			plan.Close = append(plan.Close, set(server, "state maint"))

			if want.moved {
				plan.Moved = append(plan.Moved, server.id())
			}
		}

		if want.moved {
			moving = append(moving, set(server, "addr "+want.peer.Address))
		}

		if want.reader {
			reading = append(reading, want.read(server)...)
		}

		if want.writer && (server.Maintenance || want.moved) {
			writing = append(writing, set(server, "state ready"))
		}
	}

	plan.Open = slices.Concat(moving, reading, writing)

	return plan
}

// want is what the peer set says of a server. It need be neither a reader nor a writer.
type want struct {
	peer   peerset.Peer
	moved  bool // its node has another address
	reader bool
	writer bool
	weight int // of a node behind a site of an edge; 0: as much as any
}

func wanted(server Server, roles Roles, snapshot peerset.Snapshot) want {
	peer, present := snapshot.Peer(server.Name)
	if !present || peer.Role != roles.of(server) || peer.Address == "" {
		return want{}
	}

	_, site := roles.Sites[server.Backend]
	asked := strings.HasSuffix(server.Backend, canaryPart)
	reads := server.Backend == readersBackend || site && (!asked || isCanary(peer))
	writes := isWriter(peer, snapshot) || wasWriter(server, peer, snapshot)

	return want{
		peer:   peer,
		moved:  server.Address != peer.Address,
		reader: reads,
		writer: server.Backend == writerBackend && writes,
	}
}

// closed tells whether an open server must close: a new address is only taken in maintenance.
func (w want) closed(server Server) bool {
	unwanted := !w.reader && !w.writer
	return !server.Maintenance && (w.moved || unwanted)
}

// read makes a server one that serves reads.
func (w want) read(server Server) []string {
	leaves := w.peer.Facts[peerset.FactLeaving] != ""

	switch {
	case server.Maintenance || w.moved:
		return openForReads(server, w.moved || !w.peer.Healthy, w)

	case leaves && server.Weight != 0:
		// Not closed: the writer's health is what is checked here.
		return []string{set(server, "weight 0")}

	case !leaves && server.Weight == 0:
		// An agent ended in the middle of openForReads.
		return []string{set(server, w.fullWeight())}

	case w.weight != 0 && server.Weight != w.weight:
		return []string{set(server, w.fullWeight())}
	}

	return nil
}

// fullWeight is what a server that takes sessions weighs.
func (w want) fullWeight() string {
	if w.weight == 0 {
		return "weight 100%"
	}

	return fmt.Sprintf("weight %d", w.weight)
}

// wasWriter tells the last writer, while nobody has taken the lease that it gave up and it serves all the same.
func wasWriter(server Server, peer peerset.Peer, snapshot peerset.Snapshot) bool {
	return snapshot.Holder(peerset.LeaseWriter) == "" &&
		!server.Maintenance &&
		server.Address == peer.Address &&
		peer.Healthy &&
		peer.Alive
}

// openForReads opens a server for reads. One that leaves maintenance counts as up until its first check; with doubt it
// gets no session before that has passed.
func openForReads(server Server, doubt bool, w want) []string {
	if !doubt {
		return []string{set(server, "state ready")}
	}

	// With weight 0 no session comes between "ready" and "down".
	return []string{
		set(server, "weight 0"),
		set(server, "state ready"),
		set(server, "health down"),
		set(server, w.fullWeight()),
	}
}

func set(server Server, what string) string {
	return fmt.Sprintf("set server %s %s", server.id(), what)
}

func isWriter(peer peerset.Peer, snapshot peerset.Snapshot) bool {
	lease := snapshot.Leases[peerset.LeaseWriter]
	return lease.Holder == peer.Name && lease.Incarnation == peer.Incarnation
}

// Session is one between a client and a database node.
type Session struct {
	PID    int    // of a process that a reload left behind; 0 is the one that accepts connections
	ID     string // in its process
	Server string // backend/name
	// Connected tells that the server answered. HAProxy 3.0 forgets a session that is ended before that: its
	// client hangs, while left alone it tries the next server within "timeout connect".
	Connected bool
}

// Spared returns the closed servers whose database node leaves and is well: it ends its sessions itself, each
// after its transaction.
func Spared(servers []Server, snapshot peerset.Snapshot) []string {
	return names(slices.DeleteFunc(slices.Clone(servers), func(s Server) bool {
		peer, known := snapshot.Peer(s.Name)
		closed := s.Maintenance && s.Backend == writerBackend
		leaves := known && peer.Facts[peerset.FactLeaving] != "" && peer.Address == s.Address

		return !(closed && leaves && peer.Healthy && peer.Alive)
	}))
}

// SessionsToEnd returns the connected sessions to servers that are neither open now nor spared, or are cut off.
func SessionsToEnd(sessions []Session, servers []Server, spared []string, cut map[string]bool) []Session {
	open := map[string]bool{}

	for _, id := range slices.Concat(openServers(servers), spared) {
		open[id] = !cut[id]
	}

	return slices.DeleteFunc(slices.Clone(sessions), func(s Session) bool {
		return open[s.Server] || !s.Connected
	})
}

// openServers returns the servers that take sessions, sorted.
func openServers(servers []Server) []string {
	return names(slices.DeleteFunc(slices.Clone(servers), func(s Server) bool {
		return !s.Up || s.Maintenance
	}))
}

// StatusOf tells how the node is: a proxy serves when a database node takes writes through it.
func StatusOf(servers []Server, roles Roles, snapshot peerset.Snapshot) Status {
	if roles.Database == "" {
		return edgeStatus(servers)
	}

	holder, still := snapshot.Holder(peerset.LeaseWriter), ""

	// The last writer stays open until another takes the lease that it gave up.
	if holder == "" {
		last := slices.IndexFunc(servers, func(s Server) bool {
			return s.Backend == writerBackend && !s.Maintenance
		})
		if last < 0 {
			return Status{State: StateNoWriter, Reason: "no database node takes writes yet"}
		}

		holder, still = servers[last].Name, " until another takes them"
	}

	writer, known := find(servers, writerBackend, holder)
	if !known || writer.Maintenance {
		return Status{
			State:  StateNoWriter,
			Reason: fmt.Sprintf("%s takes writes, and this proxy does not know it yet", holder),
		}
	}

	// The server in "readers" is the one that is checked. Before its first check a server counts as up, but has
	// not passed.
	checked, _ := find(servers, readersBackend, holder)
	if !writer.Up || !checked.Passed {
		return Status{
			State:  StateWriterDown,
			Reason: fmt.Sprintf("the check of %s does not pass", holder),
		}
	}

	return Status{
		State:   StateServing,
		Healthy: true,
		Reason:  "writes go to " + holder + still,
		Writer:  holder,
	}
}

func find(servers []Server, backend, name string) (Server, bool) {
	i := slices.IndexFunc(servers, func(s Server) bool {
		return s.Backend == backend && s.Name == name
	})
	if i < 0 {
		return Server{}, false
	}

	return servers[i], true
}

func names(servers []Server) []string {
	var list []string

	for _, server := range servers {
		list = append(list, server.id())
	}

	slices.Sort(list)

	return list
}
