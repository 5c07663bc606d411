//go:build root && bench

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/roles"
)

const (
	maxBytes = 16_000_000
	maxRSS   = 25 << 20
	idleFor  = 30 * time.Second
	changes  = 60 // of a peer, for each number of clients
)

// TestFigures measures the real program: three members of a peer set and a client, each in a root of its own,
// and simulated clients beside them. It fails where something does not work or a promise is broken. The network
// namespace is the caller's to make (`make bench-bootstrap`): the ports are the real ones.
func TestFigures(t *testing.T) {
	s := &benchSet{
		realSet: newRealSet(t),
		seen:    make(chan sighted, 4096),
	}

	size, err := os.Stat(program)
	require.NoError(t, err)
	figure(t, "size of the binary", "16 MB", "%.2f MB", float64(size.Size())/1e6)
	require.LessOrEqual(t, size.Size(), int64(maxBytes))

	var members []*process

	for n := 1; n <= 3; n++ {
		members = append(members, s.run("db", n))
	}

	client := s.run("web", 1)
	all := append(slices.Clone(members), client)
	s.idle("idle, four nodes registered", all)

	for _, member := range members {
		require.LessOrEqual(t, member.rss(), maxRSS, "resident memory of a member")
	}

	clients := 0

	for _, registered := range []int{10, 50, 200} {
		for ; clients < registered; clients++ {
			s.simulate(clients)
		}

		s.latency(registered)
		s.idle(fmt.Sprintf("idle, %d clients registered", registered), all)
	}
}

func figure(t *testing.T, what, promise, format string, values ...any) {
	if promise != "" {
		what += " (at most " + promise + ")"
	}

	t.Logf("figure: %-58s "+format, append([]any{what}, values...)...)
}

// benchSet is one peer set of real programs, and its simulated clients.
type benchSet struct {
	*realSet
	watchers []*watcher
	seen     chan sighted
}

type sighted struct {
	watcher int
	mark    string
	at      time.Time
}

func (s *benchSet) idle(when string, all []*process) {
	before := make([]int, len(all))
	for n, p := range all {
		before[n] = p.cpu()
	}

	time.Sleep(idleFor) // what is measured is that nothing happens

	var cpus, memories []string

	for n, p := range all {
		used := float64(p.cpu()-before[n]) * 10 // a tick is 10 ms
		cpus = append(cpus, fmt.Sprintf("%.2f", used/float64(idleFor.Milliseconds())*100))
		memories = append(memories, fmt.Sprintf("%.1f", float64(p.rss())/(1<<20)))
	}

	last := len(all) - 1
	figure(s.T, "CPU, "+when+": members | client", "",
		"%s | %s %%", strings.Join(cpus[:last], " "), cpus[last])
	figure(s.T, "memory, "+when+": members | client", "",
		"%s | %s MiB", strings.Join(memories[:last], " "), memories[last])
}

// watcher is a simulated client: registered, with heartbeats, following the peer set.
type watcher struct {
	*api.Watcher
	number int
}

func (s *benchSet) simulate(number int) {
	node := fmt.Sprintf("web-%d", 100+number)
	pair := s.issue("web", node)
	config, err := pki.PeerTLS(s.ca.Certificate, pair, "bench")
	require.NoError(s, err)

	address := fmt.Sprintf("127.2.%d.%d", number/200, 1+number%200)

	// Clients prefer the member that answers first: each begins at another.
	from := number % len(s.members)
	members := append(slices.Clone(s.members[from:]), s.members[:from]...)
	client := api.NewClient(config, address, roles.AgentPort, members)

	join := peerset.Join{
		Identity: peerset.Identity{
			Name:        node,
			Role:        "web",
			Incarnation: 1,
		},
		Address: address,
		Kind:    peerset.KindClient,
	}

	ctx, stop := context.WithCancel(context.Background())
	s.Cleanup(stop)

	var welcome peerset.Welcome
	joined := func() bool {
		welcome, err = client.Join(ctx, join)
		return err == nil
	}
	require.Eventually(
		s,
		joined,
		20*time.Second,
		10*time.Millisecond,
		"%v",
		&err,
	)

	w := &watcher{
		Watcher: api.Watch(ctx, client, welcome.Snapshot, 1, slog.New(slog.DiscardHandler)),
		number:  number,
	}

	s.watchers = append(s.watchers, w)
	go s.look(ctx, w)

	go func() {
		for ctx.Err() == nil {
			_ = w.Report(ctx, peerset.Report{
				State:   "serving",
				Healthy: true,
				Facts:   map[string]string{"mark": s.markOf(number)},
			})

			time.Sleep(time.Second)
		}
	}()
}

// marker is the client whose reports change.
const marker = 0

var mark struct {
	sync.Mutex
	text string
}

func (s *benchSet) markOf(number int) string {
	if number != marker {
		return ""
	}

	mark.Lock()
	defer mark.Unlock()

	return mark.text
}

// look tells when a watcher sees a new mark.
func (s *benchSet) look(ctx context.Context, w *watcher) {
	last := ""
	for {
		changed := w.Changed()
		peer, _ := w.Snapshot().Peer(fmt.Sprintf("web-%d", 100+marker))

		if now := peer.Facts["mark"]; now != last {
			last = now
			s.seen <- sighted{w.number, now, time.Now()}
		}

		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// latency changes a peer again and again, and takes the time until each watcher has seen it.
func (s *benchSet) latency(registered int) {
	var took []time.Duration
	for n := range changes {
		text := fmt.Sprintf("%d-%d", registered, n)
		mark.Lock()
		mark.text = text
		mark.Unlock()

		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		require.NoError(s, s.watchers[marker].Report(ctx, peerset.Report{
			State:   "serving",
			Healthy: true,
			Facts:   map[string]string{"mark": text},
		}))

		for left := registered; left > 0; {
			select {
			case sight := <-s.seen:
				if sight.mark == text {
					took = append(took, sight.at.Sub(began))
					left--
				}

			case <-ctx.Done():
				s.Fatalf("%d of %d watchers did not see %s", left, registered, text)
			}
		}

		cancel()
		time.Sleep(time.Duration(37+n*13%400) * time.Millisecond) // not in step with anybody's own rhythm
	}

	slices.Sort(took)

	what := fmt.Sprintf("a peer's change to every watcher, %d clients: p50, p99", registered)
	figure(s.T, what, "", "%.0f ms, %.0f ms", ms(took[len(took)/2]), ms(took[len(took)*99/100]))
}

func ms(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}
