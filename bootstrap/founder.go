package bootstrap

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/pki"
)

// DefaultFoundWithin is for how long after it was made a document lets its node found the peer set: an hour for the
// launch, and one for clocks that differ.
const DefaultFoundWithin = 2 * time.Hour

// DefaultFoundAfter is for how long a node that may found the peer set hears nothing of the one that went first, before
// it founds itself: three sweeps at least.
const DefaultFoundAfter = 40 * time.Second

// founds tells whether this node may found the peer set, and otherwise why not.
//
// A founder's user-data says for ever that it may found. When its disk is made anew (a Droplet can be rebuilt in
// place) it must not: the peer set that it founded lives on without it. Its empty disk knows nothing of that, but
// two things outside it do: the Droplet's tag, and the age of the document.
func (a *Agent) founds() (bool, string) {
	switch {
	case !a.node.Found:
		return false, "ask to join the peer set"
	case slices.Contains(a.origin.Droplet.Tags, cloudinit.FoundedTag(a.node.Stack)):
		return false, "this Droplet founded the peer set already (it has the tag) and its disk is new; wait for " +
			"a member"
	}

	// The certificate tells the document's age: both are made at the same time.
	certificate, err := pki.ParseCertificate(a.node.TLS.Certificate)
	if err != nil || a.origin.First.IsZero() {
		// The certificate was read before, so it is valid. A node of an older version kept no time of its first boot.
		return err == nil, ""
	}

	// A certificate begins that much before it was issued, for clocks that differ.
	issued := certificate.NotBefore.Add(pki.Skew)

	if age := a.origin.First.Sub(issued); age > a.FoundWithin {
		return false, "this node's document is too old to found a peer set by (" + age.Round(time.Minute).String() +
			" when its disk first saw it); wait for a member"
	}

	return true, ""
}

// candidacy is a node's wish to found the peer set. Of several nodes that may, one founds: each listens before it looks
// for others, so that of two at least one hears of the other before it begins.
type candidacy struct {
	own     api.Candidate
	silence time.Duration

	mu     sync.Mutex
	yields time.Time // when it last heard of somebody who goes first; zero for never
	begun  bool
}

// meet is told of another candidate, and returns this one.
func (c *candidacy) meet(other api.Candidate) api.Candidate {
	c.mu.Lock()
	defer c.mu.Unlock()

	// Equals cannot be; if they are, neither founds, which shows.
	if other.Founds || !c.own.Before(other) {
		c.yields = time.Now()
	}

	own := c.own
	own.Founds = c.begun

	return own
}

// yield notes that there is somebody who was in the peer set, or is.
func (c *candidacy) yield() {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.yields = time.Now()
}

// begin decides to found, unless somebody goes first. Whoever did and was not heard of for a while is lost.
func (c *candidacy) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.begun = c.begun || c.yields.IsZero() || time.Since(c.yields) > c.silence

	return c.begun
}

// errOtherFounds is what a candidate waits for that is not the one to found.
var errOtherFounds = fmt.Errorf("%w: another node is to found it", peerset.ErrUnavailable)

// errSlow is what a candidate waits for when somebody did not say who it is.
var errSlow = fmt.Errorf("%w: a node in the subnet is too busy to say who it is", peerset.ErrUnavailable)

// slowRounds is how often a candidate looks again because of such a node.
const slowRounds = 3

// stand looks for members and other candidates until this node is let in, or is to found the peer set: when one look
// finds nobody who goes first.
func (a *Agent) stand(ctx context.Context, look *search, own *candidacy) (peerset.Welcome, error) {
	return a.askUntil(ctx, "found the peer set, or join it", func(ctx context.Context) (peerset.Welcome, error) {
		welcome, err := look.client.Join(ctx, a.joining())
		if err == nil || isFinal(err) {
			return welcome, err
		}

		if look.network.IsValid() {
			// Without a pause it would not be heard of before somebody else begins.
			if !look.isDue() {
				return welcome, look.said
			}

			welcome, err = look.whole(ctx, func(ctx context.Context, seen sighting) (peerset.Welcome, error) {
				return a.meet(ctx, look, own, seen)
			})
			if err == nil || isFinal(err) || ctx.Err() != nil {
				return welcome, err
			}
		}

		// It may be in a peer set. Who never answers is no node of this stack.
		if look.slow && look.round <= slowRounds {
			return welcome, errSlow
		}

		if a.founding = own.begin(); a.founding {
			return peerset.Welcome{}, nil
		}

		// It heard of somebody who goes first, now or before.
		return welcome, cmp.Or(err, errOtherFounds)
	})
}

// meet tells a node that answered a sweep of this candidate, and asks to join where that is none.
func (a *Agent) meet(ctx context.Context, look *search, own *candidacy, seen sighting) (peerset.Welcome, error) {
	theirs, err := look.client.MeetCandidate(ctx, seen.address, own.own)
	if err != nil {
		// A member, without a quorum maybe, or a node that lost its disk: there is a peer set, or was.
		own.yield()
		return look.join(ctx, seen)
	}

	a.Log.Info("another node may found the peer set, too",
		"node", seen.name.Node,
		"incarnation", theirs.Incarnation,
		"droplet", theirs.Droplet,
		"address", seen.address,
		"founds", theirs.Founds,
	)
	own.meet(theirs)

	if look.isTwin(seen) {
		return peerset.Welcome{}, errTwin
	}

	look.client.AddMember(seen.address)

	return peerset.Welcome{}, errOtherFounds
}
