package api

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hornero/hornero/lab/state"
)

// faultCounts counts the requests that API faults met, by name, and lets one change at a time through to the machines.
type faultCounts struct {
	applying sync.Mutex // one change of the network's faults at a time
	stepping sync.Mutex // one change of clocks at a time
	filling  sync.Mutex // one change of full disks at a time

	mutex sync.Mutex
	met   map[string]int
}

func (c *faultCounts) forget(name string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	delete(c.met, name)
}

// meet counts a request that matches a fault, and tells whether the fault applies to it.
func (c *faultCounts) meet(fault state.Fault) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	if c.met == nil {
		c.met = map[string]int{}
	}

	// the count rises for requests that pass as well: after counts from the first match
	met := c.met[fault.Name]
	c.met[fault.Name]++

	early := met < fault.After
	late := fault.Count > 0 && met >= fault.After+fault.Count

	if early || late {
		return false
	}

	return fault.Chance == 0 || rand.IntN(100) < fault.Chance
}

// longestHang is when the lab gives up a request that it was told never to answer.
const longestHang = 10 * time.Minute

// answerWithFaults answers a request, or does to it what an API fault says.
func (s *Server) answerWithFaults(w http.ResponseWriter, r *http.Request, handler http.Handler) {
	fault, some := s.faultOf(r)
	if !some {
		handler.ServeHTTP(w, r)
		return
	}

	if fault.Hang {
		s.wait(r, longestHang)

		// net/http closes the connection without an answer
		panic(http.ErrAbortHandler)
	}

	s.wait(r, fault.Delay)

	switch {
	case fault.Status != 0:
		if fault.Status == http.StatusTooManyRequests {
			// godo waits as long as this says; without it a test would wait for its back-off
			w.Header().Set("retry-after", "1")
		}

		s.writeError(w, r, failure(fault.Status, "The fault %s answers this.", fault.Name))

	case fault.Cut:
		cutShort(w, r, handler)
	default:
		handler.ServeHTTP(w, r)
	}
}

// faultOf finds the API fault that a request meets. The lab's own paths meet none: faults are lifted there.
func (s *Server) faultOf(r *http.Request) (state.Fault, bool) {
	if strings.HasPrefix(r.URL.Path, "/lab/") {
		return state.Fault{}, false
	}

	// of several faults the first that applies answers the request
	for _, fault := range s.Store.View().Faults {
		if fault.Kind == state.FaultAPI && matches(fault.Match, r) && s.faults.meet(fault) {
			return fault, true
		}
	}

	return state.Fault{}, false
}

// wait holds a request back, until its client gives up or the lab closes.
func (s *Server) wait(r *http.Request, span time.Duration) {
	select {
	case <-time.After(span):
	case <-r.Context().Done():
	case <-s.context.Done():
	}
}

// cutShort does what is asked and sends half of the answer.
func cutShort(w http.ResponseWriter, r *http.Request, handler http.Handler) {
	whole := &recorder{
		ResponseWriter: w,
		status:         http.StatusOK,
	}

	// the work is done all the same: clients that try again must cope with that
	handler.ServeHTTP(whole, r)

	w.Header().Set("Content-Length", strconv.Itoa(whole.body.Len()))
	w.WriteHeader(whole.status)
	w.Write(whole.body.Bytes()[:whole.body.Len()/2])

	// without the flush nothing would be sent before the connection is closed
	http.NewResponseController(w).Flush()

	panic(http.ErrAbortHandler)
}

// recorder keeps an answer instead of sending it.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) { r.status = status }

func (r *recorder) Write(data []byte) (int, error) {
	return r.body.Write(data)
}

// matches tells whether a request is one that a fault is for. A path that ends with /** matches all below it.
func matches(match string, r *http.Request) bool {
	method, pattern, _ := strings.Cut(match, " ")
	if method != "*" && !strings.EqualFold(method, r.Method) {
		return false
	}

	// path.Match does not let * match a slash
	if prefix, all := strings.CutSuffix(pattern, "/**"); all {
		return r.URL.Path == prefix || strings.HasPrefix(r.URL.Path, prefix+"/")
	}

	same, _ := path.Match(pattern, r.URL.Path) // the pattern was checked

	return same
}

// hangInterval is how often an action that hangs looks whether its fault was lifted.
const hangInterval = 50 * time.Millisecond

// applyActionFault holds an action back while a fault says that it never ends, and returns an error when one says that
// it errs.
func (s *Server) applyActionFault(action state.Action) error {
	for {
		// the state is read each time: a fault that is lifted lets the action go on
		faults := s.Store.View().Faults
		i := slices.IndexFunc(faults, func(x state.Fault) bool {
			return x.Kind == state.FaultAction && x.Action == action.Type
		})
		if i < 0 {
			return nil
		}

		if faults[i].Outcome == OutcomeErrs {
			return fmt.Errorf("the fault %s makes it fail", faults[i].Name)
		}

		// a lab that closes leaves the action in progress for the next start
		if err := s.sleep(hangInterval); err != nil {
			return err
		}
	}
}
