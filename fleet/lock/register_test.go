package lock_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hornero/hornero/fleet/lock"
)

var errCut = errors.New("the connection was cut")

// register is a text behind a network that takes its time. It has the bubble's clock, in whole seconds, as HTTP has.
type register struct {
	delay func() time.Duration // of each way of a request

	mutex sync.Mutex
	text  string
	gone  bool
	fails int // so many writes are done, and answered by an error
	down  bool
}

func (r *register) Read(ctx context.Context) (string, time.Time, error) {
	if err := r.travel(ctx); err != nil {
		return "", time.Time{}, err
	}

	r.mutex.Lock()
	text, now, gone, down := r.text, time.Now().Truncate(time.Second), r.gone, r.down
	r.mutex.Unlock()

	switch {
	case gone:
		return "", now, lock.ErrGone
	case down:
		return "", now, errCut
	}

	return text, now, r.travel(ctx)
}

// Write arrives also when nobody waits for its answer any more.
func (r *register) Write(ctx context.Context, text string) error {
	arrived := make(chan error, 1)

	go func() {
		time.Sleep(r.wait())
		arrived <- r.set(text)
	}()

	select {
	case err := <-arrived:
		return errors.Join(err, r.travel(ctx))
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *register) set(text string) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	if r.gone {
		return lock.ErrGone
	}

	if r.down {
		return errCut
	}

	r.text = text

	if r.fails > 0 {
		r.fails--
		return errCut
	}

	return nil
}

func (r *register) get() string {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	return r.text
}

// change changes what the register is, while it may be asked.
func (r *register) change(how func()) {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	how()
}

func (r *register) wait() time.Duration {
	r.mutex.Lock()
	delay := r.delay
	r.mutex.Unlock()

	if delay == nil {
		return time.Millisecond
	}

	return delay()
}

func (r *register) travel(ctx context.Context) error {
	select {
	case <-time.After(r.wait()):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// upTo draws delays, and now and then one of a slow network.
func upTo(draw *rand.Rand, most, slow time.Duration) func() time.Duration {
	var mutex sync.Mutex

	return func() time.Duration {
		mutex.Lock()
		defer mutex.Unlock()

		if slow > 0 && draw.IntN(8) == 0 {
			return time.Duration(draw.Int64N(int64(slow)))
		}

		return time.Duration(draw.Int64N(int64(most)))
	}
}
