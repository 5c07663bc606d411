package galera_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
)

func probes(s *server) int { return s.probes }

// quiet is a rig whose server serves and has told so, and which is looked at no more than once in a minute from
// now on.
func quiet(t *testing.T) (*rig, chan struct{}) {
	r := newRig(t, whole("12"))
	told := make(chan struct{}, 1)
	r.config.Notified = told
	r.config.Times.IdlePoll = time.Minute
	r.config.Times.IdleAfter = 20 * time.Millisecond
	r.server.process = galera.ProcessRunning
	r.server.wsrep = synced
	r.start()
	r.synced()
	told <- struct{}{}

	r.eventually("quiet", func() bool {
		// A server that is looked at at every tick would be asked meanwhile.
		before := r.server.count(probes)
		time.Sleep(30 * time.Millisecond)
		return r.server.count(probes) == before
	})

	return r, told
}

var synced = galera.Wsrep{
	ClusterStatus: "Primary",
	Ready:         true,
	LocalState:    4,
	Size:          3,
	UUID:          ours,
	Seqno:         12,
	Incoming:      []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"},
}

func TestAServerThatServesAndTellsWhatChangesIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, told := quiet(t)
		r.server.edit(func(s *server) {
			s.wsrep.Size, s.wsrep.Incoming = 2, s.wsrep.Incoming[1:]
		})
		told <- struct{}{}
		r.says(galera.FactSize, "2")
	})
}

func TestAServerWhoseChangeNobodyToldIsLookedAtAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := quiet(t)

		// After this long the server's last notification explains no change any more.
		time.Sleep(r.config.Times.IdleAfter)
		r.server.edit(func(s *server) {
			s.wsrep.Size, s.wsrep.Incoming = 2, s.wsrep.Incoming[1:]
		})

		// Any change of the peer set has the server looked at, once.
		r.say(at("db-1", ours, "7"))
		r.says(galera.FactSize, "2")
		time.Sleep(2 * r.config.Times.IdleAfter)

		before := r.server.count(probes)
		r.eventually("looked at again and again", func() bool {
			return r.server.count(probes) > before+10
		})
	})
}

func TestAFileThatTheServerTouchesIsTold(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "late")
	touched, other := filepath.Join(folder, "told"), filepath.Join(folder, "other")
	told, toldOfOther := watched(t, touched), watched(t, other)
	require.NoError(t, os.Mkdir(folder, 0o755))

	for range 3 {
		touch(t, touched, told)
	}

	select {
	case <-toldOfOther:
		t.Fatal("told of another file")
	default:
	}

	touch(t, other, toldOfOther)
}

// watched is a server's word of a file's touches.
func watched(t *testing.T, file string) <-chan struct{} {
	server, err := galera.Dial(filepath.Join(t.TempDir(), "none.sock"))
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })

	return server.Notifications(t.Context(), file)
}

// touch is what wsrep_notify_cmd does, and its word.
func touch(t *testing.T, file string, told <-chan struct{}) {
	require.NoError(t, os.WriteFile(file, nil, 0o600))

	select {
	case <-told:
	case <-time.After(time.Minute):
		t.Fatalf("nobody told of %s", file)
	}
}
