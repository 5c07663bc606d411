package bootstrap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/roles"
)

// DefaultSweepPause is between a node's first two sweeps of its subnet.
const DefaultSweepPause = time.Second

// Later pauses grow by half each, to ten times the first, and differ by up to a quarter: nodes that booted together do
// not sweep together for ever. The rounds that a large subnet takes have the same pause between them.
const (
	nearRounds   = 4 // of so many sweeps at least one is of more than the nearest addresses
	sweepGrowth  = 1.5
	sweepLongest = 10
	sweepJitter  = 0.25
)

// search is a node's look for the members of its peer set: at the addresses that it was told or remembers, and now and
// then at every address of its subnet.
type search struct {
	agent   *Agent
	client  *api.Client
	tls     *tls.Config
	network netip.Prefix // invalid where the subnet is not known: then there is no sweep
	own     netip.Addr

	round int
	near  int           // how many sweeps in a row were of the nearest addresses
	seen  bool          // the last one met a node of the stack
	slow  bool          // somebody may be one, and was too busy to say so
	pause time.Duration // after the next one
	next  time.Time     // when that is
	said  error         // why the last one found no member
}

func (a *Agent) newSearch(e entry) *search {
	// An error of either means that there is nothing to sweep.
	network, _ := netip.ParsePrefix(a.network)
	own, _ := netip.ParseAddr(a.address)

	return &search{
		agent:   a,
		client:  e.client,
		tls:     e.tls,
		network: network,
		own:     own,
		pause:   a.SweepPause,
		said:    api.ErrNoMember,
	}
}

// ask asks the known members once to let this node in, and sweeps the subnet when none does and it is time.
func (s *search) ask(ctx context.Context) (peerset.Welcome, error) {
	welcome, err := s.client.Join(ctx, s.agent.joining())

	// Of an address that answers for another node, or not, a sweep may know better. Of a refusal it does not.
	if err == nil || isFinal(err) {
		return welcome, err
	}

	if !s.isDue() {
		// Who knows nobody waits for the next sweep, and says what the last one saw.
		if errors.Is(err, api.ErrNoMember) {
			err = s.said
		}

		return welcome, err
	}

	// Where a node of the stack waits, too, the founder will not be far.
	if s.near++; s.near == 1 || s.near < nearRounds && s.seen {
		return s.sweep(ctx, nearest(s.own, s.network), s.join)
	}

	s.near = 0

	return s.whole(ctx, s.join)
}

// whole dials every address of the subnet, or all of a round.
func (s *search) whole(
	ctx context.Context,
	ask func(context.Context, sighting) (peerset.Welcome, error),
) (peerset.Welcome, error) {
	defer s.turn()

	return s.sweep(ctx, sweepRound(s.own, s.network, s.round), ask)
}

// isDue tells whether it is time for a sweep.
func (s *search) isDue() bool {
	return s.network.IsValid() && !time.Now().Before(s.next)
}

// sweep gives each peer of the stack that answers in the subnet to ask, until one lets this node in or refuses it for
// good.
func (s *search) sweep(
	ctx context.Context,
	addresses []netip.Addr,
	ask func(context.Context, sighting) (peerset.Welcome, error),
) (peerset.Welcome, error) {
	var welcome peerset.Welcome

	err := fmt.Errorf("%w: no node of the stack answers in %s", peerset.ErrUnavailable, s.network)

	sweeper := &sweeper{
		tls:  s.tls,
		from: s.agent.address,
		port: roles.AgentPort,
	}

	s.seen = false

	sweeper.sweep(ctx, addresses, func(ctx context.Context, seen sighting) bool {
		s.seen = true
		s.agent.Log.Debug("a node of the stack answers",
			"node", seen.name.Node,
			"incarnation", seen.name.Incarnation,
			"address", seen.address,
		)

		welcome, err = ask(ctx, seen)

		return err == nil || isFinal(err)
	})

	s.said = err
	s.slow = sweeper.slow.Load()
	s.wait()

	return welcome, err
}

// wait sets when the next sweep is.
func (s *search) wait() {
	jitter := 1 + sweepJitter*(2*rand.Float64()-1)
	s.next = time.Now().Add(time.Duration(float64(s.pause) * jitter))
}

// turn goes on to the next round, and lets the pause grow when every address was dialed.
func (s *search) turn() {
	if s.round++; s.round%sweepRounds(s.network) == 0 {
		s.pause = min(time.Duration(float64(s.pause)*sweepGrowth), sweepLongest*s.agent.SweepPause)
	}
}

// errTwin is another Droplet that was launched as this very node, when two operators did so at once. One of the two is
// about to be destroyed. It would refuse this one for good, so it is not asked.
var errTwin = fmt.Errorf("%w: another Droplet is this node, too; `hornero up` keeps one", peerset.ErrUnavailable)

// isTwin tells whether a peer that answered was launched as this very node.
func (s *search) isTwin(seen sighting) bool {
	own := s.agent.self()

	return seen.name.Node == own.Name && seen.name.Incarnation == own.Incarnation
}

// join asks a peer that answered a sweep to let this node in.
func (s *search) join(ctx context.Context, seen sighting) (peerset.Welcome, error) {
	if s.isTwin(seen) {
		return peerset.Welcome{}, errTwin
	}

	welcome, err := s.client.JoinAt(ctx, seen.address, s.agent.joining())

	switch {
	case err == nil:
		// What was told before led to nobody.
		s.client.SetMembers([]string{seen.address})
	case !isFinal(err):
		// It may be in the peer set at any moment: it is asked without another sweep.
		s.client.AddMember(seen.address)
	}

	return welcome, err
}

// isFinal tells an answer that asking again would not change.
func isFinal(err error) bool {
	return errors.Is(err, peerset.ErrEvicted) || errors.Is(err, peerset.ErrForbidden)
}
