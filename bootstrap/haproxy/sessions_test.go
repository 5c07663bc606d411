package haproxy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/haproxy"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// server writes a server in short: "writer/db-1 10.0.0.1 up", with "maint", "up" and "passed" as needed.
func TestSessionsToEnd(t *testing.T) {
	servers := serversOf(
		"writer/db-1 10.0.0.1 up",
		"writer/db-2 10.0.0.2 maint",
		"readers/db-1 10.0.0.1 up passed",
		"readers/db-2 10.0.0.2",
	)

	session := func(pid int, id, server string) haproxy.Session {
		return haproxy.Session{
			PID:       pid,
			ID:        id,
			Server:    server,
			Connected: true,
		}
	}

	connecting := session(0, "0xf", "writer/db-2")
	connecting.Connected = false

	all := []haproxy.Session{
		session(1, "0xa", "writer/db-1"),
		session(1, "0xb", "writer/db-2"),
		session(2, "0xc", "readers/db-1"),
		session(2, "0xd", "readers/db-2"),
		session(0, "0xe", "writer/db-9"),
		connecting,
	}

	require.Equal(t,
		[]haproxy.Session{all[1], all[3], all[4]},
		haproxy.SessionsToEnd(all, servers, nil, nil),
		"not the one that is still being connected",
	)

	require.Equal(t,
		[]haproxy.Session{all[1], all[2], all[3], all[4]},
		haproxy.SessionsToEnd(all, servers, nil, map[string]bool{"readers/db-1": true}),
	)
}

// A node that leaves ends its sessions itself, as long as it is well.
func TestSpared(t *testing.T) {
	servers := serversOf(
		"writer/db-1 10.0.0.1 maint up",
		"writer/db-2 10.0.0.2 up",
		"readers/db-1 10.0.0.1 up passed",
	)

	gone := leaving(database("db-1", "10.0.0.1", 1))
	two := database("db-2", "10.0.0.2", 1)

	require.Equal(t,
		[]string{"writer/db-1"},
		haproxy.Spared(servers, snapshot("db-2", 1, gone, two)),
	)

	for _, one := range []peerset.Peer{
		database("db-1", "10.0.0.1", 1),
		sick(gone),
		dead(gone),
	} {
		require.Empty(t, haproxy.Spared(servers, snapshot("db-2", 1, one, two)))
	}

	session := haproxy.Session{
		ID:        "0xa",
		Server:    "writer/db-1",
		Connected: true,
	}
	spared := []string{"writer/db-1"}
	require.Empty(t, haproxy.SessionsToEnd(
		[]haproxy.Session{session},
		servers,
		spared,
		nil,
	))
}
