package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hornero/hornero/fleet/lock"
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/stack"
)

var (
	// ErrMeltdown means that so much is down that a healer may be what is wrong: it cannot see, or it would make things
	// worse.
	ErrMeltdown = errors.New("too much is down to be healed unasked")
	// ErrGivenUp means that a node was made anew as often as a healer may, and is dead again.
	ErrGivenUp = errors.New("it was made anew too often")
)

const (
	// DefaultDeadAfter is how long a node has to be silent, to its peers and to the healer, before it is dead.
	DefaultDeadAfter = 60 * time.Second
	// DefaultHealPause is between two looks of a healer that watches.
	DefaultHealPause = 10 * time.Second
)

// Healer makes nodes anew that died. It keeps in mind what it saw and did, and nothing else: two healers of one stack
// do no harm, as each asks how everything is before it takes a step.
type Healer struct {
	Fleet   *Fleet
	Silence time.Duration // DefaultDeadAfter where 0
	Pause   time.Duration // DefaultHealPause where 0

	// LockWait is how long another command may have the stack's lock; 0 refuses at once.
	LockWait time.Duration

	silent map[string]time.Time // since when each node is
	turned map[int]bool         // Droplets that were turned on once
	tries  tries
}

func (h *Healer) begin() {
	if h.Silence == 0 {
		h.Silence = DefaultDeadAfter
	}
	if h.Pause == 0 {
		h.Pause = DefaultHealPause
	}

	if h.silent == nil {
		h.silent = map[string]time.Time{}
		h.turned = map[int]bool{}
		h.tries = tries{}
	}
}

// Once looks until every node is either well or made anew, and returns which were made anew.
func (h *Healer) Once(ctx context.Context) ([]string, error) {
	h.begin()
	var healed []string

	for {
		found, err := h.look(ctx)
		if err != nil {
			return healed, err
		}

		next := diagnose(found, time.Now(), h.tries)

		switch {
		case next.err != nil:
			return healed, next.err
		case next.node != "":
			done, err := h.healLocked(ctx, next)
			if err != nil {
				return healed, err
			}

			if done {
				healed = append(healed, next.node)
			}

		case !next.wait:
			return healed, nil

		default:
			h.Fleet.progress("%s", next.reason)
			pause.For(ctx, min(h.Pause, h.Silence))
		}
	}
}

// Watch heals until ctx ends.
func (h *Healer) Watch(ctx context.Context) error {
	for {
		_, err := h.Once(ctx)

		switch {
		// To be ended is how a watch ends.
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrMeltdown), errors.Is(err, ErrGivenUp):
			return err
		case err != nil:
			// The API may answer again, and the others may be well again.
			h.Fleet.progress("%v", err)
		}

		pause.For(ctx, h.Pause)
	}
}

// look tells how every node of stack.yaml is.
func (h *Healer) look(ctx context.Context) (condition, error) {
	f := h.Fleet
	found := condition{}

	members, err := f.nodes(ctx)
	if err != nil {
		return found, err
	}
	answers := f.askAll(ctx, f.named(members))

	if ctx.Err() != nil {
		return found, ctx.Err()
	}

	known := newest(answers)
	found.quorum = known.Quorum
	peers := map[string]status.Peer{}

	for _, peer := range known.Peers {
		peers[peer.Name] = peer
	}

	for _, node := range f.Stack.All() {
		one := patient{
			node:     node.Name,
			role:     node.Role,
			database: f.isDatabase(node.Role),
			state:    patientMissing,
		}

		for _, a := range answers {
			if a.member.Node == node.Name {
				one.droplet = a.member.Droplet.ID
				one.state, one.reason = h.state(a, peers[node.Name])
			}
		}

		found.patients = append(found.patients, one)
	}

	return found, nil
}

// state tells how a node is that has a Droplet. The peer is what its peers know of it.
func (h *Healer) state(a answer, peer status.Peer) (state, reason string) {
	m := a.member
	joined := peer.Incarnation == m.Incarnation

	switch {
	// An event is under way: it may be turned on or off by somebody.
	case m.Droplet.Locked:
		return patientSick, "its Droplet is locked"

	case m.Droplet.Status == "off":
		if h.turned[m.Droplet.ID] {
			return patientDead, "its Droplet is off again"
		}

		return patientOff, "its Droplet is off"

	case a.err == nil:
		delete(h.silent, m.Node)

		if a.status.Healthy {
			return patientWell, ""
		}

		// It lives, and says itself what it waits for.
		return patientSick, a.status.Reason

	// Its peers hear it: what is broken is the way from here.
	case joined && peer.Alive:
		return patientSick, "only this machine does not reach it: " + a.err.Error()

	case !joined && h.young(m):
		return patientSick, "it starts"
	}

	return h.silence(a)
}

// young tells a Droplet that may still be starting: one that was never in the peer set is given as long as any other.
func (h *Healer) young(m member) bool {
	created, err := time.Parse(time.RFC3339, m.Droplet.Created)

	return err == nil && time.Since(created) < h.Fleet.Timeout
}

// silence tells whether a node has been silent for long enough to be dead.
func (h *Healer) silence(a answer) (state, reason string) {
	node := a.member.Node
	if h.silent[node].IsZero() {
		h.silent[node] = time.Now()
	}

	if time.Since(h.silent[node]) < h.Silence {
		return patientSilent, "it is silent"
	}

	return patientDead, a.err.Error()
}

// healLocked takes a step while no other command changes the stack, if it is still the one to be taken: what seemed to
// be dead may be a node that an operator has just replaced. A step that another command keeps it from is no try.
func (h *Healer) healLocked(ctx context.Context, next treatment) (done bool, err error) {
	request := lock.Request{
		Command: "heal " + next.node,
		Wait:    h.LockWait,
	}

	err = h.Fleet.Change(ctx, request, func(ctx context.Context) error {
		if err := h.Fleet.awaitTakenLock(ctx); err != nil {
			return err
		}

		found, err := h.look(ctx)
		if err != nil {
			return err
		}

		again := diagnose(found, time.Now(), h.tries)
		done = again.err == nil && again.node == next.node && again.state == next.state

		if !done {
			return again.err
		}

		return h.heal(ctx, again)
	})

	return done, err
}

// heal takes the one step that was decided on.
func (h *Healer) heal(ctx context.Context, next treatment) error {
	f := h.Fleet
	f.progress("%s: %s", next.node, next.reason)
	h.tries.note(next.node, time.Now())
	delete(h.silent, next.node)

	node, err := f.Stack.Node(next.node)
	if err != nil {
		return err
	}

	switch next.state {
	case patientOff:
		return h.turnOn(ctx, node)
	case patientMissing:
		return f.relaunch(ctx, node)
	}

	return f.replace(ctx, node)
}

// turnOn turns a Droplet on once: the second time another takes its place.
func (h *Healer) turnOn(ctx context.Context, node stack.Node) error {
	members, err := h.Fleet.nodes(ctx)
	if err != nil {
		return err
	}

	m, there := find(members, node.Name)

	if !there {
		return nil
	}

	h.turned[m.Droplet.ID] = true

	if err := h.Fleet.turnOn(ctx, []member{m}); err != nil {
		return err
	}

	return h.Fleet.awaitServing(ctx, m)
}

// relaunch launches a node that has no Droplet, as its next incarnation, and waits until it serves.
func (f *Fleet) relaunch(ctx context.Context, node stack.Node) error {
	vpc, err := f.ensureVPC(ctx)
	if err != nil {
		return err
	}

	members, err := f.ensureNodes(ctx, vpc)
	if err != nil {
		return err
	}

	m, there := find(members, node.Name)
	if !there {
		return fmt.Errorf("launch %s: %w", node.Name, ErrNoDroplet)
	}

	return f.awaitServing(ctx, m)
}
