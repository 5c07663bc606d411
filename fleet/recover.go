package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/roles"
)

var (
	// ErrMajority refuses to rebuild a peer set that lives, or will.
	ErrMajority = errors.New("the peer set is not lost")
	// ErrNoSurvivor means that no member that answers holds the peer set.
	ErrNoSurvivor = errors.New("no member that answers holds a copy of the peer set")
)

// Recovery is what `hornero recover` would do, and did.
type Recovery struct {
	From       string            `json:"from"` // the newest survivor, from which the peer set is rebuilt
	Survivors  []status.Recovery `json:"survivors"`
	Unanswered map[string]string `json:"unanswered"` // members, and why they did not answer
	Steps      []string          `json:"steps"`
	Done       bool              `json:"done"`
}

// PlanRecovery finds what is left of a peer set that lost its quorum, and picks the survivor that knows most.
// It changes nothing.
func (f *Fleet) PlanRecovery(ctx context.Context) (Recovery, error) {
	members, err := f.nodes(ctx)
	if err != nil {
		return Recovery{}, err
	}

	return f.planRecovery(ctx, members)
}

func (f *Fleet) planRecovery(ctx context.Context, members []member) (Recovery, error) {
	plan := Recovery{
		Survivors:  []status.Recovery{},
		Unanswered: map[string]string{},
		Steps:      []string{},
	}

	for _, said := range f.survivors(ctx, members) {
		if said.err != nil {
			plan.Unanswered[said.node] = said.err.Error()
			continue
		}

		plan.Survivors = append(plan.Survivors, said.recovery)
	}

	slices.SortFunc(plan.Survivors, func(a, b status.Recovery) int {
		return strings.Compare(a.Node, b.Node)
	})

	newest, err := newestSurvivor(plan.Survivors)
	if err != nil {
		return plan, err
	}

	if newest == nil {
		return plan, fmt.Errorf(
			"recover: %w: %s; bring one back that does, or `hornero up` a new stack",
			ErrNoSurvivor,
			strings.Join(plan.unusable(), "; "),
		)
	}

	plan.From = newest.Node

	// The node itself judges whether a majority is lost: it knows the voters.
	if newest.Refused != "" {
		return plan, fmt.Errorf("recover: %w: on %s: %s", ErrMajority, newest.Node, newest.Refused)
	}

	plan.Steps = recoverySteps(plan, *newest)

	return plan, nil
}

// newestSurvivor picks the one that knows most, of equals the first; nil when none holds the peer set.
func newestSurvivor(survivors []status.Recovery) (*status.Recovery, error) {
	var newest *status.Recovery

	for i, survivor := range survivors {
		// One that sees a quorum is enough: rebuilding beside it would make two peer sets.
		if survivor.Quorum {
			return nil, fmt.Errorf(
				"recover: %w: %s sees a quorum; `hornero status` says who is missing, `hornero replace NODE` "+
					"recreates it",
				ErrMajority,
				survivor.Node,
			)
		}

		if survivor.Index == 0 {
			continue // a spare, which holds nothing
		}

		if newest == nil || survivor.Newer(*newest) {
			newest = &survivors[i]
		}
	}

	return newest, nil
}

// unusable says of each member why the peer set cannot be rebuilt from it.
func (r Recovery) unusable() []string {
	var why []string
	for _, survivor := range r.Survivors {
		why = append(why, survivor.Node+" answers and holds none")
	}

	for _, node := range slices.Sorted(maps.Keys(r.Unanswered)) {
		why = append(why, node+": "+r.Unanswered[node])
	}

	return why
}

func recoverySteps(plan Recovery, newest status.Recovery) []string {
	steps := []string{fmt.Sprintf(
		"%s is the newest of %d survivors, at term %d, index %d; on it:",
		newest.Node,
		len(plan.Survivors),
		newest.Term,
		newest.Index,
	)}
	steps = append(steps, newest.Steps...)

	// What only the unanswering knew is lost for good; the operator must agree to that.
	if len(plan.Unanswered) > 0 {
		lost := slices.Sorted(maps.Keys(plan.Unanswered))
		steps = append(steps, fmt.Sprintf(
			"%s did not answer: what only they knew of the peer set is lost; "+
				"`hornero replace NODE` recreates them afterwards",
			strings.Join(lost, ", "),
		))
	}

	return steps
}

// Recover rebuilds the peer set as planned, and waits until it has a quorum.
func (f *Fleet) Recover(ctx context.Context, plan Recovery) (Recovery, error) {
	if err := f.awaitTakenLock(ctx); err != nil {
		return plan, err
	}

	// The plan may be minutes old by the time the operator agreed to it.
	members, err := f.nodes(ctx)
	if err != nil {
		return plan, err
	}
	m, there := find(members, plan.From)
	if !there {
		return plan, fmt.Errorf("recover from %s: %w", plan.From, ErrNoDroplet)
	}

	f.progress("%s: rebuilds the peer set", m.Node)

	var stderr bytes.Buffer
	code, err := f.shell.run(ctx, m, "hornero-bootstrap recover --yes --json", nil, nil, &stderr)
	if err == nil && code != 0 {
		err = errors.New(strings.TrimSpace(stderr.String()))
	}

	if err != nil {
		return plan, fmt.Errorf("recover from %s (to run it again does no harm): %w", m.Node, err)
	}

	// It is done only when the node itself reports a quorum.
	err = f.awaitQuorum(ctx, m)
	plan.Done = err == nil

	return plan, err
}

func (f *Fleet) awaitQuorum(ctx context.Context, m member) error {
	poll := func(ctx context.Context) (do.State, error) {
		said, err := f.shell.status(ctx, m)
		if err != nil || !said.PeerSet.Quorum {
			return do.Pending, do.Seen("%s: quorum %v, %v", m.Node, said.PeerSet.Quorum, err)
		}

		return do.Done, nil
	}

	return do.Wait(ctx, "wait for the peer set", poll, do.WaitOptions{Timeout: f.Timeout})
}

// survivorAnswer is what a member says that it holds of the peer set, or why it does not say.
type survivorAnswer struct {
	node     string
	recovery status.Recovery
	err      error
}

// survivors asks all members of the peer set what they hold of it.
func (f *Fleet) survivors(ctx context.Context, members []member) []survivorAnswer {
	var asked []member
	for _, m := range members {
		if f.mayBeMember(m.Role) {
			asked = append(asked, m)
		}
	}

	said := make([]survivorAnswer, len(asked))
	var group errgroup.Group

	for at, m := range asked {
		group.Go(func() error {
			recovery, err := f.shell.survivor(ctx, m)
			said[at] = survivorAnswer{m.Node, recovery, err}
			return nil
		})
	}

	_ = group.Wait() // each answer carries its own error

	// What it was launched as only the node itself is sure of: no peer set may be left that tells.
	said = slices.DeleteFunc(said, func(one survivorAnswer) bool {
		return one.err == nil && one.recovery.Role == roles.Client
	})

	// A member without a Droplet is lost as well, and must be named to whoever agrees.
	for _, name := range f.missingMembers(members) {
		said = append(said, survivorAnswer{node: name, err: ErrNoDroplet})
	}

	return said
}

// missingMembers are the members that the stack is to have and that have no Droplet.
func (f *Fleet) missingMembers(members []member) []string {
	var names []string
	for _, node := range f.Stack.All() {
		_, there := find(members, node.Name)
		if !there && f.kind(node.Role) == roles.Member {
			names = append(names, node.Name)
		}
	}

	return names
}

func (s *shell) survivor(ctx context.Context, m member) (status.Recovery, error) {
	// Longer than for other questions: the node itself waits for voters that do not answer.
	ctx, cancel := context.WithTimeout(ctx, 4*dialTimeout)
	defer cancel()

	var said status.Recovery
	if m.public() == "" {
		return said, fmt.Errorf("ask %s: it has no address yet", m.Node)
	}

	var stdout, stderr bytes.Buffer
	code, err := s.run(ctx, m, "hornero-bootstrap recover --dry-run --json", nil, &stdout, &stderr)
	if err != nil {
		return said, err
	}

	if code != 0 {
		return said, fmt.Errorf("ask %s: %s", m.Node, bytes.TrimSpace(stderr.Bytes()))
	}

	return said, json.Unmarshal(stdout.Bytes(), &said)
}
