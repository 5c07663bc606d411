package fleet

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/hornero/hornero/internal/certificates"
	"github.com/hornero/hornero/internal/status"
)

// Newest is what is believed of what nodes say, in their order.
func Newest(said ...status.PeerSet) status.PeerSet {
	var answers []answer
	for _, set := range said {
		answers = append(answers, answer{status: status.Status{PeerSet: set}})
	}

	return newest(answers)
}

// ToldOf is what is believed of what nodes say of a certificate.
func ToldOf(name string, said ...status.Status) *certificates.Told {
	var answers []answer
	for _, one := range said {
		answers = append(answers, answer{status: one})
	}

	return toldOf(name, answers)
}

// Admit gives nodes the traffic of their roles.
func (f *Fleet) Admit(ctx context.Context, nodes ...string) error {
	members, err := f.membersOf(ctx, nodes)
	if err != nil {
		return err
	}

	return f.admit(ctx, members)
}

// Withhold takes all traffic from nodes.
func (f *Fleet) Withhold(ctx context.Context, nodes ...string) error {
	members, err := f.membersOf(ctx, nodes)
	if err != nil {
		return err
	}

	return f.withhold(ctx, members)
}

func (f *Fleet) membersOf(ctx context.Context, nodes []string) ([]member, error) {
	all, err := f.members(ctx)
	return slices.DeleteFunc(all, func(m member) bool { return !slices.Contains(nodes, m.Node) }), err
}

// AdmissionWait is how long a load balancer may take to send to a node.
func (f *Fleet) AdmissionWait(role string) time.Duration { return f.admissionWait(role) }

// FreeRange is a free range for a network of a name.
func FreeRange(name string, taken ...netip.Prefix) (netip.Prefix, bool) {
	return freeRange(name, taken)
}

// CountCommand counts on a node what servers of these names answered.
func CountCommand(names []string, since time.Duration) string { return countCommand(names, since) }

// Served is what a node answered, as its count says: requests, errors and the seconds of the slowest twentieth.
func Served(count string) (requests, errors int, slow float64) {
	one := readServed(count)
	return one.requests, one.errors, one.slow()
}

// Deadline ends a context for a cause when nothing that is noted moves for so long.
func Deadline(
	ctx context.Context,
	limit time.Duration,
	cause error,
) (ended context.Context, note func(status.Status), stop func()) {
	ended, d, stop := withDeadline(ctx, limit, cause)
	return ended, d.note, stop
}
