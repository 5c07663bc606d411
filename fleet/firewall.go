package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
)

// ErrFirewallTaken means that a firewall of another stack has the name.
var ErrFirewallTaken = errors.New("the name of a firewall is taken")

const (
	// firewallFailed is the state of a firewall that could not be put in force (the API's reference, "firewalls").
	firewallFailed = "failed"
	// firewallTimeout is how long a change of rules may take to reach all Droplets; it takes seconds.
	firewallTimeout = 5 * time.Minute
)

// firewallName is what the firewall of a role is called at DigitalOcean.
func (f *Fleet) firewallName(role string) string { return f.resourceName() + "-" + role }

// roleOfFirewall tells whose firewall one is, and a firewall of this stack from all others. The name alone cannot: that
// of role api of stack blog-a is the same as that of role a-api of stack blog.
func (f *Fleet) roleOfFirewall(firewall godo.Firewall) (role string, ours bool) {
	role, named := strings.CutPrefix(firewall.Name, f.resourceName()+"-")
	if !named {
		return "", false
	}

	if slices.Contains(firewall.Tags, f.tag("role", role)) {
		return role, true
	}

	// Somebody changed its target.
	return role, slices.Contains(f.walledRoles(nil), role) && !f.isOfAnotherStack(firewall)
}

// isOfAnotherStack tells a firewall that targets nodes of another stack.
func (f *Fleet) isOfAnotherStack(firewall godo.Firewall) bool {
	return slices.ContainsFunc(firewall.Tags, func(tag string) bool {
		return strings.HasPrefix(tag, productTag+":") && tag != f.tag() && !strings.HasPrefix(tag, f.tag()+":")
	})
}

// tellForeignFirewalls names the firewalls that are not the stack's and on its Droplets.
func (f *Fleet) tellForeignFirewalls(ctx context.Context) error {
	members, err := f.members(ctx)
	if err != nil {
		return err
	}

	have, err := do.Firewalls(ctx, f.Client)
	if err != nil {
		return err
	}

	for _, line := range f.foreignFirewalls(have, members) {
		f.progress("%s", line)
	}

	return nil
}

// reconcileFirewalls makes the firewalls of all roles equal what the manifests say, deletes those of roles that are
// gone, and waits until the others are in force. It comes before the Droplets, which are behind them from their launch
// on, and after the load balancers, which they name.
func (f *Fleet) reconcileFirewalls(ctx context.Context) error {
	balancers, err := f.balancers(ctx)
	if err != nil {
		return err
	}

	members, err := f.members(ctx)
	if err != nil {
		return err
	}

	wanted, err := f.wantedFirewalls(balancers, members)
	if err != nil {
		return err
	}

	have, err := do.Firewalls(ctx, f.Client)
	if err != nil {
		return err
	}

	var changed []string

	for _, want := range wanted {
		id, err := f.ensureFirewall(ctx, want, have)
		if err != nil {
			return err
		}

		if id != "" {
			changed = append(changed, id)
		}
	}

	for _, firewall := range f.goneFirewalls(have, members) {
		if err := f.deleteFirewall(ctx, firewall); err != nil {
			return err
		}

		f.progress("firewall %s deleted: nothing is behind it any more", firewall.Name)
	}

	return f.awaitFirewalls(ctx, changed)
}

// ensureFirewall returns the number of the firewall that it made or changed; "" where there was nothing to do.
func (f *Fleet) ensureFirewall(ctx context.Context, want wantedFirewall, have []godo.Firewall) (string, error) {
	at := slices.IndexFunc(have, func(firewall godo.Firewall) bool { return firewall.Name == want.name })
	if at < 0 {
		return f.createFirewall(ctx, want)
	}

	is := have[at]
	if f.isOfAnotherStack(is) {
		return "", fmt.Errorf("%w: %s (%s) targets %s; give the stack, or its role, another name",
			ErrFirewallTaken, is.Name, is.ID, targetText(is.Tags, is.DropletIDs))
	}

	if len(compareFirewall(want, is)) == 0 {
		return "", nil
	}

	if err := f.createTags(ctx, want.tags()); err != nil {
		return "", err
	}

	err := do.Repeat(ctx, "change firewall "+want.name, f.Unclear, func(ctx context.Context) error {
		_, _, err := f.Client.Firewalls.Update(ctx, is.ID, want.request())
		return err
	})
	if err != nil {
		return "", err
	}

	f.progress("firewall %s changed", want.name)

	return is.ID, nil
}

func (f *Fleet) createFirewall(ctx context.Context, want wantedFirewall) (string, error) {
	if err := f.createTags(ctx, want.tags()); err != nil {
		return "", err
	}

	firewall, err := f.createOneFirewall(ctx, want)

	// Another operator has made it since we looked, of the same stack.yaml.
	if do.Status(err) == http.StatusConflict {
		return "", nil
	}

	if err != nil {
		return "", err
	}

	f.progress("firewall %s made", want.name)

	return firewall.ID, nil
}

// createOneFirewall makes a firewall, one also when the API's answer is lost.
func (f *Fleet) createOneFirewall(ctx context.Context, want wantedFirewall) (*godo.Firewall, error) {
	look := func(ctx context.Context) (*godo.Firewall, error) {
		all, err := do.Firewalls(ctx, f.Client)
		if err != nil {
			return nil, err
		}

		for _, firewall := range all {
			if firewall.Name == want.name {
				return &firewall, nil
			}
		}

		return nil, nil
	}

	create := func(ctx context.Context) (*godo.Firewall, error) {
		firewall, _, err := f.Client.Firewalls.Create(ctx, want.request())
		return firewall, err
	}

	return do.Ensure(ctx, "create firewall "+want.name, f.Unclear, look, create)
}

// createTags makes tags before a firewall names them: the API refuses those that it does not know.
func (f *Fleet) createTags(ctx context.Context, tags []string) error {
	for _, tag := range set(tags) {
		err := do.Repeat(ctx, "create tag "+tag, f.Unclear, func(ctx context.Context) error {
			_, _, err := f.Client.Tags.Create(ctx, &godo.TagCreateRequest{Name: tag})
			return err
		})

		// It is there already.
		if status := do.Status(err); status == http.StatusConflict || status == http.StatusUnprocessableEntity {
			continue
		}

		if err != nil {
			return fmt.Errorf("create tag %s: %w", tag, err)
		}
	}

	return nil
}

// awaitFirewalls waits until no Droplet waits for the rules of these firewalls.
func (f *Fleet) awaitFirewalls(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}

	poll := func(ctx context.Context) (do.State, error) {
		all, err := do.Firewalls(ctx, f.Client)
		if err != nil {
			return do.Pending, err
		}

		for _, firewall := range all {
			if !slices.Contains(ids, firewall.ID) {
				continue
			}

			if firewall.Status == firewallFailed {
				return do.Errored, fmt.Errorf("%s is %s; `hornero up` tries again", firewall.Name, firewall.Status)
			}

			if number := len(firewall.PendingChanges); number > 0 {
				return do.Pending, do.Seen("%s waits for %d Droplets", firewall.Name, number)
			}
		}

		return do.Done, nil
	}

	return do.Wait(ctx, "firewalls", poll, do.WaitOptions{Timeout: firewallTimeout})
}

// goneFirewalls are the stack's firewalls of roles that neither stack.yaml nor a node has any more.
func (f *Fleet) goneFirewalls(have []godo.Firewall, members []member) []godo.Firewall {
	var gone []godo.Firewall
	used := f.walledRoles(nil)

	// Also of a role that has no manifest any more: without its firewall a node would be open to everybody.
	for _, m := range members {
		used = append(used, m.Role)
	}

	for _, firewall := range have {
		role, ours := f.roleOfFirewall(firewall)
		if ours && !slices.Contains(used, role) {
			gone = append(gone, firewall)
		}
	}

	return gone
}

func (f *Fleet) destroyFirewalls(ctx context.Context) error {
	have, err := do.Firewalls(ctx, f.Client)
	if err != nil {
		return err
	}

	var errs []error

	for _, firewall := range have {
		if _, ours := f.roleOfFirewall(firewall); ours {
			errs = append(errs, f.deleteFirewall(ctx, firewall))
		}
	}

	return errors.Join(errs...)
}

func (f *Fleet) deleteFirewall(ctx context.Context, firewall godo.Firewall) error {
	// Two operators may meet here.
	_, err := f.Client.Firewalls.Delete(ctx, firewall.ID)
	if err != nil && !do.IsNotFound(err) {
		return fmt.Errorf("delete firewall %s: %w", firewall.Name, err)
	}

	return nil
}

// foreignFirewalls tell of firewalls that are not the stack's and on its Droplets: what they let in is let in.
func (f *Fleet) foreignFirewalls(have []godo.Firewall, members []member) []string {
	var lines []string

	for _, firewall := range have {
		if _, ours := f.roleOfFirewall(firewall); ours {
			continue
		}

		var nodes []string

		for _, m := range members {
			if covers(firewall, m.Droplet) {
				nodes = append(nodes, m.Node)
			}
		}

		if len(nodes) > 0 {
			lines = append(lines, fmt.Sprintf(
				"firewall %s (%s) is not the stack's and covers %s: what it lets in is let in, too; it is left alone",
				firewall.Name,
				firewall.ID,
				strings.Join(set(nodes), ", "),
			))
		}
	}

	return lines
}

func covers(firewall godo.Firewall, droplet godo.Droplet) bool {
	tagged := slices.ContainsFunc(firewall.Tags, func(tag string) bool {
		return slices.ContainsFunc(droplet.Tags, func(other string) bool { return strings.EqualFold(tag, other) })
	})

	return tagged || slices.Contains(firewall.DropletIDs, droplet.ID)
}
