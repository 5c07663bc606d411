package bootstrap_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// fakeWalls are walls that the test looks at, and takes away.
type fakeWalls struct {
	mu      sync.Mutex
	rules   string
	applied int
	stand   bool
	broken  error
}

func (w *fakeWalls) apply(_ context.Context, rules string) error {
	w.mu.Lock()
	defer w.mu.Unlock()

	switch {
	case w.broken != nil:
		return w.broken
	case rules == "" && !w.stand:
		return errors.New("no such table")
	case rules == "":
		return nil
	}

	w.rules, w.stand = rules, true
	w.applied++

	return nil
}

func (w *fakeWalls) stands() (yes bool) {
	w.do(func() { yes = w.stand })
	return yes
}

func (w *fakeWalls) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()

	f()
}

func (w *fakeWalls) let(address string) (in bool) {
	w.do(func() { in = strings.Contains(w.rules, address) })
	return in
}

// wallRoles are a role that another uses, and what every node has.
var wallRoles = fstest.MapFS{
	"common/role.yaml": {Data: []byte("version: 1\nname: common\nabstract: true\n" +
		"ports: [{port: 22, name: ssh, from: [operator]}]\n")},
	"store/role.yaml": {Data: []byte("version: 1\nname: store\npeers: client\n" +
		"ports: [{port: 7, name: seven, from: [shop]}]\n" +
		"egress: [{user: nobody, settings: [pay]}, {user: ghost}]\n" +
		"settings: {pay: {type: url}}\n")},
}

// walled is an agent behind walls that follow a peer set.
func walled(t *testing.T, w *fakeWalls, set peerset.Set) *bootstrap.Agent {
	agent := bootstrap.New(bootstrap.Config{
		State: t.TempDir(),
		Roles: wallRoles,
		Walls: w.apply,
		Times: bootstrap.ImageTimes{QuickEvery: time.Millisecond},
		Log:   testLog(t),
	})
	background(t, func(ctx context.Context) { agent.KeepWalls(ctx, "store", set) })

	return agent
}

// noted is the first event that the agent adds.
func noted(t *testing.T, agent *bootstrap.Agent) peerset.Note {
	t.Helper()

	recorder := &eventRecorder{took: make(chan struct{}, 10)}
	stop := background(t, func(ctx context.Context) { agent.SendEvents(ctx, recorder) })

	<-recorder.took
	stop()
	require.Equal(t, peerset.EventWalls, recorder.notes[0].Kind)

	return recorder.notes[0]
}

func TestTheWallsFollowThePeerSet(t *testing.T) {
	set := newFakeSet(peerset.Snapshot{Peers: []peerset.Peer{{Role: "shop", Address: "10.1.0.6"}}})
	w := &fakeWalls{}
	walled(t, w, set)

	eventually(t, func() bool { return w.let("tcp dport 7 ip saddr { 10.1.0.6 } accept") })
	require.True(t, w.let("tcp dport 22 ip saddr != @peers accept"), "the ports of every node")

	set.change(func(s *peerset.Snapshot) { s.Peers[0].Address = "10.1.0.9" })
	eventually(t, func() bool { return w.let("tcp dport 7 ip saddr { 10.1.0.9 } accept") })
	require.False(t, w.let("10.1.0.6"))
}

// nobody's number is the same on every Debian (base-passwd), and "ghost" is no user of any image.
func TestWhatAUserMayReachComesOfItsRoleAndSettings(t *testing.T) {
	w := &fakeWalls{}
	walled(t, w, newFakeSet(peerset.Snapshot{}))

	eventually(t, func() bool { return w.let("table") })
	require.True(t, w.let("meta skuid 65534 tcp dport 8443 accept"), "a setting's")
	require.True(t, w.let("meta skuid 65534 counter reject"))
	w.do(func() { require.Equal(t, 2, strings.Count(w.rules, "skuid"), w.rules) })
}

func TestWallsThatAreGoneAreLoadedAgain(t *testing.T) {
	set := newFakeSet(peerset.Snapshot{})
	w := &fakeWalls{}
	agent := walled(t, w, set)
	eventually(t, func() bool { return w.let("table") })

	var before int
	w.do(func() { before, w.stand = w.applied, false })
	eventually(t, func() bool { return w.stands() })
	w.do(func() { require.Equal(t, before+1, w.applied, "and only then") })
	require.Empty(t, agent.Status().Walls)

	require.Contains(t, noted(t, agent).Text, "were gone")
}

func TestANodeServesOnWithoutItsWalls(t *testing.T) {
	set := newFakeSet(peerset.Snapshot{})
	w := &fakeWalls{broken: errors.New("no nftables here")}
	agent := walled(t, w, set)

	eventually(t, func() bool { return agent.Status().Walls == "not in force: no nftables here" })

	require.Contains(t, noted(t, agent).Text, "no nftables here")

	w.do(func() { w.broken = nil })
	eventually(t, func() bool { return agent.Status().Walls == "" })
	require.True(t, w.stands())
}

// Visitors are at the old node until it is drained, and it asks the database for them.
func TestAClientThatWasReplacedIsLetInUntilItIsDrained(t *testing.T) {
	peers := bootstrap.WallPeers()
	now := time.Now()

	peer := func(name, kind, address string, incarnation int) peerset.Peer {
		return peerset.Peer{Name: name, Kind: kind, Address: address, Incarnation: incarnation}
	}
	among := func(now time.Time, list ...peerset.Peer) (addresses []string) {
		for _, peer := range peers(list, now) {
			addresses = append(addresses, peer.Address)
		}

		return addresses
	}

	shop, store := peer("shop-1", "client", "10.1.0.6", 1), peer("store-1", "member", "10.1.0.2", 1)
	other := peer("shop-2", "client", "10.1.0.7", 1)
	require.Equal(t, []string{"10.1.0.6", "10.1.0.7", "10.1.0.2"}, among(now, shop, other, store))

	// A member that was replaced is out, and so is a client that was declared gone.
	shop.Address, shop.Incarnation = "10.1.0.8", 2
	store.Address, store.Incarnation = "10.1.0.9", 2
	require.Equal(t, []string{"10.1.0.8", "10.1.0.9", "10.1.0.6"}, among(now, shop, store))
	require.Equal(t, []string{"10.1.0.8", "10.1.0.9", "10.1.0.6"}, among(now.Add(4*time.Minute), shop, store))

	require.Equal(t, []string{"10.1.0.8", "10.1.0.9"}, among(now.Add(5*time.Minute), shop, store))

	// Its address may be another's by then.
	shop.Address, shop.Incarnation = "10.1.0.10", 3
	third := peer("vote-1", "member", "10.1.0.8", 1)
	require.Equal(t, []string{"10.1.0.10", "10.1.0.9", "10.1.0.8"}, among(now, shop, store, third))
}
