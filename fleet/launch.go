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

// launchesAtOnce is how many Droplets are being created at the same time: more are refused now and then.
const launchesAtOnce = 10

// launchMissing creates the Droplets of all missing nodes at once. Nodes find each other: none waits for another's
// address.
func (f *Fleet) launchMissing(
	ctx context.Context,
	vpc string,
	kept []member,
	missing []stack.Node,
) error {
	answers := f.askAll(ctx, kept)

	founder, err := f.founder(answers, missing)
	if err != nil {
		return fmt.Errorf("launch %s: %w", f.Stack.Name, err)
	}

	images, err := f.imagesOf(ctx, missing)
	if err != nil {
		return err
	}

	// Incarnations of lost nodes are known to the peer set, and to no tag any more.
	known := newest(answers)
	join := f.consensus(kept)

	// One that is refused stops no other: what is created is known by its tags.
	var group errgroup.Group
	group.SetLimit(launchesAtOnce)
	created := make([]member, len(missing))

	for i, node := range missing {
		group.Go(func() error {
			incarnation := nextIncarnation(known, kept, node.Name)

			next, err := f.order(ctx, node, images[choiceOf(node)], incarnation, node.Name == founder, join)
			if err != nil {
				return err
			}

			created[i], err = f.create(ctx, vpc, next)

			return err
		})
	}

	err = group.Wait()

	f.assignLaunched(ctx, slices.DeleteFunc(created, func(m member) bool { return m.Node == "" })...)

	return err
}

// founder names the missing node that is to found the peer set; "" where there is one, or a node that may found it. Two
// operators who launch the stack at once name the same one.
func (f *Fleet) founder(answers []answer, missing []stack.Node) (string, error) {
	if slices.ContainsFunc(answers, f.hasFounder) {
		return "", nil
	}

	database := func(node stack.Node) bool { return f.isDatabase(node.Role) }
	member := func(node stack.Node) bool { return f.kind(node.Role) == roles.Member }

	for _, may := range []func(stack.Node) bool{database, member} {
		if i := slices.IndexFunc(missing, may); i >= 0 {
			return missing[i].Name, nil
		}
	}

	if !slices.ContainsFunc(f.Stack.All(), member) {
		return "", errNoFounder
	}

	// Members that do not answer may be in one. All that answer and ask to join one prove that there is none.
	return "", unfounded(answers)
}

// hasFounder tells a member of consensus that may found the peer set, or is in one that was founded.
func (f *Fleet) hasFounder(a answer) bool {
	if !f.mayBeMember(a.member.Role) {
		return false
	}

	tags := a.member.Droplet.Tags
	tagged := slices.Contains(tags, f.tag(founderTag)) || slices.Contains(tags, cloudinit.FoundedTag(f.Stack.Name))

	known := a.status.PeerSet

	return tagged || a.err == nil && known.Founded != "" && f.isMember(a.member.Node, a.member.Role, known)
}

// consensus lists the VPC addresses of Droplets that are or will be members of consensus.
func (f *Fleet) consensus(members []member) []string {
	var addresses []string
	for _, m := range members {
		if f.kind(m.Role) != roles.Member {
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
	made        string   // what its spec comes to
	extra       string   // the strategy of the roll that makes it beside the nodes of stack.yaml; "" for any other
	keys        []string // fingerprints of SSH keys of the account
	founds      bool     // its document says that it may found the peer set
	userData    []byte
}

// order makes ready what a node's Droplet is launched from.
func (f *Fleet) order(
	ctx context.Context,
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

	made, err := f.made(ctx, node, image)
	if err != nil {
		return order{}, err
	}

	keys, err := f.fingerprints(ctx)
	if err != nil {
		return order{}, err
	}

	return order{
		node:        node,
		keys:        keys,
		image:       image,
		incarnation: incarnation,
		made:        made,
		founds:      founds,
		userData:    data,
	}, nil
}

// create creates a node's Droplet, and waits for nothing.
func (f *Fleet) create(ctx context.Context, vpc string, next order) (member, error) {
	node := next.node
	request := &godo.DropletCreateRequest{
		Name:       f.Stack.Name + "-" + node.Name,
		Region:     f.Stack.Region,
		Size:       node.Size,
		Image:      godo.DropletCreateImage{ID: next.image.ID},
		VPCUUID:    vpc,
		UserData:   string(next.userData),
		Tags:       f.tags(next),
		Monitoring: node.Monitoring,
		IPv6:       node.IPv6,
		Backups:    node.Backups,
	}

	if node.Backups {
		request.BackupPolicy = weekly()
	}

	for _, fingerprint := range next.keys {
		request.SSHKeys = append(request.SSHKeys, godo.DropletCreateSSHKey{Fingerprint: fingerprint})
	}

	droplet, err := f.createDroplet(ctx, request)
	if err != nil {
		return member{}, err
	}

	f.progress("%s: Droplet %d from %s, incarnation %d", node.Name, droplet.ID, next.image.Name, next.incarnation)

	return f.member(*droplet), nil
}

// launch creates a node's Droplet and waits until it has its addresses.
func (f *Fleet) launch(ctx context.Context, vpc string, next order) (member, error) {
	m, err := f.create(ctx, vpc, next)
	if err != nil {
		return member{}, err
	}

	f.assignLaunched(ctx, m)

	droplet, err := do.WaitDropletAddressed(ctx, f.Client, m.Droplet.ID, do.WaitOptions{})
	if err != nil {
		return member{}, fmt.Errorf("launch %s: %w", m.Node, err)
	}

	fresh := f.member(*droplet)
	f.keepLaunched(fresh)

	return fresh, nil
}
