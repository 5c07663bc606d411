package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/status"
)

// pollPause is between two looks at a node that is not healthy yet.
const pollPause = 300 * time.Millisecond

// lookPause is between two looks at whether all Droplets are still there: the API allows 5,000 requests an hour.
const lookPause = 3 * time.Second

// Breakdown is where the time of an Up went, in seconds from its start.
type Breakdown struct {
	Launched float64 // every Droplet has an address
	Peers    float64 // every node is in the peer set
	Galera   float64 // every database node is healthy
	First    float64 // every load balancer answers; 0 where there is none
	Healthy  float64 // every node is healthy
}

// mark notes the time of each milestone when the answers show it for the first time.
func (b *Breakdown) mark(answers []answer, isDatabase func(role string) bool, now float64) {
	joined, databases, healthy := true, true, true

	for _, a := range answers {
		// A node that does not answer has a zero status, and counts as not there.
		joined = joined && a.status.PeerSet.Founded != ""
		healthy = healthy && a.status.Healthy
		databases = databases && (!isDatabase(a.member.Role) || a.status.Healthy)
	}

	first := func(at *float64, reached bool) {
		if reached && *at == 0 {
			*at = now
		}
	}

	first(&b.Peers, joined)
	first(&b.Galera, databases)
	first(&b.Healthy, healthy)
}

// startup is one wait for a stack to serve.
type startup struct {
	fleet   *Fleet
	vpc     string
	members []member
	start   time.Time
	moving  *deadline
	took    *Breakdown

	balancers []*awaited        // of stack.yaml, in its order
	states    map[string]string // the last one that was reported, by node
	pending   string            // what the last poll waited for
	marked    bool              // that the peer set is founded
	looked    time.Time         // when all Droplets were last looked up
	admitted  map[int]bool      // that a Droplet has its traffic, by number
}

// await waits until every node is healthy and every load balancer answers, and reports what changes. Nodes get their
// traffic when they are healthy; the load balancers that waited for that are changed then. A Droplet that
// vanishes meanwhile, because it was being deleted all along, is launched anew.
func (f *Fleet) await(
	ctx context.Context,
	vpc string,
	members []member,
	waiting []string,
	start time.Time,
	took *Breakdown,
) (string, error) {
	ctx, moving, stop := withDeadline(ctx, f.Timeout, context.DeadlineExceeded)
	defer stop()

	wanted, err := f.allBalanced()
	if err != nil {
		return "", err
	}

	s := &startup{
		fleet:    f,
		vpc:      vpc,
		members:  members,
		start:    start,
		moving:   moving,
		took:     took,
		states:   map[string]string{},
		looked:   time.Now(),
		admitted: map[int]bool{},
	}

	if err := s.leaveStanding(ctx); err != nil {
		return "", err
	}

	for _, b := range wanted {
		s.balancers = append(s.balancers, &awaited{
			balanced: b,
			waits:    slices.Contains(waiting, b.Name),
		})
	}

	for {
		done, err := s.poll(ctx)
		if err != nil {
			return "", err
		}
		if done {
			return s.address(), nil
		}

		select {
		// The next poll returns the error, with what it waited for.
		case <-ctx.Done():
		case <-time.After(pollPause):
		}
	}
}

// leaveStanding leaves the traffic of nodes as it is whose roll stands: it gives and takes it itself.
func (s *startup) leaveStanding(ctx context.Context) error {
	all, err := s.fleet.members(ctx)
	if err != nil {
		return err
	}

	standing := byStrategy(all, StrategyBlueGreen)

	for _, m := range s.members {
		if standing[m.Role] {
			s.admitted[m.Droplet.ID] = true
		}
	}

	return nil
}

// poll asks everybody once, and tells whether the stack serves.
func (s *startup) poll(ctx context.Context) (bool, error) {
	answers := s.fleet.askAll(ctx, s.members)
	down := s.askBalancers(ctx)

	// Answers that the end of the context cut off say nothing: the error tells what the poll before them saw.
	if ctx.Err() != nil {
		return false, fmt.Errorf(
			"wait for the stack to serve: %w after %.0f s%s",
			context.Cause(ctx),
			s.seconds(),
			s.pending,
		)
	}

	for _, a := range answers {
		s.moving.note(a.status)
	}

	s.reportChanges(answers)
	s.took.mark(answers, s.fleet.isDatabase, s.seconds())

	// Waiting does not help a node that refuses its user-data: the operator is told at once. A twin can be made anew.
	if replaced, err := s.replaceTwins(ctx, answers); replaced || err != nil {
		return false, err
	}

	if err := refused(answers); err != nil {
		return false, err
	}

	admitted, err := s.admitHealthy(ctx, answers)
	if err != nil {
		return false, err
	}

	if err := s.markFounded(ctx, newest(answers)); err != nil {
		return false, err
	}

	if err := unfounded(answers); err != nil {
		return false, err
	}

	// Looked up once more before it is done: a Droplet that is being deleted may still have answered.
	done := s.took.Healthy > 0 && len(down) == 0 && admitted
	if done || time.Since(s.looked) > lookPause {
		relaunched, err := s.relaunch(ctx)
		if err != nil {
			return false, err
		}

		done = done && !relaunched
	}

	s.pending = pendingLines(answers, down)

	return done, nil
}

func (s *startup) seconds() float64 {
	return time.Since(s.start).Seconds()
}

// markFounded tags the founder once the peer set is there.
func (s *startup) markFounded(ctx context.Context, known status.PeerSet) error {
	if known.Founded == "" || s.marked {
		return nil
	}

	// When the context ended, the next poll says what the stack was waiting for.
	err := s.fleet.markFounded(ctx, s.members, known)
	if err != nil && ctx.Err() == nil {
		return err
	}

	s.marked = true

	return nil
}

// relaunch launches what vanished, and tells whether anything did.
func (s *startup) relaunch(ctx context.Context) (bool, error) {
	members, relaunched, err := s.fleet.relaunchGone(ctx, s.vpc, s.members)
	s.members = members

	// When the context ended, the next poll says what the stack was waiting for.
	if err != nil && ctx.Err() == nil {
		return false, err
	}

	// The new node has to join and be healthy; when the load balancers first answered stays true.
	if relaunched {
		s.took.Galera = 0
		s.took.Healthy = 0
		s.marked = false
	}

	s.looked = time.Now()

	return relaunched, nil
}

// reportChanges reports each node whose state is not the one that was last reported.
func (s *startup) reportChanges(answers []answer) {
	for _, a := range answers {
		state := "starting"
		if a.err == nil {
			state = cmp.Or(a.status.State, a.status.Phase)
			if a.status.Healthy {
				state += ", healthy"
			}
			if a.status.Writer {
				state += ", takes the writes"
			}
		}

		// Only changes: with a line for each poll nobody would see them.
		if s.states[a.member.Node] != state {
			s.states[a.member.Node] = state
			s.fleet.progress("%5.1f s  %s: %s", s.seconds(), a.member.Node, state)
		}
	}
}

// pendingLines lists what is not healthy, a line each.
func pendingLines(answers []answer, down []error) string {
	var lines []string
	for _, a := range answers {
		line := lineOf(a)
		if line.Healthy {
			continue
		}

		lines = append(lines, fmt.Sprintf("\n  %s is %s: %s", line.Name, line.State, line.Reason))
	}

	for _, err := range down {
		lines = append(lines, "\n  "+err.Error())
	}

	return strings.Join(lines, "")
}
