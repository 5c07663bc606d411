// Package haproxy owns the proxies' run-time control: it makes the running HAProxy agree with the peer set, through its
// socket and without a reload. One server at most takes writes: the holder of the writer lease. It must not know how the
// configuration file is rendered or how the peer set works.
package haproxy

import (
	"slices"
	"strings"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Backends of the configuration file (roles/proxy).
const (
	Writer  = "writer"
	Readers = "readers"
)

// databaseRole is the role whose nodes are the servers.
const databaseRole = "db"

// Bits of srv_admin_state (HAProxy's management guide, "show servers state"): put into maintenance by the operator's
// socket or by the file. Bits that come from elsewhere, as from a tracked server, are not ours to set.
const maintenance = 0x01 | 0x04

// running is the srv_op_state of a server that is up.
const running = 2

// Server is one server of the running HAProxy.
type Server struct {
	Backend string
	Name    string
	Address string
	Op      int
	Admin   int
}

func (s Server) path() string   { return s.Backend + "/" + s.Name }
func (s Server) disabled() bool { return s.Admin&maintenance != 0 }

// Decide returns the commands that make the running servers agree with the snapshot, in order: whoever must not take
// writes is shut before the one that may is opened. Without a known writer nobody takes writes.
func Decide(servers []Server, snapshot peerset.Snapshot) []string {
	var shut, move, open []string
	writer := snapshot.Holder(peerset.LeaseWriter)
	for _, server := range sorted(servers) {
		peer, known := snapshot.Peer(server.Name)
		known = known && peer.Role == databaseRole && peer.Address != ""
		wanted := known && (server.Backend != Writer || server.Name == writer)
		if !server.disabled() && (!wanted || server.Address != peer.Address) {
			shut = append(shut, "set server "+server.path()+" state maint", "shutdown sessions server "+server.path())
		}
		if known && server.Address != peer.Address {
			move = append(move, "set server "+server.path()+" addr "+peer.Address)
		}
		if wanted && (server.disabled() || server.Address != peer.Address) {
			open = append(open, "set server "+server.path()+" state ready")
		}
	}
	return slices.Concat(shut, move, open)
}

func sorted(servers []Server) []Server {
	servers = slices.Clone(servers)
	slices.SortFunc(servers, func(a, b Server) int { return strings.Compare(a.path(), b.path()) })
	return servers
}

// Judge says how the proxy is: healthy when the server that takes writes is up.
func Judge(servers []Server, snapshot peerset.Snapshot) (healthy bool, state, reason string) {
	writer := snapshot.Holder(peerset.LeaseWriter)
	if writer == "" {
		return false, "no-writer", "no database node takes writes"
	}
	for _, server := range servers {
		if server.Backend == Writer && server.Name == writer {
			if server.Op == running && !server.disabled() {
				return true, "routing", "writes go to " + writer
			}
			return false, "writer-down", "HAProxy does not reach " + writer + ", which takes the writes"
		}
	}
	return false, "no-slot", "the configuration has no server named " + writer
}
