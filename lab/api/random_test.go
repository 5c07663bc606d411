package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/lab/api/randomcall"
	"github.com/hornero/hornero/lab/state"
)

const (
	sequenceCalls    = 200
	sequenceClients  = 8
	sequenceKills    = 3
	sequenceDroplets = 20
)

// TestRandomSequences lets eight clients call whatever they like at once, kills the lab in between, and looks at what
// is there in the end. HORNERO_FUZZ_SEQUENCES asks for more sequences, HORNERO_FUZZ_SEED for the ones of an
// earlier run.
func TestRandomSequences(t *testing.T) {
	sequences, seed := fromEnvironment(t,
		"HORNERO_FUZZ_SEQUENCES",
		10,
	), fromEnvironment(t, "HORNERO_FUZZ_SEED", time.Now().UnixNano())
	t.Logf("HORNERO_FUZZ_SEED=%d HORNERO_FUZZ_SEQUENCES=%d", seed, sequences)

	for i := range sequences {
		t.Run(strconv.FormatInt(i, 10), func(t *testing.T) {
			newSequence(t, rand.New(rand.NewPCG(uint64(seed), uint64(i)))).run()
		})
	}
}

func fromEnvironment(t *testing.T, name string, otherwise int64) int64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}

	n, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err, name)

	return n
}

// sequence is one life of a lab that is killed now and then.
type sequence struct {
	t         *testing.T
	dice      *rand.Rand
	path      string
	machines  *machines
	balancers *balancers
	volumes   *volumes
	current   atomic.Pointer[incarnation]
	http      *httptest.Server
	made      atomic.Int64 // calls that were answered
	errors    sync.Map     // answers of 500 and more
}

// incarnation is the lab between two kills.
type incarnation struct {
	store   *state.Store
	server  *api.Server
	handler http.Handler
}

func newSequence(t *testing.T, dice *rand.Rand) *sequence {
	s := &sequence{
		t:         t,
		dice:      dice,
		path:      filepath.Join(t.TempDir(), "state.json"),
		machines:  newMachines(),
		balancers: &balancers{applied: map[string]api.Balancer{}},
		volumes:   newVolumes(),
	}
	s.start()

	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := s.current.Load()
		if now == nil {
			panic(http.ErrAbortHandler) // nobody listens between a kill and the next start
		}

		now.handler.ServeHTTP(w, r)
	}))

	t.Cleanup(func() {
		s.http.Close()
		s.kill()
	})

	return s
}

func (s *sequence) start() {
	store, err := state.Open(s.path, api.Fresh(time.Now()))
	require.NoError(s.t, err)

	server := api.New(api.Options{
		Token:           token,
		Store:           store,
		Machines:        s.machines,
		Balancers:       s.balancers,
		Volumes:         s.volumes,
		Public:          netip.MustParsePrefix("198.51.100.0/24"),
		Delays:          randomDelays(s.dice),
		ShutdownTimeout: time.Second,
		Logger: slog.New(slog.NewTextHandler(
			io.Discard,
			nil,
		)),
	})
	require.NoError(s.t, server.Start(s.t.Context()))

	s.current.Store(&incarnation{
		store:   store,
		server:  server,
		handler: server.Handler(),
	})
}

func randomDelays(dice *rand.Rand) api.Delays {
	some := func() time.Duration {
		return time.Duration(dice.IntN(4)) * time.Millisecond
	}

	return api.Delays{
		Create:  some(),
		Network: some(),
		Action:  some(),
		Delete:  some(),
	}
}

// kill ends the lab in the middle of whatever it does: background work stops where it is, and nothing is tidied up.
func (s *sequence) kill() {
	if now := s.current.Swap(nil); now != nil {
		now.server.Close()
	}
}

func (s *sequence) run() {
	var clients sync.WaitGroup
	for range sequenceClients {
		dice := rand.New(rand.NewPCG(s.dice.Uint64(), s.dice.Uint64()))
		clients.Go(func() {
			for range sequenceCalls / sequenceClients {
				s.call(dice)
			}
		})
	}

	for range sequenceKills {
		after := s.made.Load() + 20 + s.dice.Int64N(40)
		require.Eventually(
			s.t,
			func() bool {
				return s.made.Load() >= min(after, sequenceCalls)
			},
			time.Minute,
			time.Millisecond,
		)

		s.kill()
		s.start()
	}

	clients.Wait()

	s.errors.Range(func(what, answer any) bool {
		s.t.Errorf("%v: %s", what, answer)
		return true
	})

	s.settle()
	s.holds()
	s.pages()
}

// call makes one request. One that a kill cut off is over; its client does not know what became of it.
func (s *sequence) call(dice *rand.Rand) {
	defer s.made.Add(1)

	var document *state.Document
	for document == nil {
		if now := s.current.Load(); now != nil {
			document = now.store.View()
		}
	}

	call := randomcall.Next(dice, document, sequenceDroplets)
	request, err := http.NewRequest(call.Method, s.http.URL+call.Path, strings.NewReader(call.Body))
	if err != nil {
		s.errors.Store(call, err.Error())
		return
	}

	answer, err := (&http.Client{Transport: bearer(token)}).Do(request)
	if err != nil {
		return
	}
	defer answer.Body.Close()

	text, _ := io.ReadAll(answer.Body)
	if answer.StatusCode >= 500 {
		s.errors.Store(call, fmt.Sprintf("%d %s", answer.StatusCode, text))
	}
}

func (s *sequence) document() *state.Document {
	return s.current.Load().store.View()
}

// settle waits until nothing is under way.
func (s *sequence) settle() {
	require.Eventually(s.t, func() bool {
		d := s.document()
		return !slices.ContainsFunc(d.Actions, func(a state.Action) bool {
			return a.Status == state.ActionInProgress
		}) &&
			!slices.ContainsFunc(d.Droplets, func(x state.Droplet) bool {
				return x.Deleting || x.Locked || !x.Ready
			}) &&
			!slices.ContainsFunc(d.Images, func(x state.Image) bool {
				return x.Status == state.ImageNew || x.Status == state.ImagePending
			}) &&
			!slices.ContainsFunc(d.Firewalls, func(x state.Firewall) bool {
				return x.Status != "succeeded"
			}) &&
			!slices.ContainsFunc(d.LoadBalancers, func(x state.LoadBalancer) bool {
				return x.Status != "active"
			})
	}, 20*time.Second, 5*time.Millisecond, "everything that began ends")
}

// holds looks at what must be true of every lab at rest.
func (s *sequence) holds() {
	d := s.document()
	owners := map[netip.Addr]string{}
	own := func(address netip.Addr, owner string) {
		require.Emptyf(
			s.t,
			owners[address],
			"%s belongs to %s and to %s",
			address,
			owners[address],
			owner,
		)

		owners[address] = owner
	}

	wanted := []int{}

	for _, droplet := range d.Droplets {
		if droplet.Public.IsValid() {
			own(droplet.Public, droplet.Name)
		}

		own(droplet.Private, droplet.Name)

		wanted = append(wanted, droplet.ID)

		require.False(
			s.t,
			droplet.Status == state.DropletOff && s.machines.Running(droplet.ID),
			"Droplet %d runs and is off",
			droplet.ID,
		)
	}

	holders := map[int]bool{}

	for _, reserved := range d.ReservedIPs {
		own(reserved.Address, "a reserved IP")

		require.False(
			s.t,
			reserved.DropletID != 0 && holders[reserved.DropletID],
			"Droplet %d has two reserved IPs",
			reserved.DropletID,
		)

		holders[reserved.DropletID] = true
		require.False(s.t, reserved.Locked)

		require.Equal(
			s.t,
			reserved.DropletID,
			s.machines.holder(reserved.Address.String()),
		)
	}

	for _, volume := range d.Volumes {
		require.Equal(
			s.t,
			volume.DropletID,
			s.volumes.holder(volume.ID),
			"volume %s",
			volume.Name,
		)
	}

	balancers := []string{}

	for _, balancer := range d.LoadBalancers {
		if balancer.Network != "INTERNAL" {
			own(balancer.Address, balancer.Name)
		}

		own(balancer.Private, balancer.Name)

		balancers = append(balancers, balancer.ID)
	}

	slices.Sort(wanted)

	require.Equal(
		s.t,
		wanted,
		s.machines.ids(),
		"machines that no Droplet stands for, or the other way round",
	)

	require.Eventually(
		s.t,
		func() bool {
			return sameElements(balancers, s.balancers.ids())
		},
		5*time.Second,
		time.Millisecond,
		"load balancers that run",
	)

	s.imagesAreUsed(d)
}

// imagesAreUsed finds snapshots on disk that nothing can start from and nothing stands on.
func (s *sequence) imagesAreUsed(d *state.Document) {
	used := map[string]bool{}
	for _, image := range d.Images {
		used[image.Root] = true
	}

	for _, droplet := range d.Droplets {
		used[droplet.Image.Root] = true
	}

	require.Eventually(s.t, func() bool {
		return !slices.ContainsFunc(s.machines.roots(), func(root string) bool {
			return !used[root]
		})
	}, 5*time.Second, time.Millisecond, "images without use: %v of %v", s.machines.roots(), used)
}

func sameElements(a, b []string) bool {
	return slices.Equal(
		slices.Sorted(slices.Values(a)),
		slices.Sorted(slices.Values(b)),
	)
}

// pages reads every list page by page: each thing is on one page, and as many as the total says.
func (s *sequence) pages() {
	for path, key := range map[string]string{
		"droplets":       "id",
		"images":         "id",
		"actions":        "id",
		"tags":           "name",
		"vpcs":           "id",
		"snapshots":      "id",
		"load_balancers": "id",
		"account/keys":   "id",
		"reserved_ips":   "ip",
		"volumes":        "id",
		"firewalls":      "id",
		"projects":       "id",
		"domains":        "name",
	} {
		seen := map[string]bool{}
		for page, total := 1, 1; len(seen) < total; page++ {
			var list struct {
				Meta struct{ Total int }
			}
			things := s.get(fmt.Sprintf("/v2/%s?per_page=3&page=%d", path, page), &list)
			total = list.Meta.Total
			require.False(
				s.t,
				len(things) == 0 && len(seen) < total,
				"%s: page %d is empty after %d of %d",
				path,
				page,
				len(seen),
				total,
			)

			for _, thing := range things {
				id := fmt.Sprint(thing[key])
				require.False(s.t, seen[id], "%s %s is on two pages", path, id)
				seen[id] = true
			}
		}
	}
}

// get reads a list and returns what is on the page.
func (s *sequence) get(path string, into any) []map[string]any {
	request, err := http.NewRequest("GET", s.http.URL+path, nil)
	require.NoError(s.t, err)

	answer, err := (&http.Client{Transport: bearer(token)}).Do(request)
	require.NoError(s.t, err)
	defer answer.Body.Close()

	text, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	require.Equal(s.t, 200, answer.StatusCode, "%s", text)
	require.NoError(s.t, json.Unmarshal(text, into))
	var fields map[string]json.RawMessage
	require.NoError(s.t, json.Unmarshal(text, &fields))

	for name, value := range fields {
		var things []map[string]any
		if name != "links" && name != "meta" && json.Unmarshal(value, &things) == nil {
			return things
		}
	}

	return nil
}
