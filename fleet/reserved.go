package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/status"
)

// The stack's reserved IP belongs to the operator. stack.yaml names it, so that everybody who has that file means
// the same one. Only the operator reserves and releases it. Nodes move it by themselves, with their own token.

var (
	// ErrReserved refuses a reserved IP that is not for this stack.
	ErrReserved = errors.New("the reserved IP cannot be used")
	// ErrNoReserved means that stack.yaml names no reserved IP.
	ErrNoReserved = errors.New("stack.yaml asks for no reserved_ip")
)

// checkReserved finds out, before anything is made, whether the stack can have the reserved IP that it asks for.
func (f *Fleet) checkReserved(ctx context.Context) error {
	if f.Stack.ReservedIP == nil {
		return nil
	}

	reserved, err := f.reserved(ctx)
	if err != nil {
		return err
	}

	if reserved.Region == nil || reserved.Region.Slug != f.Stack.Region {
		return fmt.Errorf(
			"%w: %s is in another region than the stack, which is in %s; `hornero reserved-ip create` reserves "+
				"one there",
			ErrReserved,
			reserved.IP,
			f.Stack.Region,
		)
	}

	// The nodes would take it from a stranger's Droplet: their token can move any address.
	if holder := reserved.Droplet; holder != nil && !slices.Contains(holder.Tags, f.tag()) {
		return fmt.Errorf(
			"%w: %s is assigned to Droplet %d (%s), which is not of this stack; unassign it first",
			ErrReserved,
			reserved.IP,
			holder.ID,
			holder.Name,
		)
	}

	return nil
}

func (f *Fleet) reserved(ctx context.Context) (*godo.ReservedIP, error) {
	address := f.Stack.ReservedIP.Address
	reserved, _, err := f.Client.ReservedIPs.Get(ctx, address)
	if do.IsNotFound(err) {
		return nil, fmt.Errorf(
			"%w: the account has no %s; `hornero reserved-ip create` reserves one, reserved_ip.address in "+
				"stack.yaml names it",
			ErrReserved,
			address,
		)
	}

	if err != nil {
		return nil, fmt.Errorf("get reserved IP %s: %w", address, err)
	}

	return reserved, nil
}

// Reserve reserves an address in the stack's region and returns it. What stack.yaml names already is not
// reserved again.
func (f *Fleet) Reserve(ctx context.Context) (string, error) {
	if f.Stack.ReservedIP != nil {
		return "", fmt.Errorf(
			"stack.yaml names the reserved IP %s already; remove reserved_ip to reserve another",
			f.Stack.ReservedIP.Address,
		)
	}

	reserved, err := f.createReserved(ctx)
	if err != nil {
		return "", err
	}

	return reserved.IP, nil
}

// Unreserve gives the address that stack.yaml names back for good. One that a Droplet has is in use.
func (f *Fleet) Unreserve(ctx context.Context) error {
	if f.Stack.ReservedIP == nil {
		return ErrNoReserved
	}

	reserved, err := f.reserved(ctx)
	if err != nil {
		return err
	}

	// An address in use is what visitors come by.
	if holder := reserved.Droplet; holder != nil {
		return fmt.Errorf(
			"%w: %s is assigned to Droplet %d (%s); destroy the stack or unassign it first",
			ErrReserved,
			reserved.IP,
			holder.ID,
			holder.Name,
		)
	}

	if _, err := f.Client.ReservedIPs.Delete(ctx, reserved.IP); err != nil {
		return fmt.Errorf("give reserved IP %s back: %w", reserved.IP, err)
	}

	f.progress("reserved IP %s is given back", reserved.IP)

	return nil
}

// ReservedLine is the stack's reserved IP.
type ReservedLine struct {
	Address string `json:"address"`
	Holder  string `json:"holder"` // of the lease: whose it is to be; empty for nobody
	// AssignedTo is the node whose Droplet the API says has it, or the name of a Droplet of somebody else's.
	AssignedTo string `json:"assigned_to"`
	Problem    string `json:"problem"` // empty when nothing is wrong
}

// reservedLine tells who holds the address and where it is; nil when the stack asks for none.
func (f *Fleet) reservedLine(ctx context.Context, answers []answer, known status.PeerSet) *ReservedLine {
	if f.Stack.ReservedIP == nil {
		return nil
	}

	line := &ReservedLine{
		Address: f.Stack.ReservedIP.Address,
		Holder:  known.ReservedIP,
	}

	reserved, err := f.reserved(ctx)
	if err != nil {
		line.Problem = err.Error()
		return line
	}

	if reserved.Droplet != nil {
		line.AssignedTo = f.ownerOf(*reserved.Droplet)
	}

	// Nodes launched before stack.yaml named the address know nothing of it.
	configured := slices.ContainsFunc(answers, func(a answer) bool {
		return a.err == nil && a.status.ReservedIP != nil
	})

	switch {
	case !configured && len(answers) > 0:
		line.Problem = fmt.Sprintf(
			"no node that runs was launched with it; `hornero replace` each node of role %s",
			f.Stack.ReservedIP.Nodes,
		)

	case line.Holder == "":
		line.Problem = "no node holds it"

	case line.AssignedTo != line.Holder:
		line.Problem = "it is not where its holder is"
	}

	return line
}

// reservedUnasked tells who is to hold the address, when the API cannot be asked where it is.
func (f *Fleet) reservedUnasked(known status.PeerSet) *ReservedLine {
	if f.Stack.ReservedIP == nil {
		return nil
	}

	return &ReservedLine{
		Address: f.Stack.ReservedIP.Address,
		Holder:  known.ReservedIP,
		Problem: "the API does not say where it is",
	}
}

// ownerOf is the node whose Droplet it is, or the Droplet's name when it is not of this stack.
func (f *Fleet) ownerOf(droplet godo.Droplet) string {
	if m := f.member(droplet); m.Node != "" {
		return m.Node
	}

	return droplet.Name
}

// reservedNote tells in a line what is wrong with a node's part in keeping the reserved IP.
func reservedNote(said *status.ReservedIP) string {
	switch {
	case said == nil:
		return ""
	case said.Problem != "":
		return "reserved IP: " + said.Problem
	case said.Warning != "":
		return "reserved IP: " + said.Warning
	}

	return ""
}
