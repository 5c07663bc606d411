package do

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// State is what a poll found.
type State int

// The states of what is waited for.
const (
	Pending State = iota // not yet; poll again
	Done                 // as wanted
	Errored              // will never be as wanted
	Gone                 // not there any more
)

// Defaults of WaitOptions: quick on a lab that answers in milliseconds, and below the 250 requests a minute
// that a token has when a handful of waits run at once.
const (
	DefaultTimeout  = 10 * time.Minute
	DefaultInterval = 200 * time.Millisecond
	DefaultLongest  = 5 * time.Second
)

// growth is what each interval is multiplied by.
const growth = 1.5

// WaitOptions says how long and how often to poll. Its zero value is the defaults.
type WaitOptions struct {
	Timeout  time.Duration // 0 means DefaultTimeout
	Interval time.Duration // before the second poll; 0 means DefaultInterval
	Longest  time.Duration // between polls; 0 means DefaultLongest
}

func (o WaitOptions) withDefaults() WaitOptions {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Interval == 0 {
		o.Interval = DefaultInterval
	}
	if o.Longest == 0 {
		o.Longest = DefaultLongest
	}

	return o
}

// seen is what a pending poll saw; it is told when the time is over.
type seen string

func (s seen) Error() string { return string(s) }

// Seen describes what a poll that found Pending saw, as in Pending, Seen("status %s", status).
func Seen(format string, args ...any) error {
	return seen(fmt.Sprintf(format, args...))
}

// maxRefusals is how many refusals (403) in a row a wait takes for passing ones: about ten seconds with the
// default intervals. The API is known to refuse single polls of a token that may; builds lost good snapshots to
// that.
const maxRefusals = 8

// Wait polls until what is waited for is done, and returns nil only then. Otherwise its error wraps ErrErrored,
// ErrGone or ErrTimedOut, or the cause that ended ctx, and tells what was seen last. A transient API error
// (5xx, 429, a broken connection) is waited out, and so are a few 403 in a row; any other error of a poll ends
// the wait.
func Wait(
	ctx context.Context,
	what string,
	poll func(context.Context) (State, error),
	options WaitOptions,
) error {
	// The cause tells a timeout from the caller's own end; context.Cause gives it back.
	options = options.withDefaults()
	timedOut := fmt.Errorf("%w after %s", ErrTimedOut, options.Timeout)
	expired, cancel := context.WithTimeoutCause(ctx, options.Timeout, timedOut)
	defer cancel()

	var last error
	refusals := 0
	interval := options.Interval

	for {
		state, err := poll(expired)

		// What a poll that the end of the wait cut off says is not about the thing.
		cutOff := expired.Err() != nil && (state == Pending || errors.Is(err, expired.Err()))
		counts := !cutOff
		if counts {
			last = err
		}

		// A few 403 in a row are taken for a poll that saw nothing.
		refusals = refused403(refusals, err)
		if state == Pending && refusals > 0 && refusals <= maxRefusals {
			err = Seen("%v", err)
		}

		over, err := verdict(state, err)
		if over && counts {
			return named(what, err)
		}

		select {
		case <-expired.Done():
			return named(what, ended(expired, last))
		case <-time.After(interval):
		}

		// Slow things are asked for less often, as all waits share the token's rate limit.
		grown := time.Duration(float64(interval) * growth)
		interval = min(grown, options.Longest)
	}
}

// refused403 counts the refusals in a row.
func refused403(before int, err error) int {
	if Status(err) != http.StatusForbidden {
		return 0
	}

	return before + 1
}

// verdict turns one poll into the wait's end, or into another round.
func verdict(state State, err error) (over bool, result error) {
	var observation seen

	switch {
	case state == Done && err == nil:
		return true, nil
	case state == Errored:
		return true, withCause(ErrErrored, err)
	case state == Gone:
		return true, withCause(ErrGone, err)

	// What was only observed, and what may pass by itself, is polled again.
	case err == nil, errors.As(err, &observation), IsTransient(err):
		return false, nil
	}

	return true, err
}

func withCause(kind, cause error) error {
	if cause == nil {
		return kind
	}

	return fmt.Errorf("%w: %w", kind, cause)
}

func ended(ctx context.Context, last error) error {
	cause := context.Cause(ctx)
	if last == nil {
		return cause
	}

	return fmt.Errorf("%w; last seen: %w", cause, last)
}

func named(what string, err error) error {
	if err == nil {
		return nil
	}

	return fmt.Errorf("wait for %s: %w", what, err)
}
