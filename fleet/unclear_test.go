package fleet_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/lab/api"
)

// between stands before the lab's API and does to requests what it is told.
type between struct {
	behind http.Handler
	making sync.RWMutex // nothing is read while something is made: what was asked before is there or never will be

	mutex sync.Mutex
	next  func(*http.Request) fault // nil: what is asked is done and answered
	log   []string                  // what was done to which request
}

// fault is what happens to a request.
type fault struct {
	done   bool   // it is carried out all the same
	status int    // the answer; 0: none
	how    string // what happens where there is none: hang, cut
	body   string // of the answer; "" for an error's
}

func (b *between) set(next func(*http.Request) fault) {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	b.next = next
}

func (b *between) faultOf(r *http.Request) fault {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	if b.next == nil {
		return fault{}
	}

	one := b.next(r)
	if one != (fault{}) {
		b.log = append(b.log, fmt.Sprintf("%s %s: %+v", r.Method, r.URL.Path, one))
	}

	return one
}

func (b *between) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	one := b.faultOf(r)
	if one == (fault{}) {
		b.forward(w, r)
		return
	}

	answer := httptest.NewRecorder()

	if one.done {
		b.forward(answer, r)
	} else {
		// Without its body read, net/http does not notice that the client is gone.
		_, _ = io.Copy(io.Discard, r.Body)
	}

	switch {
	case one.status != 0:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(one.status)
		_, _ = io.WriteString(w, cmp.Or(one.body, `{"id": "server_error", "message": "told to", "request_id": "abc"}`))

		return

	case one.how == "hang":
		<-r.Context().Done()

	default:
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, answer.Body.String()[:answer.Body.Len()/2])
		_ = http.NewResponseController(w).Flush()
	}

	panic(http.ErrAbortHandler)
}

// forward has the lab answer a request. One whose client does not wait any more comes to nothing, unlike on a network:
// however busy this machine is, nothing is made later than it is looked for.
func (b *between) forward(w http.ResponseWriter, r *http.Request) {
	// Without its body read, net/http does not notice that the client is gone.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}

	r.Body = io.NopCloser(bytes.NewReader(body))

	if r.Method == http.MethodGet {
		b.making.RLock()
		defer b.making.RUnlock()
	} else {
		b.making.Lock()
		defer b.making.Unlock()
	}

	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler)
	}

	b.behind.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
}

// eager are retries for an API that fails often, and soon.
var eager = do.Retries{
	Max:     3,
	MinWait: time.Millisecond,
	MaxWait: 5 * time.Millisecond,
	Reading: 500 * time.Millisecond,
	Writing: 3 * time.Second, // what is made must be made by then, however busy this machine is
	Burst:   1_000_000,
}

// faulty puts something between the fleet and the lab's API.
func (w *world) faulty(retries do.Retries) *between {
	b := &between{behind: httputil.NewSingleHostReverseProxy(w.config.Client.BaseURL)}
	server := httptest.NewServer(b)
	w.t.Cleanup(server.Close)

	client, err := retries.NewClient(server.URL, "token", "test")
	require.NoError(w.t, err)

	w.config.Client = client
	w.config.Unclear = do.WaitOptions{
		Interval: 10 * time.Millisecond,
		Longest:  100 * time.Millisecond,
	}

	return b
}

// launches counts the Droplets that are made, by node and incarnation.
func (w *world) launches() map[string]int {
	count := map[string]int{}

	w.created = func(machine api.Machine) {
		document := w.document(machine)

		w.set(func() { count[document.Node+"/"+strconv.Itoa(document.Incarnation)]++ })
	}

	return count
}

// drawn are faults at random, of all kinds, for a share of the requests.
func drawn(seed uint64, percent int) func(*http.Request) fault {
	random := rand.New(rand.NewPCG(seed, seed))

	kinds := []fault{
		{status: http.StatusTooManyRequests},
		{status: http.StatusInternalServerError},
		{status: http.StatusServiceUnavailable},
		{how: "hang"},
		{how: "cut"},
		{done: true, status: http.StatusInternalServerError},
		{done: true, status: http.StatusServiceUnavailable},
		{done: true, how: "hang"},
		{done: true, how: "cut"},
	}

	return func(*http.Request) fault {
		if random.IntN(100) >= percent {
			return fault{}
		}

		return kinds[random.IntN(len(kinds))]
	}
}

func TestUpThroughAnAPIThatFailsAtRandom(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()

			w, _ := newProjectWorld(t)
			w.uploadKey("ann")
			w.config.Stack.SSHKeys = []string{"ann"}

			count := w.launches()
			b := w.faulty(eager)
			b.set(drawn(seed, 15+10*int(seed%3)))

			// The next run goes on where one ended.
			_ = persist(t, w.up)

			b.set(nil)
			w.mustUp()
			require.Equal(t, whole, w.names(), "%v", b.log)
			w.nothingToDo()

			w.set(func() {
				for node, times := range count {
					require.Equal(t, 1, times, "%s: %v", node, b.log)
				}
			})
		})
	}
}

func TestAnAnswerThatIsLostMakesNothingTwice(t *testing.T) {
	for _, lost := range []fault{
		{done: true, status: http.StatusInternalServerError},
		{done: true, how: "hang"},
		{done: true, how: "cut"},
		{status: http.StatusServiceUnavailable},
		{how: "hang"},
	} {
		t.Run(fmt.Sprintf("%+v", lost), func(t *testing.T) {
			t.Parallel()

			w := newWorld(t)
			count := w.launches()
			b := w.faulty(eager)

			// The first POST of everything.
			met := map[string]bool{}
			b.set(func(r *http.Request) fault {
				key := r.URL.Path
				if r.Method != http.MethodPost || met[key] {
					return fault{}
				}

				met[key] = true

				return lost
			})

			w.mustUp()
			require.Equal(t, whole, w.names())

			made := []string{"/v2/droplets", "/v2/vpcs", "/v2/load_balancers"}
			require.Subset(t, slices.Collect(maps.Keys(met)), made)

			vpcs, err := do.VPCs(t.Context(), w.config.Client)
			require.NoError(t, err)

			named := 0
			for _, vpc := range vpcs {
				if vpc.Name == "hornero-blog" {
					named++
				}
			}

			require.Equal(t, 1, named)

			balancers, err := do.LoadBalancers(t.Context(), w.config.Client)
			require.NoError(t, err)
			require.Len(t, balancers, 1)

			w.set(func() {
				for node, times := range count {
					require.Equal(t, 1, times, node)
				}
			})
		})
	}
}

// persist does something until it works, but at most a few times; each error names the call that failed.
func persist(t *testing.T, try func() error) error {
	err := try()

	for range 4 {
		if err == nil {
			return nil
		}

		require.True(t, do.IsDown(err), "%v", err)
		require.Regexp(t, `(?i)(GET|POST|PUT|DELETE) "?http://[^ ]*/v2/`, err.Error())

		err = try()
	}

	return err
}

func TestReplaceAndDestroyThroughAnAPIThatFailsAtRandom(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()

			w := newWorld(t)
			b := w.faulty(eager)
			w.mustUp()

			count := w.launches()
			b.set(drawn(seed, 30))

			replaced := w.replace("web-2")
			if replaced != nil {
				require.True(t, do.IsDown(replaced), "%v", replaced)
			}

			// The node is there once: the old one, or the new one.
			b.set(nil)
			w.mustUp()
			require.Len(t, w.names(), len(whole))

			w.set(func() {
				for node, times := range count {
					require.Equal(t, 1, times, "%s: %v", node, b.log)
				}
			})

			b.set(drawn(seed, 30))

			destroy := func() error { return w.fleet().Destroy(t.Context()) }
			_ = persist(t, destroy)

			b.set(nil)
			require.NoError(t, destroy())
			require.Empty(t, w.names())
		})
	}
}
