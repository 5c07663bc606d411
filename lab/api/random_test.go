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
	sequences := fromEnvironment(t, "HORNERO_FUZZ_SEQUENCES", 10)
	seed := fromEnvironment(t, "HORNERO_FUZZ_SEED", time.Now().UnixNano())
	t.Logf("HORNERO_FUZZ_SEED=%d HORNERO_FUZZ_SEQUENCES=%d", seed, sequences)

	for i := range sequences {
		t.Run(strconv.FormatInt(i, 10), func(t *testing.T) {
			dice := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
			newSequence(t, dice).run()
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
		Logger:          slog.New(slog.DiscardHandler),
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
		after := min(s.made.Load()+20+s.dice.Int64N(40), sequenceCalls)
		enough := func() bool { return s.made.Load() >= after }
		require.Eventually(s.t, enough, time.Minute, time.Millisecond)

		s.kill()
		s.start()
	}

	clients.Wait()

	s.errors.Range(func(what, answer any) bool {
		s.t.Errorf("%v: %s", what, answer)
		return true
	})

	s.waitForRest()
	s.check()
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

// waitForRest waits until nothing is under way.
func (s *sequence) waitForRest() {
	atRest := func() bool { return s.underWay() == "" }
	require.Eventually(s.t, atRest, 20*time.Second, 5*time.Millisecond, "everything that began ends")
}

// underWay names a kind of things of which one is not at rest; empty when all are.
func (s *sequence) underWay() string {
	d := s.document()

	for _, action := range d.Actions {
		if action.Status == state.ActionInProgress {
			return "action"
		}
	}

	for _, droplet := range d.Droplets {
		if droplet.Deleting || droplet.Locked || !droplet.Ready {
			return "droplet"
		}
	}

	for _, image := range d.Images {
		if image.Status == state.ImageNew || image.Status == state.ImagePending {
			return "image"
		}
	}

	for _, firewall := range d.Firewalls {
		if firewall.Status != "succeeded" {
			return "firewall"
		}
	}

	for _, balancer := range d.LoadBalancers {
		if balancer.Status != "active" {
			return "load balancer"
		}
	}

	return ""
}

// check looks at what must be true of every lab at rest.
func (s *sequence) check() {
	d := s.document()
	s.addressesAreUnique(d)
	s.dropletsRun(d)
	s.holdersAreRight(d)
	s.balancersRun(d)
	s.imagesAreUsed(d)
}

func (s *sequence) addressesAreUnique(d *state.Document) {
	owners := map[netip.Addr]string{}

	own := func(address netip.Addr, owner string) {
		other := owners[address]
		require.Emptyf(s.t, other, "%s belongs to %s and to %s", address, other, owner)
		owners[address] = owner
	}

	for _, droplet := range d.Droplets {
		own(droplet.Private, droplet.Name)

		if droplet.Public.IsValid() {
			own(droplet.Public, droplet.Name)
		}
	}

	for _, reserved := range d.ReservedIPs {
		own(reserved.Address, "a reserved IP")
	}

	for _, balancer := range d.LoadBalancers {
		own(balancer.Private, balancer.Name)

		if balancer.Network != "INTERNAL" {
			own(balancer.Address, balancer.Name)
		}
	}
}

// dropletsRun looks whether there is one machine for each Droplet, and none that is off runs.
func (s *sequence) dropletsRun(d *state.Document) {
	wanted := []int{}

	for _, droplet := range d.Droplets {
		wanted = append(wanted, droplet.ID)

		wrong := droplet.Status == state.DropletOff && s.machines.Running(droplet.ID)
		require.False(s.t, wrong, "Droplet %d runs and is off", droplet.ID)
	}

	slices.Sort(wanted)
	require.Equal(s.t, wanted, s.machines.ids(), "a machine without a Droplet, or a Droplet without a machine")
}

// holdersAreRight looks whether reserved IPs and volumes are where the state says.
func (s *sequence) holdersAreRight(d *state.Document) {
	holders := map[int]bool{}

	for _, reserved := range d.ReservedIPs {
		holder := reserved.DropletID
		twice := holder != 0 && holders[holder]
		require.False(s.t, twice, "Droplet %d has two reserved IPs", holder)
		holders[holder] = true

		require.False(s.t, reserved.Locked)
		require.Equal(s.t, holder, s.machines.holder(reserved.Address.String()))
	}

	for _, volume := range d.Volumes {
		require.Equal(s.t, volume.DropletID, s.volumes.holder(volume.ID), "volume %s", volume.Name)
	}
}

func (s *sequence) balancersRun(d *state.Document) {
	wanted := []string{}
	for _, balancer := range d.LoadBalancers {
		wanted = append(wanted, balancer.ID)
	}

	same := func() bool { return sameElements(wanted, s.balancers.ids()) }
	require.Eventually(s.t, same, 5*time.Second, time.Millisecond, "load balancers that run")
}

// imagesAreUsed looks whether each snapshot on disk belongs to an image or to a Droplet.
func (s *sequence) imagesAreUsed(d *state.Document) {
	used := map[string]bool{}
	for _, image := range d.Images {
		used[image.Root] = true
	}

	for _, droplet := range d.Droplets {
		used[droplet.Image.Root] = true
	}

	allUsed := func() bool {
		return !slices.ContainsFunc(s.machines.roots(), func(root string) bool { return !used[root] })
	}

	roots := s.machines.roots()
	require.Eventually(s.t, allUsed, 5*time.Second, time.Millisecond, "images without use: %v of %v", roots, used)
}

func sameElements(a, b []string) bool {
	return slices.Equal(
		slices.Sorted(slices.Values(a)),
		slices.Sorted(slices.Values(b)),
	)
}

// pages reads every list page by page: each thing is on one page, and as many as the total says.
func (s *sequence) pages() {
	keys := map[string]string{
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
	}

	for path, key := range keys {
		seen := map[string]bool{}
		for page, total := 1, 1; len(seen) < total; page++ {
			var list struct {
				Meta struct{ Total int }
			}

			things := s.get(fmt.Sprintf("/v2/%s?per_page=3&page=%d", path, page), &list)
			total = list.Meta.Total

			early := len(things) == 0 && len(seen) < total
			require.False(s.t, early, "%s: page %d is empty after %d of %d", path, page, len(seen), total)

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
