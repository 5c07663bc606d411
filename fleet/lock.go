package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/fleet/lock"
	"github.com/hornero/hornero/internal/do"
)

// LockConfig is who takes the stack's lock, and how long it lasts. Its zero value is this process, and the defaults.
type LockConfig struct {
	Owner lock.Owner
	Times lock.Times
}

// change is a command that has the stack's lock, or takes it before it changes anything.
type change struct {
	fleet   *Fleet
	request lock.Request
	lose    context.CancelCauseFunc // ends the command

	date  time.Time // what the API's clock said
	asked time.Time // and when, by our own

	mutex sync.Mutex
	held  *lock.Held // nil while there is no network, and so no place for a claim
}

// Change lets work change the stack while no other command does. Work begins at once, and reads while the lock is
// taken; its context ends with lock.ErrLost when the lock is lost. Where another command has the lock for longer than
// the request waits, the error is lock.ErrLocked, and nothing was touched.
//
// The lock is a claim in the description of the stack's VPC. Where there is none yet, who makes it has the lock; a
// command that makes none goes on without.
func (f *Fleet) Change(ctx context.Context, request lock.Request, work func(context.Context) error) error {
	// A command that is a part of another has that one's lock.
	if f.change != nil {
		return work(ctx)
	}

	ctx, lose := context.WithCancelCause(ctx)
	defer lose(nil)

	vpc, date, err := findVPC(ctx, f.Client, f.resourceName())
	if err != nil {
		return err
	}

	c := &change{
		fleet:   f,
		request: request,
		lose:    lose,
		date:    date,
		asked:   time.Now(),
	}

	f.change = c
	defer func() { f.change = nil }()

	if vpc != nil {
		c.take(ctx, vpc.ID)
	}

	err = work(ctx)
	c.release(ctx)

	// What the work says of the end of its context is no news.
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, lock.ErrLost) {
		return cause
	}

	return err
}

// awaitLock waits for the lock, before the first thing is changed. Without a command that takes it there is none to
// wait for.
func (f *Fleet) awaitLock(ctx context.Context, vpc string) error {
	if f.change == nil {
		return nil
	}

	return f.change.take(ctx, vpc).Wait(ctx)
}

// awaitTakenLock is awaitLock for commands that make no network: where there is none, they go on without.
func (f *Fleet) awaitTakenLock(ctx context.Context) error {
	if held := f.held(); held != nil {
		return held.Wait(ctx)
	}

	return nil
}

// checkLock reads whether the command still has the lock, right before something is removed for good.
func (f *Fleet) checkLock(ctx context.Context) error {
	if held := f.held(); held != nil {
		return held.Check(ctx)
	}

	return nil
}

// held is nil for a command without the lock.
func (f *Fleet) held() *lock.Held {
	if f.change == nil {
		return nil
	}

	f.change.mutex.Lock()
	defer f.change.mutex.Unlock()

	return f.change.held
}

// deleteDroplet deletes a Droplet, and waits until it is gone.
func (f *Fleet) deleteDroplet(ctx context.Context, id int) error {
	if err := f.checkLock(ctx); err != nil {
		return fmt.Errorf("delete Droplet %d: %w", id, err)
	}

	return do.DeleteDroplet(ctx, f.Client, id, do.WaitOptions{})
}

// createVPC makes the stack's VPC with the command's claim in its description: its name is taken from then on, so that
// who made it has the lock. Where another command was quicker it waits for that one's lock.
func (f *Fleet) createVPC(ctx context.Context, request *godo.VPCCreateRequest) (string, error) {
	vpc, err := f.change.create(ctx, f, request)
	if err == nil {
		f.progress("VPC %s made, %s", vpc.Name, vpc.IPRange)
		return vpc.ID, nil
	}

	// Refused: is it because the name was taken meanwhile?
	if do.Status(err) == http.StatusUnprocessableEntity {
		other, _, findErr := findVPC(ctx, f.Client, request.Name)
		if other != nil {
			return other.ID, f.awaitLock(ctx, other.ID)
		}

		err = errors.Join(err, findErr)
	}

	return "", err
}

// create makes a VPC; c is nil where no command takes the lock.
func (c *change) create(ctx context.Context, f *Fleet, request *godo.VPCCreateRequest) (*godo.VPC, error) {
	if c == nil {
		return f.createOneVPC(ctx, request)
	}

	var vpc *godo.VPC

	bearing := func(ctx context.Context, text string) (lock.Register, error) {
		request.Description = text

		var err error
		if vpc, err = f.createOneVPC(ctx, request); err != nil {
			return nil, err
		}

		return &description{f.Client, vpc.ID}, nil
	}

	held, err := c.locker(nil).Make(ctx, c.request, c.now(), bearing)
	if err != nil {
		return nil, err
	}

	c.mutex.Lock()
	defer c.mutex.Unlock()

	c.held = held

	return vpc, nil
}

// createOneVPC makes one network, also when the API's answer is lost: one of its name and description is ours.
func (f *Fleet) createOneVPC(ctx context.Context, request *godo.VPCCreateRequest) (*godo.VPC, error) {
	look := func(ctx context.Context) (*godo.VPC, error) {
		vpc, err := f.findVPC(ctx)
		if vpc != nil && vpc.Description != request.Description {
			return nil, err
		}

		return vpc, err
	}

	create := func(ctx context.Context) (*godo.VPC, error) {
		vpc, _, err := f.Client.VPCs.Create(ctx, request)
		return vpc, err
	}

	return do.Ensure(ctx, "create VPC "+request.Name, f.Unclear, look, create)
}

// take begins to take the lock, unless that was begun.
func (c *change) take(ctx context.Context, vpc string) *lock.Held {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	if c.held == nil {
		c.held = c.locker(&description{c.fleet.Client, vpc}).Take(ctx, c.request)
	}

	return c.held
}

func (c *change) locker(register lock.Register) lock.Locker {
	locker := c.fleet.Lock.locker(register)
	locker.Progress = c.fleet.progress
	locker.Lose = c.lose

	return locker
}

// now is what the API's clock says, which all who take the lock go by.
func (c *change) now() time.Time { return c.date.Add(time.Since(c.asked)) }

func (c *change) release(ctx context.Context) {
	held := c.fleet.held()
	if held == nil {
		return
	}

	if err := held.Release(ctx); err != nil {
		c.fleet.progress("the lock is not given back (%v); it is over in a minute by itself", err)
	}
}

func (c LockConfig) locker(register lock.Register) lock.Locker {
	locker := lock.Locker{
		Register: register,
		Owner:    c.Owner,
		Times:    c.Times,
	}

	if locker.Owner == (lock.Owner{}) {
		locker.Owner = lock.Self()
	}

	if locker.Times == (lock.Times{}) {
		locker.Times = lock.DefaultTimes
	}

	return locker
}

// description is a VPC's, in which a claim is kept.
type description struct {
	client *godo.Client
	vpc    string
}

func (d *description) Read(ctx context.Context) (string, time.Time, error) {
	vpc, response, err := d.client.VPCs.Get(ctx, d.vpc)
	if err != nil {
		return "", time.Time{}, d.failed("read the lock in the description of VPC %s: %w", err)
	}

	now, err := dateOf(response)

	return vpc.Description, now, err
}

func (d *description) Write(ctx context.Context, text string) error {
	_, _, err := d.client.VPCs.Set(ctx, d.vpc, godo.VPCSetDescription(text))

	return d.failed("write the lock into the description of VPC %s: %w", err)
}

func (d *description) failed(format string, err error) error {
	switch {
	case err == nil:
		return nil
	case do.IsNotFound(err):
		err = lock.ErrGone
	}

	return fmt.Errorf(format, d.vpc, err)
}

// findVPC finds the VPC of a name, or none, and tells the time of the API's clock.
func findVPC(ctx context.Context, client *godo.Client, name string) (*godo.VPC, time.Time, error) {
	var response *godo.Response

	vpcs, err := do.Pages(ctx, func(ctx context.Context, page *godo.ListOptions) ([]*godo.VPC, *godo.Response, error) {
		list, last, err := client.VPCs.List(ctx, page)
		response = last

		return list, last, err
	})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("list VPCs: %w", err)
	}

	now, err := dateOf(response)
	if err != nil {
		return nil, now, err
	}

	for _, vpc := range vpcs {
		if vpc.Name == name {
			return vpc, now, nil
		}
	}

	return nil, now, nil
}

// dateOf is the time of the API's clock, in whole seconds.
func dateOf(response *godo.Response) (time.Time, error) {
	now, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return now, fmt.Errorf("read the API's clock: %w; is there a proxy that takes the header Date away?", err)
	}

	return now, nil
}
