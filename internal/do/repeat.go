package do

import (
	"context"
	"fmt"
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

// maxPolls is how often a thing that is not made yet is asked for or looked for, and pause how much longer than a
// poll's interval the time between two is: half a minute in all with the default interval.
const (
	maxPolls = 8
	pause    = 5
)

// looks is how often a thing is looked for before it is asked for again: lists may show it late. With the default
// interval they take five seconds.
const looks = 3

// Repeat does something that may be done twice, again while an event is pending and after transient errors.
func Repeat(
	ctx context.Context,
	what string,
	options WaitOptions,
	try func(context.Context) error,
) error {
	type nothing struct{}

	one := &creation[nothing]{create: func(ctx context.Context) (*nothing, error) {
		return &nothing{}, try(ctx)
	}}

	return one.run(ctx, what, options)
}

// remove deletes a thing, again while an event is pending and after transient errors. One that is gone is no error: it
// may be so by a request whose answer was lost.
func remove(
	ctx context.Context,
	what string,
	options WaitOptions,
	try func(context.Context) error,
) error {
	return Repeat(ctx, what, options, func(ctx context.Context) error {
		err := try(ctx)

		if IsNotFound(err) {
			return nil
		}

		return err
	})
}

// Ensure makes a thing of which there must be one. The API has no idempotency key: after an answer that may
// hide that the work was done (5xx, a broken connection) it looks for the thing, and asks again only when it is
// not there (look returns nil) for a few looks.
func Ensure[T any](
	ctx context.Context,
	what string,
	options WaitOptions,
	look, create func(context.Context) (*T, error),
) (*T, error) {
	one := &creation[T]{
		look:   look,
		create: create,
	}

	err := one.run(ctx, what, options)

	return one.made, err
}

// creation is one thing on its way to be made.
type creation[T any] struct {
	look   func(context.Context) (*T, error) // nil: the thing may be made twice
	create func(context.Context) (*T, error)

	made  *T
	polls int
	asked int   // how often it was asked for
	looks int   // how often it is still looked for before it is asked for again
	last  error // of the last request
}

func (c *creation[T]) run(ctx context.Context, what string, options WaitOptions) error {
	// A request that has just failed is not polled as quickly as a state is.
	options = options.withDefaults()
	options.Interval *= pause

	err := Wait(ctx, "an answer", c.poll, options)
	if err != nil {
		return fmt.Errorf("%s: %w", what, apiAnswer(err))
	}

	return nil
}

func (c *creation[T]) poll(ctx context.Context) (State, error) {
	c.polls++

	if c.looks > 0 {
		found, err := c.look(ctx)

		// The thing may be there although its creation's answer was lost.
		if err == nil && found != nil {
			c.made = found
			return Done, nil
		}

		switch {
		// What a request answered that may have been carried out is told, not that it could not be looked for.
		case c.polls >= maxPolls:
			return Errored, c.last
		case err != nil:
			return Pending, err
		}

		c.looks--
		if c.looks > 0 {
			return Pending, Seen("%v", c.last)
		}
	}

	return c.ask(ctx)
}

func (c *creation[T]) ask(ctx context.Context) (State, error) {
	c.asked++
	made, err := c.create(ctx)

	if err == nil {
		c.made = made
		return Done, nil
	}

	c.last = err

	// Refused because one is there, after an answer that was lost: it may be this one.
	unclear := MayBeDone(err) || c.asked > 1 && isTaken(err) && !IsPending(err)

	switch {
	case IsPending(err):
		return Pending, Seen("%v", err)

	case c.polls >= maxPolls:
		return Errored, err

	case unclear && c.look != nil:
		c.looks = looks
		return Pending, Seen("%v", err)

	case IsTransient(err):
		return Pending, Seen("%v", err)
	}

	return Errored, err
}
