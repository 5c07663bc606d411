package haproxy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/haproxy"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// server writes a server in short: "writer/db-1 10.0.0.1 up", with "maint", "up" and "passed" as needed.
func server(text string) haproxy.Server {
	fields := strings.Fields(text)
	backend, name, _ := strings.Cut(fields[0], "/")

	return haproxy.Server{
		Backend:     backend,
		Name:        name,
		Address:     fields[1],
		Weight:      1,
		Maintenance: strings.Contains(text, " maint"),
		Up:          strings.Contains(text, " up"),
		Passed:      strings.Contains(text, " passed"),
	}
}

func serversOf(texts ...string) []haproxy.Server {
	var list []haproxy.Server
	for _, text := range texts {
		list = append(list, server(text))
	}

	return list
}

// database is a healthy database node.
func database(name, address string, incarnation int) peerset.Peer {
	return peerset.Peer{
		Name:        name,
		Role:        "db",
		Address:     address,
		Incarnation: incarnation,
		Healthy:     true,
		Alive:       true,
	}
}

func sick(peer peerset.Peer) peerset.Peer {
	peer.Healthy = false
	return peer
}
func dead(peer peerset.Peer) peerset.Peer {
	peer.Alive = false
	return peer
}

func leaving(peer peerset.Peer) peerset.Peer {
	peer.Facts = map[string]string{peerset.FactLeaving: "yes"}
	return peer
}

func snapshot(writer string, incarnation int, peers ...peerset.Peer) peerset.Snapshot {
	return peerset.Snapshot{
		Founded: "f",
		Quorum:  true,
		Peers:   peers,
		Leases: map[string]peerset.Lease{peerset.LeaseWriter: {
			Name:        peerset.LeaseWriter,
			Holder:      writer,
			Incarnation: incarnation,
			Epoch:       1,
		}},
	}
}

// opened are the commands that open a server of which nobody knows how it is.
func opened(server string) []string {
	return []string{
		"set server " + server + " weight 0",
		"set server " + server + " state ready",
		"set server " + server + " health down",
		"set server " + server + " weight 100%",
	}
}

// testRoles are whose nodes the tests' servers are.
var testRoles = haproxy.Roles{Database: "db", Sites: map[string]string{haproxy.SiteBackend: "web"}}

func TestDecide(t *testing.T) {
	one := database("db-1", "10.0.0.1", 1)
	two := database("db-2", "10.0.0.2", 1)

	steady := serversOf(
		"writer/db-1 10.0.0.1 up",
		"writer/db-2 10.0.0.2 maint",
		"readers/db-1 10.0.0.1 up passed",
		"readers/db-2 10.0.0.2 up passed",
	)

	idle := serversOf("writer/db-1 10.0.0.1 up", "readers/db-1 10.0.0.1 up passed")
	idle[1].Weight = 0
	closeOne := haproxy.Plan{Close: []string{"set server writer/db-1 state maint"}}

	for _, c := range []struct {
		name     string
		servers  []haproxy.Server
		snapshot peerset.Snapshot
		want     haproxy.Plan
	}{
		{
			name:     "nothing to do",
			servers:  steady,
			snapshot: snapshot("db-1", 1, one, two),
			want:     haproxy.Plan{},
		},
		{
			name:     "nothing is known",
			servers:  steady,
			snapshot: peerset.Snapshot{},
			want:     haproxy.Plan{},
		},
		{
			name:     "the writer moves",
			servers:  steady,
			snapshot: snapshot("db-2", 1, one, two),
			want: haproxy.Plan{
				Close: []string{"set server writer/db-1 state maint"},
				Open:  []string{"set server writer/db-2 state ready"},
			},
		},
		{
			name:     "the writer gave the lease up, and waits for its successor",
			servers:  steady,
			snapshot: snapshot("", 0, one, two),
			want:     haproxy.Plan{},
		},
		{
			name:     "the writer gave the lease up, and is not well",
			servers:  steady,
			snapshot: snapshot("", 0, sick(one), two),
			want:     closeOne,
		},
		{
			name:     "the writer gave the lease up, and vanished",
			servers:  steady,
			snapshot: snapshot("", 0, dead(one), two),
			want:     closeOne,
		},
		{
			name: "nobody writes, and nobody did here",
			servers: serversOf(
				"writer/db-1 10.0.0.1 maint",
				"readers/db-1 10.0.0.1 up passed",
			),
			snapshot: snapshot("", 0, one),
			want:     haproxy.Plan{},
		},
		{
			name:     "the lease is of an earlier incarnation",
			servers:  steady,
			snapshot: snapshot("db-1", 1, database("db-1", "10.0.0.1", 2), two),
			want:     closeOne,
		},
		{
			name:     "the lease's holder is not a peer",
			servers:  steady,
			snapshot: snapshot("db-9", 1, one, two),
			want:     closeOne,
		},
		{
			name:    "no quorum: the last snapshot stands",
			servers: steady,
			snapshot: func() peerset.Snapshot {
				s := snapshot("db-1", 1, one, two)
				s.Quorum = false
				return s
			}(),
			want: haproxy.Plan{},
		},
		{
			name:     "a reader got a new address",
			servers:  steady,
			snapshot: snapshot("db-1", 1, one, database("db-2", "10.0.0.9", 2)),
			want: haproxy.Plan{
				Close: []string{"set server readers/db-2 state maint"},
				Moved: []string{"readers/db-2"},
				Open: append([]string{
					"set server writer/db-2 addr 10.0.0.9",
					"set server readers/db-2 addr 10.0.0.9",
				}, opened("readers/db-2")...),
			},
		},
		{
			name:     "a node that leaves gets no new readers",
			servers:  steady,
			snapshot: snapshot("db-1", 1, leaving(one), two),
			want:     haproxy.Plan{Open: []string{"set server readers/db-1 weight 0"}},
		},
		{
			name:     "nor is told so twice",
			servers:  idle,
			snapshot: snapshot("db-1", 1, leaving(one), two),
			want:     haproxy.Plan{},
		},
		{
			name:     "until it stays after all",
			servers:  idle,
			snapshot: snapshot("db-1", 1, one, two),
			want:     haproxy.Plan{Open: []string{"set server readers/db-1 weight 100%"}},
		},
		{
			name:     "a reader left the peer set",
			servers:  steady,
			snapshot: snapshot("db-1", 1, one),
			want:     haproxy.Plan{Close: []string{"set server readers/db-2 state maint"}},
		},
		{
			name: "a slot is filled by a node that does not serve yet",
			servers: serversOf(
				"writer/db-2 127.0.0.1 maint",
				"readers/db-2 127.0.0.1 maint",
			),
			snapshot: snapshot("", 0, sick(two)),
			want: haproxy.Plan{
				Open: append([]string{
					"set server writer/db-2 addr 10.0.0.2",
					"set server readers/db-2 addr 10.0.0.2",
				}, opened("readers/db-2")...),
			},
		},
		{
			name:     "a healthy reader comes back at once",
			servers:  serversOf("readers/db-2 10.0.0.2 maint"),
			snapshot: snapshot("", 0, two),
			want:     haproxy.Plan{Open: []string{"set server readers/db-2 state ready"}},
		},
		{
			name:    "a peer of another role does not get writes",
			servers: serversOf("writer/web-1 10.0.0.7 maint"),
			snapshot: snapshot("web-1", 1, peerset.Peer{
				Name:        "web-1",
				Role:        "web",
				Address:     "10.0.0.7",
				Incarnation: 1,
			}),
			want: haproxy.Plan{},
		},
		{
			name: "a web node serves the site",
			servers: serversOf(
				"site/web-1 127.0.0.1 maint",
				"site/db-1 127.0.0.1 maint",
			),
			snapshot: snapshot("db-1", 1, one, peerset.Peer{
				Name:        "web-1",
				Role:        "web",
				Address:     "10.0.0.7",
				Incarnation: 1,
				Healthy:     true,
			}),
			want: haproxy.Plan{
				Open: append([]string{
					"set server site/web-1 addr 10.0.0.7",
				}, opened("site/web-1")...),
			},
		},
		{
			name:     "servers of other backends are left alone",
			servers:  serversOf("mine/db-1 10.0.0.1 maint"),
			snapshot: snapshot("db-1", 1, one),
			want:     haproxy.Plan{},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, haproxy.Decide(c.servers, testRoles, c.snapshot))
		})
	}
}

func TestStatusOf(t *testing.T) {
	one := database("db-1", "10.0.0.1", 1)

	for _, c := range []struct {
		name     string
		servers  []haproxy.Server
		snapshot peerset.Snapshot
		want     string
		healthy  bool
	}{
		{
			name: "serves",
			servers: serversOf(
				"writer/db-1 10.0.0.1 up",
				"readers/db-1 10.0.0.1 up passed",
			),
			snapshot: snapshot("db-1", 1, one),
			want:     haproxy.StateServing,
			healthy:  true,
		},
		{
			name:     "not checked yet",
			servers:  serversOf("writer/db-1 10.0.0.1 up", "readers/db-1 10.0.0.1 up"),
			snapshot: snapshot("db-1", 1, one),
			want:     haproxy.StateWriterDown,
			healthy:  false,
		},
		{
			name:     "down",
			servers:  serversOf("writer/db-1 10.0.0.1", "readers/db-1 10.0.0.1"),
			snapshot: snapshot("db-1", 1, one),
			want:     haproxy.StateWriterDown,
			healthy:  false,
		},
		{
			name: "in maintenance",
			servers: serversOf(
				"writer/db-1 10.0.0.1 maint",
				"readers/db-1 10.0.0.1 up passed",
			),
			snapshot: snapshot("db-1", 1, one),
			want:     haproxy.StateNoWriter,
			healthy:  false,
		},
		{
			name:     "no slot",
			servers:  nil,
			snapshot: snapshot("db-1", 1, one),
			want:     haproxy.StateNoWriter,
			healthy:  false,
		},
		{
			name:     "no writer",
			servers:  serversOf("writer/db-1 10.0.0.1 maint"),
			snapshot: snapshot("", 0, one),
			want:     haproxy.StateNoWriter,
			healthy:  false,
		},
		{
			name: "the last writer waits for its successor",
			servers: serversOf(
				"writer/db-1 10.0.0.1 up",
				"readers/db-1 10.0.0.1 up passed",
			),
			snapshot: snapshot("", 0, one),
			want:     haproxy.StateServing,
			healthy:  true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			status := haproxy.StatusOf(c.servers, testRoles, c.snapshot)
			require.Equal(t, c.want, status.State)
			require.Equal(t, c.healthy, status.Healthy)
			require.NotEmpty(t, status.Reason)
			require.Equal(t, c.healthy, status.Writer == "db-1")
		})
	}
}
