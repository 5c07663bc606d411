package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/stack"
)

// PlanVersion is the version of a plan in JSON. Keys may be added under the same number.
const PlanVersion = 1

// Plan is how the cloud differs from what is wanted.
type Plan struct {
	Version     int          `json:"version"`
	Stack       string       `json:"stack"`
	Cloud       string       `json:"cloud"`
	Differences []Difference `json:"differences"` // by kind, then in the order of stack.yaml; never nil
	Price       Price        `json:"price"`
	Warnings    []string     `json:"warnings"` // what is legal and unwise: no difference; never nil
}

// ReadPlan compares the cloud with what is wanted, and changes neither. It asks the API alone, no node. Secrets may be
// missing from the file: each is a difference.
func ReadPlan(ctx context.Context, config Config) (Plan, error) {
	f := &Fleet{Config: config}

	want, err := f.wanted(ctx)
	if err != nil {
		return Plan{}, err
	}

	have, err := f.found(ctx)
	if err != nil {
		return Plan{}, err
	}

	want.records, have.records, err = f.readRecords(ctx, &want, have.balancers)
	if err != nil {
		return Plan{}, err
	}

	if err := f.readProject(ctx, &want, &have); err != nil {
		return Plan{}, err
	}

	// They name the load balancers that are there, and follow the nodes that are.
	want.firewalls, err = f.wantedFirewalls(have.balancers, have.members)
	if err != nil {
		return Plan{}, err
	}

	sizes, err := do.Sizes(ctx, f.Client)
	if err != nil {
		return Plan{}, err
	}

	return Plan{
		Version:     PlanVersion,
		Stack:       f.Stack.Name,
		Cloud:       f.Stack.Cloud,
		Differences: compare(want, have),
		Price:       priceOf(want, have, sizes),
		Warnings:    f.warnings(have),
	}, nil
}

// wanted is what the cloud is to have, and what is known to stand in the way of it.
type wanted struct {
	name   string // of what the stack has one of
	region string
	vpc    string // its range; "" where any will do
	nodes  []wantedNode
	key    report.Secret // of specs
	// certificate is the one in the secrets file; nil where none is asked for, or it is not made yet.
	certificate *siteCertificate
	balancers   []wantedBalancer
	firewalls   []wantedFirewall
	records     []wantedRecord
	belongings  []belonging // of the project; nil where none is named
	unmade      []string    // secrets that are made at the next up
	ungiven     []stack.Ungiven
	spaces      []stack.SpaceKey // that the account has no key for
	unusable    []unusable

	traffic       map[string][]string // the tags that nodes of a role are to bear
	trafficPrefix string              // that all such tags of the stack have
}

// wantedNode is a node with what its Droplet would be launched from now.
type wantedNode struct {
	stack.Node
	image *godo.Image // nil: there is none
	spec  *spec       // nil: it is not known, as a secret is missing
}

// wantedBalancer is a load balancer as it would be made now, without the certificate's number.
type wantedBalancer struct {
	name    string
	called  string // in arguments of commands
	request *godo.LoadBalancerRequest
	issued  *siteCertificate // of Let's Encrypt; nil: the secrets file's is used, or none
}

// unusable is something that stack.yaml asks for and that cannot be used.
type unusable struct {
	kind   string
	name   string
	reason string
}

// found is what the cloud has of the stack.
type found struct {
	network      *godo.VPC // nil: none
	members      []member  // one a node
	surplus      []member
	strays       []member
	balancers    []godo.LoadBalancer // the elder first
	certificates []godo.Certificate
	firewalls    []godo.Firewall // of the whole account
	// goneFirewalls are the stack's, of roles that nothing has any more.
	goneFirewalls []godo.Firewall
	records       []godo.DomainRecord
	project       *holdings // nil: none is named, or it cannot be used
}

// wanted asks the cloud only for what stack.yaml leaves open or names: images, and the reserved IP.
func (f *Fleet) wanted(ctx context.Context) (wanted, error) {
	w := wanted{
		name:    f.resourceName(),
		region:  f.Stack.Region,
		vpc:     f.wantedRange(),
		unmade:  f.Secrets.Unmade(f.Stack, f.Manifests),
		ungiven: f.Secrets.Ungiven(f.Stack, f.Manifests),
	}

	if !slices.Contains(w.unmade, stack.PlanKey) {
		var err error
		if w.key, err = f.Secrets.Get(stack.PlanKey); err != nil {
			return w, err
		}
	}

	for _, collect := range []func(context.Context, *wanted) error{
		f.wantedBalancers,
		f.wantedNames,
		f.wantedCertificate,
		f.wantedKeys,
		f.wantedNodes,
		f.wantedReserved,
		f.wantedSpaces,
	} {
		if err := collect(ctx, &w); err != nil {
			return w, err
		}
	}

	return w, nil
}

func (f *Fleet) wantedBalancers(_ context.Context, w *wanted) error {
	all, err := f.allBalanced()

	w.traffic = map[string][]string{}
	w.trafficPrefix = f.tag("lb", "")

	for _, b := range all {
		w.balancers = append(w.balancers, f.wantedBalancer(b))
		w.traffic[b.Nodes] = f.trafficTags(b.Nodes)
	}

	return err
}

// wantedCertificate comes after the load balancers: without HTTPS none is wanted.
func (f *Fleet) wantedCertificate(_ context.Context, w *wanted) error {
	if !slices.ContainsFunc(w.balancers, wantedBalancer.usesSite) || slices.Contains(w.unmade, stack.SiteCertificate) {
		return nil
	}

	site, err := f.siteCertificate()
	w.certificate = &site

	return err
}

func (f *Fleet) wantedNodes(ctx context.Context, w *wanted) error {
	images := map[imageChoice]*godo.Image{}

	for _, node := range f.Stack.All() {
		choice := choiceOf(node)

		image, known := images[choice]
		if !known {
			var err error
			if image, err = f.wantedImage(ctx, w, node); err != nil {
				return err
			}

			images[choice] = image
		}

		next := wantedNode{
			Node:  node,
			image: image,
		}

		id := 0
		if image != nil {
			id = image.ID
		}

		made, err := f.spec(ctx, node, id)

		switch {
		// What is missing is a difference of its own.
		case slices.Contains(w.unmade, stack.PlanKey):
		case err == nil:
			next.spec = &made
		case errors.Is(err, ErrSSHKey):
		case len(w.unmade)+len(w.ungiven) == 0:
			return err
		}

		w.nodes = append(w.nodes, next)
	}

	return nil
}

// wantedImage is nil where there is no image that could be used.
func (f *Fleet) wantedImage(
	ctx context.Context,
	w *wanted,
	node stack.Node,
) (*godo.Image, error) {
	image, err := f.image(ctx, node)

	if errors.Is(err, ErrNoImage) || errors.Is(err, ErrPinned) {
		name := node.Role
		if node.Image != 0 {
			name = fmt.Sprintf("%d of group %s", node.Image, node.Group)
		}

		w.unusable = append(w.unusable, unusable{
			kind:   KindImage,
			name:   name,
			reason: err.Error(),
		})

		return nil, nil
	}

	if err != nil {
		return nil, err
	}

	return &image, nil
}

func (f *Fleet) wantedReserved(ctx context.Context, w *wanted) error {
	err := f.checkReserved(ctx)
	if !errors.Is(err, ErrReserved) {
		return err
	}

	w.unusable = append(w.unusable, unusable{
		kind:   KindReservedIP,
		name:   f.Stack.ReservedIP.Address,
		reason: err.Error(),
	})

	return nil
}

// found reads what the cloud has.
func (f *Fleet) found(ctx context.Context) (found, error) {
	var have found

	droplets, err := f.droplets(ctx)
	if err != nil {
		return have, err
	}

	var members []member
	members, have.strays = f.sorted(droplets)
	have.members, have.surplus = current(members)
	f.keepSeen(members)

	if have.network, err = f.findVPC(ctx); err != nil {
		return have, err
	}

	if have.balancers, err = f.balancers(ctx); err != nil {
		return have, err
	}

	have.certificates, err = f.certificates(ctx)
	if err != nil {
		return have, err
	}

	have.firewalls, err = do.Firewalls(ctx, f.Client)
	have.goneFirewalls = f.goneFirewalls(have.firewalls, have.members)

	return have, err
}
