package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/stack"
)

// ErrUnlaunchable means that DigitalOcean would refuse a Droplet that stack.yaml asks for.
var ErrUnlaunchable = errors.New("cannot be launched")

// catalogue is what the account may launch, and where.
type catalogue struct {
	account  godo.Account
	regions  []godo.Region
	sizes    []godo.Size
	droplets int // of the whole account
}

func (f *Fleet) readCatalogue(ctx context.Context) (catalogue, error) {
	var have catalogue

	account, _, err := f.Client.Account.Get(ctx)
	if err != nil {
		return have, fmt.Errorf("read account: %w", err)
	}

	have.account = *account

	if have.regions, err = do.Regions(ctx, f.Client); err != nil {
		return have, err
	}

	if have.sizes, err = do.Sizes(ctx, f.Client); err != nil {
		return have, err
	}

	droplets, err := do.Droplets(ctx, f.Client)
	have.droplets = len(droplets)

	return have, err
}

// checkCatalogue refuses what DigitalOcean would refuse when the nodes' Droplets are created: by then the nodes whose
// place they take may be gone. beside is how many Droplets there are at most beside those of now.
func (f *Fleet) checkCatalogue(
	ctx context.Context,
	nodes []stack.Node,
	beside int,
) error {
	if len(nodes) == 0 {
		return nil
	}

	if err := f.checkKeys(ctx); err != nil {
		return err
	}

	images, err := f.imagesOf(ctx, nodes)
	if err != nil {
		return err
	}

	have, err := f.readCatalogue(ctx)
	if err != nil {
		return err
	}

	problems := have.accountProblems(beside)
	problems = append(problems, have.regionProblems(f.Stack.Region)...)

	for _, node := range nodes {
		problem := have.sizeProblem(node, images[choiceOf(node)], f.Stack.Region)

		// The nodes of a group all have the same one.
		said := func(err error) bool { return err.Error() == problem.Error() }
		if problem != nil && !slices.ContainsFunc(problems, said) {
			problems = append(problems, problem)
		}
	}

	return errors.Join(problems...)
}

// accountProblems are why the account may launch nothing more.
func (c catalogue) accountProblems(beside int) []error {
	var problems []error

	if c.account.Status != "" && c.account.Status != "active" && c.account.Status != "warning" {
		problems = append(problems, fmt.Errorf("launch Droplets: the account is %s: %s",
			c.account.Status, c.account.StatusMessage))
	}

	limit := c.account.DropletLimit
	if limit > 0 && c.droplets+beside > limit {
		problems = append(problems, fmt.Errorf(
			"launch %d more Droplets: %w: the account has %d and may have %d; ask DigitalOcean for more, "+
				"or delete some", beside, ErrUnlaunchable, c.droplets, limit,
		))
	}

	return problems
}

func (c catalogue) regionProblems(name string) []error {
	at := slices.IndexFunc(c.regions, func(region godo.Region) bool { return region.Slug == name })

	switch {
	case at < 0:
		return []error{fmt.Errorf("region %s: %w: DigitalOcean has no such region", name, ErrUnlaunchable)}
	case !c.regions[at].Available:
		return []error{fmt.Errorf("region %s: %w: it takes no new Droplets now", name, ErrUnlaunchable)}
	}

	return nil
}

// sizeProblem tells why a node's size will not do; nil when it will.
func (c catalogue) sizeProblem(
	node stack.Node,
	image godo.Image,
	region string,
) error {
	at := slices.IndexFunc(c.sizes, func(size godo.Size) bool { return size.Slug == node.Size })
	if at < 0 {
		return fmt.Errorf("nodes %s: size %s: %w: DigitalOcean has no such size",
			node.Group, node.Size, ErrUnlaunchable)
	}

	size := c.sizes[at]

	switch {
	case !size.Available || !slices.Contains(size.Regions, region):
		return fmt.Errorf("nodes %s: size %s: %w: it is not to be had in %s now",
			node.Group, node.Size, ErrUnlaunchable, region)

	case size.Disk < image.MinDiskSize:
		return fmt.Errorf("nodes %s: size %s: %w: its disk has %d GB, and image %s needs %d",
			node.Group, node.Size, ErrUnlaunchable, size.Disk, image.Name, image.MinDiskSize)
	}

	return nil
}
