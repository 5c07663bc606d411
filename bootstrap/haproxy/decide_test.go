package haproxy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/haproxy"
	"github.com/hornero/hornero/bootstrap/peerset"
)

func snapshot(writer string) peerset.Snapshot {
	return peerset.Snapshot{
		Founded: "x", Leases: map[string]peerset.Lease{peerset.LeaseWriter: {Holder: writer}},
		Peers: []peerset.Peer{{Name: "db-1", Role: "db", Address: "10.0.0.1"}, {Name: "db-2", Role: "db", Address: "10.0.0.2"}},
	}
}

func servers(first, second haproxy.Server) []haproxy.Server { return []haproxy.Server{first, second} }

func TestDecide(t *testing.T) {
	up1 := haproxy.Server{Backend: haproxy.Writer, Name: "db-1", Address: "10.0.0.1", Op: 2}
	down2 := haproxy.Server{Backend: haproxy.Writer, Name: "db-2", Address: "10.0.0.2", Admin: 5}
	for name, test := range map[string]struct {
		servers []haproxy.Server
		writer  string
		want    []string
	}{
		"nothing changed": {servers(up1, down2), "db-1", nil},
		"the writer moved": {servers(up1, down2), "db-2", []string{
			"set server writer/db-1 state maint", "shutdown sessions server writer/db-1", "set server writer/db-2 state ready"}},
		"no writer known": {servers(up1, down2), "", []string{"set server writer/db-1 state maint", "shutdown sessions server writer/db-1"}},
		"the writer has a new address": {servers(haproxy.Server{Backend: haproxy.Writer, Name: "db-1", Address: "10.0.0.9", Op: 2}, down2), "db-1", []string{
			"set server writer/db-1 state maint", "shutdown sessions server writer/db-1", "set server writer/db-1 addr 10.0.0.1", "set server writer/db-1 state ready"}},
		"a node left": {[]haproxy.Server{{Backend: haproxy.Readers, Name: "db-3", Address: "10.0.0.3", Op: 2}}, "db-1", []string{
			"set server readers/db-3 state maint", "shutdown sessions server readers/db-3"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, haproxy.Decide(test.servers, snapshot(test.writer)))
		})
	}
}

func TestJudge(t *testing.T) {
	up := haproxy.Server{Backend: haproxy.Writer, Name: "db-1", Op: 2}
	healthy, _, _ := haproxy.Judge([]haproxy.Server{up}, snapshot("db-1"))
	require.True(t, healthy)
	healthy, state, _ := haproxy.Judge([]haproxy.Server{up}, snapshot("db-2"))
	require.False(t, healthy)
	require.Equal(t, "no-slot", state)
	healthy, state, _ = haproxy.Judge([]haproxy.Server{up}, snapshot(""))
	require.False(t, healthy)
	require.Equal(t, "no-writer", state)
}
