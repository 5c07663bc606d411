package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/stack"
)

// checkedPause is between two looks at whether load balancers have found a node.
const checkedPause = 500 * time.Millisecond

// admissionMargin is added to what the health check of a load balancer takes, for the way of a tag to it.
const admissionMargin = 3 * time.Second

// admissionWait is how long the load balancers of a role may take to send to a node that got its tags: the API does not
// tell when they do.
func (f *Fleet) admissionWait(role string) time.Duration {
	if f.Admission != 0 {
		return f.Admission
	}

	return f.longestOf(role, balanced.admissionTime) + admissionMargin
}

// longestOf is the longest that any of the load balancers of a role takes for something.
func (f *Fleet) longestOf(role string, takes func(balanced) time.Duration) time.Duration {
	var longest time.Duration

	for _, b := range f.Stack.AllBalancers() {
		if b.Nodes == role {
			longest = max(
				longest,
				takes(balanced{Balancer: b}),
			)
		}
	}

	return longest
}

// edgeNotice is how long an edge of the stack's own takes to see that a node drains: its checks ask once a second.
const edgeNotice = 2 * time.Second

// noticeTime is how long those who send traffic to a role's nodes may take to see that one drains.
func (f *Fleet) noticeTime(role string) time.Duration {
	return max(edgeNotice, f.longestOf(role, balanced.noticeTime))
}

// leaveTraffic takes the traffic of load balancers from a member that is to drain, where their own check would not see
// it drain. They are given the time to hear of it.
func (f *Fleet) leaveTraffic(ctx context.Context, m member) {
	unseen := slices.ContainsFunc(f.Stack.AllBalancers(), func(b stack.Balancer) bool {
		return b.Nodes == m.Role && b.Health.Own()
	})
	if !unseen {
		return
	}

	if err := f.withhold(ctx, []member{m}); err != nil {
		f.progress("%s: keeps its traffic until it is gone: %v", m.Node, err)
		return
	}

	wait := admissionMargin
	if f.Admission != 0 {
		wait = f.Admission
	}

	pause.For(ctx, wait)
}

func (m member) bears(tag string) bool { return slices.Contains(m.Droplet.Tags, tag) }

// admit gives members the traffic of the load balancers of their roles: from now on those check them, and send to those
// that are healthy. What is admitted already is no error.
func (f *Fleet) admit(ctx context.Context, members []member) error {
	return f.retag(ctx, members, true, f.missingTraffic)
}

// withhold takes the traffic of every load balancer of the stack from members. What they answer just now ends as the
// load balancer likes: who must not be cut off is drained first.
func (f *Fleet) withhold(ctx context.Context, members []member) error {
	return f.retag(ctx, members, false, f.trafficOf)
}

// withholdForeign takes the traffic of load balancers from members whose role is not, or no more, behind them.
func (f *Fleet) withholdForeign(ctx context.Context, members []member) error {
	return f.retag(ctx, members, false, f.foreignTraffic)
}

// trafficOf are the tags of a member that give it traffic.
func (f *Fleet) trafficOf(m member) []string {
	var tags []string

	for _, tag := range m.Droplet.Tags {
		if f.isTrafficTag(tag) {
			tags = append(tags, tag)
		}
	}

	return tags
}

// missingTraffic are the tags that a member lacks.
func (f *Fleet) missingTraffic(m member) []string {
	return slices.DeleteFunc(f.trafficTags(m.Role), m.bears)
}

// foreignTraffic are the tags that give a member traffic of load balancers that are not for its role.
func (f *Fleet) foreignTraffic(m member) []string {
	wanted := f.trafficTags(m.Role)

	return slices.DeleteFunc(f.trafficOf(m), func(tag string) bool {
		return slices.Contains(wanted, tag)
	})
}

// retag puts tags on members, or takes them off: one request a tag.
func (f *Fleet) retag(ctx context.Context, members []member, on bool, of func(member) []string) error {
	var tags []string
	bearers := map[string][]member{}

	for _, m := range members {
		for _, tag := range of(m) {
			if bearers[tag] == nil {
				tags = append(tags, tag)
			}

			bearers[tag] = append(bearers[tag], m)
		}
	}

	for _, tag := range tags {
		names := nodeNames(bearers[tag])

		if on {
			if err := f.putTag(ctx, tag, bearers[tag]); err != nil {
				return err
			}

			f.progress("%s: gets traffic (tag %s)", names, tag)
			continue
		}

		if err := f.untag(ctx, tag, bearers[tag]); err != nil {
			return err
		}

		f.progress("%s: gets no traffic any more (tag %s)", names, tag)
	}

	return nil
}

func nodeNames(members []member) string {
	var names []string
	for _, m := range members {
		names = append(names, m.Node)
	}

	return strings.Join(names, ", ")
}

// awaitServing waits until a node is healthy, gives it its traffic, and returns when the load balancers of its role had
// the time to see it.
func (f *Fleet) awaitServing(ctx context.Context, m member) error {
	if err := f.awaitNode(ctx, m); err != nil {
		return err
	}

	// No load balancer is for it, or it had its traffic before.
	if len(f.missingTraffic(m)) == 0 {
		return nil
	}

	if err := f.admit(ctx, []member{m}); err != nil {
		return err
	}

	return f.awaitTraffic(ctx, []member{m})
}

// awaitTraffic waits until the load balancers of a role were seen to find its nodes healthy, as often as makes them
// send to these. Those whose check asks something else than a node's agent are given the time that they need.
func (f *Fleet) awaitTraffic(ctx context.Context, members []member) error {
	var wait time.Duration
	for _, m := range members {
		wait = max(wait, f.admissionWait(m.Role))
	}

	end := time.Now().Add(wait)
	f.progress("%s: waits %s at most until the load balancer sends there", nodeNames(members), wait)

	unchecked := func(m member) bool { return !f.isChecked(ctx, m) }

	for time.Now().Before(end) && slices.ContainsFunc(members, unchecked) {
		if !pause.For(ctx, min(checkedPause, time.Until(end))) {
			return fmt.Errorf("wait for traffic to %s: %w", nodeNames(members), context.Cause(ctx))
		}
	}

	return ctx.Err()
}

// isChecked tells whether a node has given everybody who checks it, and at least one for each load balancer, as many
// good answers as a load balancer wants.
func (f *Fleet) isChecked(ctx context.Context, m member) bool {
	wanted, told := f.goodAnswers(m.Role)
	if !told {
		return false
	}

	said, err := f.shell.status(ctx, m)
	if err != nil || len(said.Checkers) < max(1, len(f.trafficTags(m.Role))) {
		return false
	}

	for _, good := range said.Checkers {
		if good < wanted {
			return false
		}
	}

	return true
}

// goodAnswers is how many good answers in a row the load balancers of a role want. A node does not tell of them where a
// check asks something else than its agent.
func (f *Fleet) goodAnswers(role string) (wanted int, told bool) {
	for _, b := range f.Stack.AllBalancers() {
		if b.Nodes != role {
			continue
		}

		if b.Health.Own() {
			return 0, false
		}

		wanted = max(wanted, balanced{Balancer: b}.healthCheck().HealthyThreshold)
	}

	return wanted, true
}

// admitHealthy gives traffic to the nodes that are healthy, and then makes the load balancers send to those that bear
// their tags, where they do not yet. It tells whether there was nothing to change at a load balancer, and nothing is
// left to do for these nodes.
func (s *startup) admitHealthy(ctx context.Context, answers []answer) (bool, error) {
	waited := slices.ContainsFunc(s.balancers, func(b *awaited) bool { return b.waits })
	var healthy []member

	for _, a := range answers {
		if a.err == nil && a.status.Healthy && !s.admitted[a.member.Droplet.ID] {
			healthy = append(healthy, a.member)
		}
	}

	err := s.fleet.admit(ctx, healthy)
	if err == nil {
		for _, m := range healthy {
			s.admitted[m.Droplet.ID] = true
		}

		err = s.retarget(ctx)
	}

	switch {
	// When the context ended, the next poll says what the stack was waiting for.
	case ctx.Err() != nil:
		return false, nil

	// One of them was being deleted all along. The next look finds out which.
	case do.IsNotFound(err):
		s.looked = time.Time{}
		return false, nil
	}

	return !waited, err
}

// retarget changes the load balancers that waited for all nodes of their roles to bear their tags: at no moment has
// one nobody to send to.
func (s *startup) retarget(ctx context.Context) error {
	for _, b := range s.balancers {
		admitted := !slices.ContainsFunc(s.members, func(m member) bool {
			return m.Role == b.Nodes && !s.admitted[m.Droplet.ID]
		})
		if !b.waits || !admitted {
			continue
		}

		if err := s.fleet.changeBalancer(ctx, b.balanced); err != nil {
			return err
		}

		// Asked once more: it answered as it was before.
		b.waits = false
		b.answers = false
	}

	return nil
}

// compareTraffic tells which traffic a node lacks, or has and is not to have.
func compareTraffic(want wanted, node wantedNode, m member) []Difference {
	// It is replaced, by one with the tags of the other role.
	if m.Role != node.Role {
		return nil
	}

	var reasons []string

	wanted := want.traffic[node.Role]
	for _, tag := range wanted {
		if !m.bears(tag) {
			reasons = append(reasons, "no traffic: tag "+tag+" is missing")
		}
	}

	for _, tag := range m.Droplet.Tags {
		if strings.HasPrefix(tag, want.trafficPrefix) && !slices.Contains(wanted, tag) {
			reasons = append(reasons, "tag "+tag+" is of no load balancer of its role")
		}
	}

	if len(reasons) == 0 {
		return nil
	}

	return []Difference{{
		Kind:   KindNode,
		Name:   node.Name,
		Action: ActionChange,
		Reason: strings.Join(reasons, "; "),
		By:     up,
	}}
}
