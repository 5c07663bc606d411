package haproxy

import (
	"fmt"
	"slices"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Backends of roles/proxy/haproxy.cfg.
const (
	writerBackend  = "writer"
	readersBackend = "readers"
	databaseRole   = "db"
)

// Server is one server of the running process.
type Server struct {
	Backend     string
	Name        string
	Address     string
	Maintenance bool // by configuration or command; what it inherits from the server that it tracks does not count
	Up          bool // open for sessions
	Passed      bool // its own check passed lately; a server that tracks another has none
}

func (s Server) id() string { return s.Backend + "/" + s.Name }

// Decide returns the commands that make the running servers what the peer set says: every database node with a known
// address is checked and may serve reads; only the holder of the writer lease, in the incarnation that took it, is open
// for writes. Whatever closes comes before whatever opens. Servers are taken in the process' order.
func Decide(servers []Server, snapshot peerset.Snapshot) []string {
	if snapshot.Founded == "" {
		return nil // nothing is known, not: nobody is there
	}
	var closing, moving, opening []string
	for _, server := range servers {
		peer, present := snapshot.Peer(server.Name)
		present = present && peer.Role == databaseRole && peer.Address != ""
		open := present && (server.Backend == readersBackend || server.Backend == writerBackend && isWriter(peer, snapshot))
		moved := present && server.Address != peer.Address
		if !server.Maintenance && (!open || moved) {
			closing = append(closing, set(server, "state maint"), "shutdown sessions server "+server.id())
		}
		if moved {
			moving = append(moving, set(server, "addr "+peer.Address))
		}
		if open && (server.Maintenance || moved) {
			opening = append(opening, set(server, "state ready"))
			if server.Backend == readersBackend && (moved || !peer.Healthy) {
				// A server that leaves maintenance counts as up until its first check. This one waits for it.
				opening = append(opening, set(server, "health down"))
			}
		}
	}
	return slices.Concat(closing, moving, opening)
}

func set(server Server, what string) string { return fmt.Sprintf("set server %s %s", server.id(), what) }

func isWriter(peer peerset.Peer, snapshot peerset.Snapshot) bool {
	lease := snapshot.Leases[peerset.LeaseWriter]
	return lease.Holder == peer.Name && lease.Incarnation == peer.Incarnation
}

// Quiet returns the commands for processes that a reload left behind: sessions to servers that are not open are ended.
func Quiet(servers []Server) []string {
	var commands []string
	for _, server := range servers {
		if !server.Up || server.Maintenance {
			commands = append(commands, set(server, "state maint"), "shutdown sessions server "+server.id())
		}
	}
	return commands
}

// Judge tells how the proxy is: it serves when a database node takes writes through it.
func Judge(servers []Server, snapshot peerset.Snapshot) Status {
	holder := snapshot.Holder(peerset.LeaseWriter)
	if holder == "" {
		return Status{State: StateNoWriter, Reason: "no database node takes writes yet"}
	}
	writer, known := find(servers, writerBackend, holder)
	if !known || writer.Maintenance {
		return Status{State: StateNoWriter, Reason: fmt.Sprintf("%s takes writes, and this proxy does not know it yet", holder)}
	}
	// The server in "readers" is the one that is checked. Before its first check a server counts as up, but has not passed.
	checked, _ := find(servers, readersBackend, holder)
	if !writer.Up || !checked.Passed {
		return Status{State: StateWriterDown, Reason: fmt.Sprintf("the check of %s does not pass", holder)}
	}
	return Status{State: StateServing, Healthy: true, Reason: "writes go to " + holder, Writer: holder}
}

func find(servers []Server, backend, name string) (Server, bool) {
	i := slices.IndexFunc(servers, func(s Server) bool { return s.Backend == backend && s.Name == name })
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
