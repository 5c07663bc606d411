package do

import (
	"context"
	"errors"
	"fmt"

	"github.com/digitalocean/godo"
)

// afterPending does something that the API refuses while another event is pending, until it is taken.
func afterPending(
	ctx context.Context,
	what string,
	options WaitOptions,
	try func(context.Context) error,
) error {
	poll := func(ctx context.Context) (State, error) {
		err := try(ctx)

		switch {
		case err == nil:
			return Done, nil
		case IsPending(err):
			return Pending, Seen("%v", err)
		}

		return Errored, err
	}

	err := Wait(ctx, "pending events to end", poll, options)
	if err == nil {
		return nil
	}

	return fmt.Errorf("%s: %w", what, apiAnswer(err))
}

// tries is how often a request that may hide that its work was done is made, and pause how much longer than a poll's
// interval the time between two is: half a minute in all with the default interval.
const (
	tries = 8
	pause = 5
)

// repeated does something that may be done twice, again while an event is pending and after transient errors.
func repeated(
	ctx context.Context,
	what string,
	options WaitOptions,
	try func(context.Context) error,
) error {
	type nothing struct{}

	neverThere := func(context.Context) (*nothing, error) {
		return nil, nil
	}

	do := func(ctx context.Context) (*nothing, error) {
		return &nothing{}, try(ctx)
	}

	_, err := Ensure(ctx, what, options, neverThere, do)

	return err
}

// Ensure makes a thing of which there must be one. The API has no idempotency key: after an answer that may
// hide that the work was done (5xx, a broken connection) it looks for the thing, and asks again only when it is
// not there (look returns nil).
func Ensure[T any](
	ctx context.Context,
	what string,
	options WaitOptions,
	look, create func(context.Context) (*T, error),
) (*T, error) {
	// A request that has just failed is not polled as quickly as a state is.
	options = options.withDefaults()
	options.Interval *= pause

	var made *T
	asked := 0

	poll := func(ctx context.Context) (State, error) {
		// Before the first request nothing can be there.
		if asked > 0 {
			found, err := look(ctx)
			if err != nil {
				return Pending, err
			}

			// The thing may be there although its creation's answer was lost.
			made = found
			if found != nil {
				return Done, nil
			}
		}

		asked++
		found, err := create(ctx)

		switch {
		case err == nil:
			made = found
			return Done, nil
		case IsPending(err), IsTransient(err) && asked < tries:
			return Pending, Seen("%v", err)
		}

		return Errored, err
	}

	err := Wait(ctx, "an answer", poll, options)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, apiAnswer(err))
	}

	return made, nil
}

// apiAnswer returns the API's own answer when the wait ended because of it, without the words about a wait.
func apiAnswer(err error) error {
	var answer *godo.ErrorResponse
	if errors.As(err, &answer) {
		return answer
	}

	return err
}
