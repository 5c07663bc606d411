package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/digitalocean/godo"
	"golang.org/x/sync/errgroup"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// errNoFounder means that none of the nodes to launch may found a peer set.
var errNoFounder = errors.New("the stack has no node of a role that can found a peer set; " +
	"add a group of a role with peers: member")

// launchMissing launches the founder alone when there is nobody to join, and everybody else at once.
func (f *Fleet) launchMissing(ctx context.Context, vpc string, kept []member, missing []stack.Node) error {
	answers := f.askAll(ctx, kept)
	err := unfounded(answers)
	if err != nil {
		return err
	}

	// Incarnations of lost nodes are known to the peer set, and to no tag any more.
	known := newest(answers)
	join := f.consensus(kept)

	images, err := f.imagesOf(ctx, missing)
	if err != nil {
		return err
	}

	launch := func(ctx context.Context, node stack.Node, founds bool, join []string) error {
		incarnation := nextIncarnation(known, kept, node.Name)
		next, err := f.order(node, images[choiceOf(node)], incarnation, founds, join)
		if err != nil {
			return err
		}

		_, err = f.launch(ctx, vpc, next)

		return err
	}

	// Two founders would make two peer sets: one node is launched alone, and all others join it.
	if len(join) == 0 {
		founder := f.founder(missing)
		if founder < 0 {
			return fmt.Errorf("launch %s: %w", f.Stack.Name, errNoFounder)
		}

		if err := launch(ctx, missing[founder], true, nil); err != nil {
			return err
		}

		// Another operator may have launched a founder at once: both see it now and agree on one.
		if kept, err = f.reconcile(ctx); err != nil {
			return err
		}

		join = f.consensus(kept)
		missing = slices.Delete(slices.Clone(missing), founder, founder+1)
	}

	// All others at once: each has a member's address to join by.
	group, ctx := errgroup.WithContext(ctx)

	for _, node := range missing {
		group.Go(func() error {
			return launch(ctx, node, false, join)
		})
	}

	return group.Wait()
}

// founder picks the first database node, or the first node that joins consensus; -1 when there is none.
func (f *Fleet) founder(missing []stack.Node) int {
	database := func(node stack.Node) bool { return f.isDatabase(node.Role) }
	if i := slices.IndexFunc(missing, database); i >= 0 {
		return i
	}

	return slices.IndexFunc(missing, func(node stack.Node) bool {
		return f.manifest(node.Role).Peers == roles.Member
	})
}

// consensus lists the VPC addresses of Droplets that are or will be members of consensus.
func (f *Fleet) consensus(members []member) []string {
	var addresses []string
	for _, m := range members {
		if f.manifest(m.Role).Peers != roles.Member {
			continue
		}

		if address := m.private(); address != "" {
			addresses = append(addresses, address)
		}
	}

	return addresses
}

// nextIncarnation is the incarnation after every one that the tags and the peer set know.
func nextIncarnation(known status.PeerSet, members []member, node string) int {
	// An incarnation that was declared gone is not admitted again.
	last := known.Forgotten[node]
	for _, m := range members {
		if m.Node == node {
			last = max(last, m.Incarnation)
		}
	}

	for _, peer := range known.Peers {
		if peer.Name == node {
			last = max(last, peer.Incarnation)
		}
	}

	return last + 1
}

// order is what a node's Droplet is launched from.
type order struct {
	node        stack.Node
	image       godo.Image
	incarnation int
	made        string // what its spec comes to
	extra       string // the strategy of the roll that makes it beside the nodes of stack.yaml; "" for any other
	userData    []byte
}

// order makes ready what a node's Droplet is launched from.
func (f *Fleet) order(
	node stack.Node,
	image godo.Image,
	incarnation int,
	founds bool,
	join []string,
) (order, error) {
	document, err := f.Document(node, incarnation, founds, join)
	if err != nil {
		return order{}, err
	}

	data, err := cloudinit.Encode(document)
	if err != nil {
		return order{}, fmt.Errorf("write document of %s: %w", node.Name, err)
	}

	made, err := f.made(node, image)
	if err != nil {
		return order{}, err
	}

	return order{
		node:        node,
		image:       image,
		incarnation: incarnation,
		made:        made,
		userData:    data,
	}, nil
}

// launch creates a node's Droplet and waits until it has its addresses.
func (f *Fleet) launch(ctx context.Context, vpc string, next order) (member, error) {
	node := next.node
	droplet, _, err := f.Client.Droplets.Create(ctx, &godo.DropletCreateRequest{
		Name:     f.Stack.Name + "-" + node.Name,
		Region:   f.Stack.Region,
		Size:     node.Size,
		Image:    godo.DropletCreateImage{ID: next.image.ID},
		VPCUUID:  vpc,
		UserData: string(next.userData),
		Tags:     f.tags(next),
	})
	if err != nil {
		return member{}, fmt.Errorf("create Droplet of %s: %w", node.Name, err)
	}

	f.progress("%s: Droplet %d from %s, incarnation %d", node.Name, droplet.ID, next.image.Name, next.incarnation)

	// Its address is what those that are launched next are told to join.
	droplet, err = do.WaitDropletActive(ctx, f.Client, droplet.ID, do.WaitOptions{})
	if err != nil {
		return member{}, fmt.Errorf("launch %s: %w", node.Name, err)
	}

	return f.member(*droplet), nil
}
