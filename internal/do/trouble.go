package do

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// toldFrom is the shortest wait that is told: what passes within a moment is not worth a line.
const toldFrom = 2 * time.Second

// trouble tells what keeps the API from answering: once for each change, however many requests meet it.
type trouble struct {
	tell func(line string)

	mutex sync.Mutex
	told  string // what was told last; "" while all is well
}

// happen tells that a request is made again after a wait.
func (t *trouble) happen(request *http.Request, last outcome, wait time.Duration) {
	kind := "does not answer"
	if last.response != nil {
		kind = fmt.Sprintf("answers %d", last.response.StatusCode)
	}

	t.mutex.Lock()
	defer t.mutex.Unlock()

	// A try that nobody answered took long by itself, or it will.
	short := last.response != nil && wait < toldFrom
	if t.tell == nil || short || t.told == kind {
		return
	}

	t.told = kind
	line := fmt.Sprintf("the API %s (%s %s", kind, request.Method, request.URL.Path)

	if last.err != nil {
		line += fmt.Sprintf(": %v", last.err)
	}

	t.tell(fmt.Sprintf("%s); waiting %s", line, wait.Round(100*time.Millisecond)))
}

// over tells that the API answers again, when it was told that it does not.
func (t *trouble) over(last outcome) {
	well := last.err == nil && !serverFailed(last.response.StatusCode) &&
		last.response.StatusCode != http.StatusTooManyRequests

	t.mutex.Lock()
	defer t.mutex.Unlock()

	if t.told == "" || !well {
		return
	}

	t.told = ""
	t.tell("the API answers again")
}
