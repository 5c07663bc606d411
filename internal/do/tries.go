package do

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// tries makes requests, each as often as its Retries say. An answer is read whole before it counts: one that is cut
// short is no answer.
type tries struct {
	Retries
	base    http.RoundTripper
	pace    *pace
	trouble *trouble
}

func newTries(retries Retries) *tries {
	retries = retries.withDefaults()

	return &tries{
		Retries: retries,
		base:    http.DefaultTransport.(*http.Transport).Clone(),
		pace:    newPace(retries),
		trouble: &trouble{tell: retries.Tell},
	}
}

// outcome is what one try came to.
type outcome struct {
	response *http.Response
	err      error
}

// RoundTrip makes a request until it is answered, or must not be made again.
func (t *tries) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	if t.Patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = WithPatience(ctx, t.Patience)
		defer cancel()
	}

	body, err := readBody(request)
	if err != nil {
		return nil, err
	}

	var last outcome
	for try := 0; ; try++ {
		var now outcome
		now.response, now.err = t.once(ctx, request, body, try)

		// What the end of the context cut off says less than the answer before it.
		if ctx.Err() != nil {
			return last.orEnd(ctx)
		}

		last = now
		wait := t.waitAfter(now, try)

		repeat := try < t.Max && mayRepeat(request.Method, now.response, now.err)
		if !repeat {
			t.trouble.over(now)
			return now.response, now.err
		}

		t.trouble.happen(request, now, wait)

		// Nobody is kept waiting for a try that would come too late.
		if !fits(ctx, wait) {
			return now.response, now.err
		}

		if !sleep(ctx, wait) {
			return last.orEnd(ctx)
		}
	}
}

// orEnd is the outcome, or why ctx ended when there is none or the user ended it.
func (o outcome) orEnd(ctx context.Context) (*http.Response, error) {
	some := o.response != nil || o.err != nil
	if some && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return o.response, o.err
	}

	var lost *lostError
	if errors.As(context.Cause(ctx), &lost) {
		return nil, lost
	}

	return nil, ctx.Err()
}

// readBody reads a request's body, which each try sends anew.
func readBody(request *http.Request) ([]byte, error) {
	if request.Body == nil {
		return nil, nil
	}
	defer request.Body.Close()

	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, fmt.Errorf("read body of request: %w", err)
	}

	return body, nil
}

// once makes one try, and returns its answer with the whole body read.
func (t *tries) once(ctx context.Context, request *http.Request, body []byte, try int) (*http.Response, error) {
	if err := t.pace.wait(ctx); err != nil {
		return nil, err
	}

	limit := t.limit(request.Method, try)
	bounded, cancel := context.WithTimeoutCause(ctx, limit, errLate(limit))
	defer cancel()

	one := request.Clone(bounded)
	if body != nil {
		one.Body = io.NopCloser(bytes.NewReader(body))
	}

	response, err := t.base.RoundTrip(one)
	if err == nil {
		err = readWhole(one.Method, response)
	}

	switch {
	case err == nil:
		return response, nil
	case ctx.Err() == nil && bounded.Err() != nil:
		return nil, context.Cause(bounded)
	}

	return nil, lose(err)
}

// readWhole reads an answer's body to its end, and refuses a body that is not all that was meant.
func readWhole(method string, response *http.Response) error {
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(body))

	// A refusal counts, whatever comes with it.
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil
	}

	if err != nil {
		return fmt.Errorf("read the answer (%s): %w", response.Status, err)
	}

	empty := len(body) == 0
	if empty && method != http.MethodGet || !empty && json.Valid(body) {
		return nil
	}

	return fmt.Errorf("read the answer (%s): %w", response.Status, ErrGarbled)
}

// longestWait is the longest that the API may ask for: its longest limit counts an hour.
const longestWait = time.Hour

// waitAfter is how long to wait before the next try. All requests wait when the API says that there were too many.
func (t *tries) waitAfter(last outcome, try int) time.Duration {
	wait := t.backOff(try)
	if last.response == nil {
		return wait
	}

	if asked, some := askedFor(last.response.Header, time.Now()); some {
		wait = min(asked, longestWait)
	}

	if last.response.StatusCode == http.StatusTooManyRequests {
		t.pace.hold(wait)
	}

	return wait
}

// askedFor is how long the API wants to be left alone: what it says, or until the hourly limit begins anew.
func askedFor(header http.Header, now time.Time) (time.Duration, bool) {
	after := header.Get("Retry-After")

	if seconds, err := strconv.Atoi(after); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second, true
	}

	if date, err := http.ParseTime(after); err == nil {
		return max(date.Sub(now), 0), true
	}

	reset, err := strconv.ParseInt(header.Get("RateLimit-Reset"), 10, 64)
	if err != nil || header.Get("RateLimit-Remaining") != "0" {
		return 0, false
	}

	return max(time.Unix(reset, 0).Sub(now), 0), true
}

// fits tells whether ctx is still there after a wait.
func fits(ctx context.Context, wait time.Duration) bool {
	deadline, some := ctx.Deadline()
	return !some || time.Until(deadline) > wait
}

// sleep waits, and tells whether ctx is still there.
func sleep(ctx context.Context, wait time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}
