package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

var (
	// ErrRolledBack means that a roll ended as it began: the first new node was bad, and the site is as before.
	ErrRolledBack = errors.New("rolled back")
	// ErrHalfway means that a roll ended with some nodes replaced and others not. The same command goes on.
	ErrHalfway = errors.New("stopped halfway; run the same command again to go on")
	// ErrStanding refuses what would be in the way of a roll that waits for its operator.
	ErrStanding = errors.New("a roll stands")
)

// Roll is how the nodes of a role are replaced by nodes made from what is wanted now.
type Roll struct {
	Role     string
	Strategy string // StrategyRolling where empty
	// Share is what part of the traffic a canary gets at least, in percent, and no more where an edge of the stack's
	// own brings all of it; 0: what one node gets.
	Share   int
	All     bool // also the nodes that are as wanted
	NoExtra bool // no extra node is launched first: less cost, and no way back

	// Restore takes back what was written into stack.yaml for this roll, before it goes back; nil where nothing was.
	Restore func(context.Context) error
}

// Roll replaces the nodes of a role that are not as wanted, one after the other. An extra node goes first, beside them:
// while it is bad nothing else was touched, and it is removed again.
func (f *Fleet) Roll(ctx context.Context, roll Roll) error {
	if err := f.checkRoll(roll); err != nil {
		return err
	}

	s, err := f.rollState(ctx, roll)
	if err != nil {
		return err
	}

	if s.strategy != "" {
		return s.goesOnStanding(ctx)
	}

	if err := f.awaitTakenLock(ctx); err != nil {
		return err
	}

	if len(s.outdated) == 0 {
		f.progress("every node of role %s is as wanted", roll.Role)
		return s.finish(ctx)
	}

	// What a run has left that did not end: the roll goes on with it, or back.
	if err := s.awaitBegun(ctx); err != nil {
		return err
	}

	if err := s.check(ctx); err != nil {
		return err
	}

	if !roll.NoExtra {
		if err := s.tryExtra(ctx); err != nil {
			return err
		}
	}

	switch roll.Strategy {
	case StrategyCanary:
		f.progress("the canary stands; `hornero roll %[1]s --promote` rolls all nodes, `hornero roll %[1]s --abort` "+
			"removes it", roll.Role)

		return nil

	case StrategyBlueGreen:
		if err := s.switchOver(ctx); err != nil {
			return err
		}

		f.progress("the new nodes have all traffic, and the old ones run without; `hornero roll %[1]s --drop-old` "+
			"replaces those, `hornero roll %[1]s --abort` switches back", roll.Role)

		return nil
	}

	return s.finish(ctx)
}

// Promote ends a roll that stands at its canary: all nodes become like it.
func (f *Fleet) Promote(ctx context.Context, role string) error {
	s, err := f.standingRoll(ctx, role)
	if err != nil {
		return err
	}

	return s.finish(ctx)
}

// checkRoll refuses what cannot be: members of the peer set take their names over from each other, one by one.
func (f *Fleet) checkRoll(roll Roll) error {
	if err := f.checkRole(roll.Role); err != nil {
		return err
	}

	member := f.mayBeMember(roll.Role)
	balanced := len(f.trafficTags(roll.Role)) > 0

	switch {
	case roll.Strategy == StrategyBlueGreen && (member || !balanced):
		return fmt.Errorf("roll %s: %s is for roles behind a load balancer; this one rolls by %s",
			roll.Role, StrategyBlueGreen, StrategyRolling)
	case roll.Strategy == StrategyCanary && f.isDatabase(roll.Role):
		return fmt.Errorf("roll %s: a database has no part of the traffic to give; its first new node is watched by "+
			"%s, too", roll.Role, StrategyRolling)
	}

	return nil
}

// checkRole refuses a role that the stack has not.
func (f *Fleet) checkRole(role string) error {
	known := slices.Sorted(maps.Keys(f.Stack.Expected()))
	if slices.Contains(known, role) {
		return nil
	}

	if near := report.Nearest(role, known); near != "" {
		return fmt.Errorf("the stack %s has no role %q; did you mean %q?", f.Stack.Name, role, near)
	}

	return fmt.Errorf("the stack %s has no role %q; its roles are %s", f.Stack.Name, role, strings.Join(known, ", "))
}

// rollState is a roll as the cloud shows it: nothing of it is kept elsewhere.
type rollState struct {
	Roll
	fleet    *Fleet
	members  []member     // one a node
	surplus  []member     // those whose names others have
	outdated []stack.Node // in the order in which they are replaced
	extras   []member
	strategy string // of a roll that stands; "" when none does
}

func (f *Fleet) rollState(ctx context.Context, roll Roll) (*rollState, error) {
	all, err := f.members(ctx)
	if err != nil {
		return nil, err
	}

	s := &rollState{
		Roll:  roll,
		fleet: f,
	}
	s.members, s.surplus = current(all)
	s.extras = extrasOf(s.members, roll.Role)

	for _, m := range s.extras {
		if m.Extra != StrategyRolling {
			s.strategy = m.Extra
		}
	}

	outdated, err := f.outdatedNodes(ctx)
	if err != nil {
		return nil, err
	}

	for _, node := range f.Stack.All() {
		_, is := outdated[node.Name]
		if node.Role == roll.Role && (is || roll.All) {
			s.outdated = append(s.outdated, node)
		}
	}

	return s, f.sortLast(ctx, s.members, s.outdated)
}

func (f *Fleet) standingRoll(ctx context.Context, role string) (*rollState, error) {
	if err := f.checkRole(role); err != nil {
		return nil, err
	}

	if err := f.awaitTakenLock(ctx); err != nil {
		return nil, err
	}

	s, err := f.rollState(ctx, Roll{Role: role})
	if err != nil {
		return nil, err
	}

	if s.strategy == "" {
		return nil, fmt.Errorf("role %[1]s has no roll that stands; `hornero roll %[1]s --strategy canary` begins one",
			role)
	}

	return s, nil
}

// isStanding says how a roll that stands is ended.
func (s *rollState) isStanding() error {
	standing, _ := s.fleet.standingIn(s.members, s.Role)

	return fmt.Errorf("role %[1]s: %[2]w: %[3]s; `hornero roll %[1]s --promote` goes on, `hornero roll %[1]s --abort` "+
		"goes back", s.Role, ErrStanding, standing)
}

// outdatedNodes are the nodes whose Droplets another has to take the place of, and why: the same that a plan names.
func (f *Fleet) outdatedNodes(ctx context.Context) (map[string]string, error) {
	want, err := f.wanted(ctx)
	if err != nil {
		return nil, err
	}

	have, err := f.found(ctx)
	if err != nil {
		return nil, err
	}

	outdated := map[string]string{}

	for _, one := range compareNodes(want, have) {
		if one.Action == ActionReplace && !strings.HasPrefix(one.By, NothingYet) {
			outdated[one.Name] = one.Reason
		}
	}

	return outdated, nil
}

// sortLast sorts nodes so that those come last that others wait for when they go: who takes the writes, and who
// holds the reserved IP.
func (f *Fleet) sortLast(ctx context.Context, members []member, nodes []stack.Node) error {
	if len(nodes) < 2 {
		return ctx.Err()
	}

	answers := f.askAll(ctx, members)
	held := map[string]int{}

	for _, a := range answers {
		if a.err == nil && a.status.Writer {
			held[a.member.Node]++
		}
	}

	if holder := newest(answers).ReservedIP; holder != "" {
		held[holder]++
	}

	slices.SortStableFunc(nodes, func(a, b stack.Node) int {
		return cmp.Compare(held[a.Name], held[b.Name])
	})

	return ctx.Err()
}

// check refuses to begin what could not be ended, or what nobody could tell the faults of afterwards.
func (s *rollState) check(ctx context.Context) error {
	if err := s.fleet.checkCatalogue(ctx, s.outdated, s.wantedExtras()); err != nil {
		return err
	}

	replaced := map[string]bool{}
	for _, node := range s.outdated {
		replaced[node.Name] = true
	}

	for _, a := range s.fleet.askAll(ctx, s.members) {
		// A sick node that is replaced is what the roll is for.
		if replaced[a.member.Node] || a.err == nil && a.status.Healthy {
			continue
		}

		line := lineOf(a)

		return fmt.Errorf("roll %s: %w: %s is %s: %s; a roll begins on a healthy stack: replace that node first",
			s.Role, ErrUnsafe, line.Name, line.State, line.Reason)
	}

	return nil
}

// wantedExtras is how many extra nodes there are at most.
func (s *rollState) wantedExtras() int {
	// With one extra beside n nodes a share of 1/(n+1) is what it gets.
	number := len(s.outdated)

	switch {
	case s.Strategy == StrategyBlueGreen:
		return number
	case s.Strategy != StrategyCanary, s.Share == 0:
		return 1
	}

	return max(1, (s.Share*number+99-s.Share)/(100-s.Share))
}

// tryExtra launches the first new nodes beside those that serve, and watches them.
func (s *rollState) tryExtra(ctx context.Context) error {
	f := s.fleet
	strategy := cmp.Or(s.Strategy, StrategyRolling)

	for number := range s.wantedExtras() {
		var fresh member
		var err error

		// What a run has left that did not end is taken over.
		if number == 0 && strategy == StrategyRolling {
			fresh, err = f.ensureExtra(ctx, s.outdated[0])
		} else {
			fresh, err = f.launchExtra(ctx, s.outdated[0], strategy)
		}

		if fresh.Node != "" && !slices.ContainsFunc(s.extras, sameDroplet(fresh)) {
			s.extras = append(s.extras, fresh)
		}

		if err == nil {
			s.giveShare(ctx, fresh)
			err = f.watch(ctx, fresh)
		}

		// Interrupted: the next run takes it over.
		if err != nil && ctx.Err() != nil {
			return err
		}

		if err != nil {
			return s.undo(ctx, err.Error())
		}
	}

	return nil
}

func sameDroplet(m member) func(member) bool {
	return func(other member) bool { return other.Droplet.ID == m.Droplet.ID }
}

// finish replaces the nodes of stack.yaml, and removes what was beside them.
func (s *rollState) finish(ctx context.Context) error {
	f := s.fleet

	for at, node := range s.outdated {
		// Those before it serve, or it is not touched.
		if err := s.checkReplaced(ctx, s.outdated[:at]); err != nil {
			return s.failed(ctx, err)
		}

		// The only node of its role has the extra one beside it.
		if err := f.replace(ctx, node); err != nil {
			return s.failed(ctx, err)
		}
	}

	return s.removeExtras(ctx)
}

func (s *rollState) removeExtras(ctx context.Context) error {
	for _, m := range s.extras {
		if err := s.fleet.remove(ctx, m); err != nil {
			return fmt.Errorf("roll %s: %w: %w", s.Role, ErrHalfway, err)
		}
	}

	return nil
}

// rollAll replaces all nodes that are not as wanted, role by role: members of the peer set before their clients, as
// newer ones understand both versions.
func (f *Fleet) rollAll(ctx context.Context) error {
	outdated, err := f.outdatedNodes(ctx)
	if err != nil {
		return err
	}

	members, err := f.nodes(ctx)
	if err != nil {
		return err
	}

	for _, role := range f.rollOrder() {
		if standing, is := f.standingIn(members, role); is {
			f.progress("role %s: %s; it is left as it is, and ended by `%s`", role, standing, standing.ends())
			continue
		}

		var names []string
		for _, node := range f.Stack.All() {
			if reason, is := outdated[node.Name]; is && node.Role == role {
				names = append(names, node.Name+" ("+reason+")")
			}
		}

		if len(names) == 0 {
			continue
		}

		f.progress("role %s: to be replaced: %s", role, strings.Join(names, ", "))

		if err := f.Roll(ctx, Roll{Role: role}); err != nil {
			return err
		}
	}

	return nil
}

// rollOrder are the roles of the stack in the order in which their nodes are replaced.
func (f *Fleet) rollOrder() []string {
	rank := func(role string) int {
		switch {
		case f.kind(role) != roles.Member:
			return 2
		case f.isDatabase(role):
			return 1
		}

		return 0
	}

	order := slices.Sorted(maps.Keys(f.Stack.Expected()))
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })

	return order
}
