package galera_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// rig is a driver for db-2 over a real data directory, a peer set in memory and a pretended server. It lives in a
// bubble of testing/synctest, whose time moves on only when all its goroutines wait: leases of 200 ms are not lost
// because the machine is busy.
type rig struct {
	t      *testing.T
	set    *memory
	server *server
	disk   *disk
	config galera.Config
	driver *galera.Driver
	stop   func()
}

// times are short, and DelayWipe is 30 ms.
var times = galera.Times{
	Tick:       2 * time.Millisecond,
	WriterTick: 10 * time.Millisecond,
	WriterTTL:  200 * time.Millisecond,
	LeaseTTL:   200 * time.Millisecond,
	Stall:      150 * time.Millisecond,
	NoPrimary:  60 * time.Millisecond,
	Invite:     300 * time.Millisecond,
	SeqnoEvery: time.Millisecond,
	Backoff:    2 * time.Millisecond,
	Grace:      20 * time.Millisecond,
	Pause:      2 * time.Millisecond,
	Stranger:   20 * time.Millisecond,
	DelayScale: 0.001,
}

func newRig(t *testing.T, files map[string]string) *rig {
	r := &rig{
		t:   t,
		set: newMemory(),
		server: &server{
			process: galera.ProcessStopped,
			ended:   make(chan string),
		},
	}

	r.disk = &disk{
		DataDir: galera.DataDir{Path: t.TempDir()},
		space:   galera.Space{Free: 20 << 30, Total: 25 << 30},
	}

	for name, text := range files {
		require.NoError(t, os.WriteFile(r.path(name), []byte(text), 0o600))
	}

	r.config = galera.Config{
		Node:        "db-2",
		Role:        "db",
		Arbitrators: []string{"arbitrator"},
		Incarnation: 1,
		Address:     "10.0.0.2",
		Expected:    []string{"db-1", "db-2", "db-3"},
		Unit:        r.server,
		Database:    r.server,
		Data:        r.disk,
		Times:       times,
		Log:         slog.New(slog.NewTextHandler(t.Output(), nil)),
	}

	r.admit("db-1", "db-2", "db-3")
	t.Cleanup(func() { r.halt() })

	return r
}

func (r *rig) path(name string) string {
	return filepath.Join(r.disk.Path, name)
}

func (r *rig) who() peerset.Identity {
	return peerset.Identity{
		Name:        r.config.Node,
		Role:        "db",
		Incarnation: r.config.Incarnation,
	}
}

func (r *rig) admit(names ...string) {
	for _, name := range names {
		_, err := r.set.Admit(r.t.Context(), peerset.Join{
			Identity: peerset.Identity{
				Name:        name,
				Role:        "db",
				Incarnation: 1,
			},
			Address: "10.0.0." + name[3:],
		})
		require.NoError(r.t, err)
	}
}

// say makes other nodes say of themselves what the peers say.
func (r *rig) say(others ...peerset.Peer) {
	r.set.edit(func(s *peerset.Snapshot) {
		for _, other := range others {
			for i := range s.Peers {
				if s.Peers[i].Name == other.Name {
					s.Peers[i] = other
				}
			}
		}
	})
}

func (r *rig) quorum(there bool) {
	r.set.edit(func(s *peerset.Snapshot) { s.Quorum = there })
}

// start runs the agent's part; a second start is an agent that was restarted.
func (r *rig) start() {
	r.halt()
	set := peerset.Bind(r.set, r.who())
	ctx, cancel := context.WithCancel(context.Background())
	r.config.Set = set

	r.config.Report = func(s galera.Status) {
		if err := set.Report(ctx, peerset.Report{
			State:   string(s.State),
			Healthy: s.Healthy,
			Facts:   s.Facts,
		}); err != nil {
			r.t.Log("report: ", err)
		}
	}

	r.driver = galera.New(r.config)
	done := make(chan struct{})
	go func() {
		defer close(done)

		r.driver.Run(ctx)
	}()

	r.stop = func() {
		cancel()
		<-done
	}
}

func (r *rig) halt() {
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
}

// patience bounds every wait of a test. It is the bubble's time, which a busy machine does not use up.
const patience = 5 * time.Second

func (r *rig) eventually(what string, check func() bool) {
	r.t.Helper()

	for deadline := time.Now().Add(patience); !check(); {
		require.True(r.t, time.Now().Before(deadline), "%s: the node is %+v", what, r.driver.Status())
		time.Sleep(times.Tick)
	}
}

func (r *rig) synced() {
	r.t.Helper()
	r.eventually("synced", func() bool {
		return r.driver.Status().State == galera.StateSynced
	})
}

// holds waits until the node holds a lease.
func (r *rig) holds(lease string) {
	r.t.Helper()
	r.eventually("holds the lease "+lease, func() bool {
		return r.holder(lease) == r.config.Node
	})
}

// released waits until nobody holds a lease.
func (r *rig) released(lease string) {
	r.t.Helper()
	r.eventually("released the lease "+lease, func() bool {
		return r.holder(lease) == ""
	})
}

// says waits until the node reports a fact.
func (r *rig) says(fact, value string) {
	r.t.Helper()
	r.eventually(fact+" is "+value, func() bool {
		return r.fact(fact) == value
	})
}

// counts waits until the server has counted a number of something.
func (r *rig) counts(what func(*server) int, number int) {
	r.t.Helper()
	r.eventually("the server's count", func() bool {
		return r.server.count(what) == number
	})
}

func (r *rig) fact(name string) string {
	peer, _ := r.set.Snapshot().Peer(r.config.Node)
	return peer.Facts[name]
}

func (r *rig) holder(lease string) string {
	return r.set.Snapshot().Holder(lease)
}

// reason waits until the node says why it is where it is.
func (r *rig) reason(part string) {
	r.t.Helper()

	for deadline := time.Now().Add(patience); !contains(r.driver.Status().Reason, part); {
		if time.Now().After(deadline) {
			require.Contains(r.t, r.driver.Status().Reason, part)
		}

		time.Sleep(times.Tick)
	}
}

// server is a unit and the database in it.
type server struct {
	mu      sync.Mutex
	process galera.Process
	mute    error // what systemd fails with
	wsrep   galera.Wsrep
	starts  int
	begins  int // as the first of a cluster
	stops   int
	kills   int // among them
	applied int
	open    bool   // to clients' writes
	opens   func() // called when it is about to be opened
	evicted []string
	ended   chan string
	probes  int
	asked   chan struct{} // gets word of a probe that is then answered by nothing but its end; nil for none
	refuses error         // to apply users and grants
	log     string        // of the last start
	onStart func(*server) // what a start leads to
	onStop  func(*server)
}

func (s *server) edit(change func(*server)) {
	s.mu.Lock()
	defer s.mu.Unlock()

	change(s)
}

func (s *server) count(which func(*server) int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return which(s)
}

func starts(s *server) int { return s.starts }
func begins(s *server) int { return s.begins }
func stops(s *server) int  { return s.stops }
func kills(s *server) int  { return s.kills }

// State counts a server that runs as starting, as systemd's word does: only the server itself says that it serves.
func (s *server) State(context.Context) (galera.Process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.process == galera.ProcessRunning {
		return galera.ProcessStarting, s.mute
	}

	return s.process, s.mute
}

func (s *server) Start(context.Context) error {
	s.edit(func(s *server) {
		s.starts++
		s.launch()
	})

	return nil
}

func (s *server) Bootstrap(context.Context) error {
	s.edit(func(s *server) {
		s.begins++
		s.launch()
	})

	return nil
}

func (s *server) launch() {
	s.process = galera.ProcessStarting
	s.open = false

	if s.onStart != nil {
		s.onStart(s)
	}
}

func (s *server) Stop(context.Context) error {
	s.edit(func(s *server) {
		s.stops++
		s.process = galera.ProcessStopped
		s.wsrep = galera.Wsrep{}

		if s.onStop != nil {
			s.onStop(s)
		}
	})

	return nil
}

func (s *server) Kill(ctx context.Context) error {
	s.edit(func(s *server) { s.kills++ })
	return s.Stop(ctx)
}

func (s *server) Trouble(context.Context, time.Time) galera.Trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	return galera.TroubleOf(s.log)
}

func (s *server) Probe(ctx context.Context) (galera.Wsrep, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.probes++

	if asked := s.asked; asked != nil {
		s.mu.Unlock()
		asked <- struct{}{}
		<-ctx.Done()
		s.mu.Lock()

		return galera.Wsrep{}, ctx.Err()
	}

	if s.process != galera.ProcessRunning {
		return galera.Wsrep{}, errors.New("no answer")
	}

	return s.wsrep, nil
}

func (s *server) Apply(context.Context, string) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.applied++

	return s.refuses
}

func (s *server) TakeWrites(context.Context) error {
	s.mu.Lock()
	opened, told := !s.open, s.opens
	s.open = true
	s.mu.Unlock()

	if opened && told != nil {
		told()
	}

	return nil
}

func (s *server) RefuseWrites(context.Context, bool) error {
	s.edit(func(s *server) { s.open = false })
	return nil
}

func (s *server) Reform(context.Context) error { return nil }

func (s *server) Evict(_ context.Context, member string) error {
	s.edit(func(s *server) {
		s.evicted, s.wsrep.Evicted = append(s.evicted, member), member != ""
	})

	return nil
}

func (s *server) Ended() <-chan string { return s.ended }

func (s *server) Disconnect(context.Context) (int, error) {
	return 0, nil
}

// serve is a start that ends well.
func serve(s *server) {
	s.process = galera.ProcessRunning

	s.wsrep = galera.Wsrep{
		ClusterStatus: "Primary",
		LocalState:    4,
		Ready:         true,
		Size:          3,
		UUID:          ours,
		Seqno:         100,
	}
}

// fail is a start that ends badly.
func fail(s *server) { s.process = galera.ProcessFailed }

// disk is a data directory whose failures are made.
type disk struct {
	galera.DataDir
	mu      sync.Mutex
	wiping  func() error // instead of the wipe
	recover func() (galera.Position, error)
	space   galera.Space
	wipes   int
	asked   int // recoveries
}

func (d *disk) edit(change func(*disk)) {
	d.mu.Lock()
	defer d.mu.Unlock()

	change(d)
}

func (d *disk) count(which func(*disk) int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return which(d)
}

func wipes(d *disk) int      { return d.wipes }
func recoveries(d *disk) int { return d.asked }

func (d *disk) Space() (galera.Space, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.space, nil
}

func (d *disk) Wipe() error {
	d.mu.Lock()
	d.wipes++
	instead := d.wiping
	d.mu.Unlock()

	if instead != nil {
		return instead()
	}

	return d.DataDir.Wipe()
}

func (d *disk) Recover(context.Context) (galera.Position, error) {
	d.mu.Lock()
	d.asked++
	how := d.recover
	d.mu.Unlock()

	if how == nil {
		return galera.Position{}, errors.New("nothing to recover from")
	}

	return how()
}
