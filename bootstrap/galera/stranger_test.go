package galera_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
)

func TestMembersOfTheViewThatThePeerSetDoesNotKnow(t *testing.T) {
	view := func(arbiters int, addresses ...string) func(*galera.Input) {
		return func(input *galera.Input) {
			input.Local.Process = galera.ProcessRunning
			input.Local.Wsrep.ClusterStatus = "Primary"
			input.Local.Wsrep.Incoming = addresses
			input.Local.Wsrep.Arbiters = arbiters
			input.Peers.Peers = append(input.Peers.Peers,
				peer("db-1", galera.StateSynced),
				peer("db-2", galera.StateSynced),
				peerset.Peer{Name: "web-1", Role: "web", Address: "10.0.0.40"},
				peerset.Peer{Name: "arbitrator-1", Role: "arbitrator", Address: "10.0.0.50"},
			)
		}
	}

	for name, c := range map[string]struct {
		input   galera.Input
		strange []string
	}{
		"no view":                      {input: in()},
		"all are known":                {input: in(view(1, "10.0.0.1", "10.0.0.2"))},
		"one is not there":             {input: in(view(0, "10.0.0.2"))},
		"a web node":                   {input: in(view(0, "10.0.0.1", "10.0.0.40")), strange: []string{"10.0.0.40"}},
		"an address of nobody's":       {input: in(view(0, "10.9.9.9")), strange: []string{"10.9.9.9"}},
		"another's address":            {input: in(view(0, "10.0.0.1", "10.0.0.1")), strange: []string{"10.0.0.1"}},
		"two arbitrators where one is": {input: in(view(2)), strange: []string{"1 without an address"}},
	} {
		require.Equal(t, c.strange, galera.Strangers(c.input), name)
	}
}

// A stranger in the view is an alarm, and the node serves on: whoever got in must not end the service, too.
func TestAStrangerInTheViewIsAnAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.say(primary("db-1", ours), primary("db-3", ours))
		r.server.edit(serve)
		r.start()
		r.synced()

		r.server.edit(func(s *server) { s.wsrep.Incoming = []string{"10.0.0.1", "10.0.0.2", "10.9.9.9"} })
		r.eventually("an alarm", func() bool { return r.driver.Status().Alarm != "" })

		said := r.driver.Status()
		require.Contains(t, said.Alarm, "10.9.9.9")
		require.Equal(t, "10.9.9.9", said.Facts[galera.FactStranger])
		require.True(t, said.Healthy)

		r.server.edit(func(s *server) { s.wsrep.Incoming = []string{"10.0.0.1", "10.0.0.2"} })
		r.eventually("no alarm", func() bool { return r.driver.Status().Alarm == "" })
	})
}
