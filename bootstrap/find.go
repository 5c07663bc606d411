package bootstrap

import (
	"context"
	"fmt"
	"time"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/roles"
)

// find reads user-data until there is some, and refuses what is not a document for this node.
func (a *Agent) find(ctx context.Context) error {
	found, err := a.findUserData(ctx)
	if err != nil {
		return err
	}

	node, err := cloudinit.Decode(found.Source, found.Data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}

	manifest, err := roles.Load(a.Roles, node.Role)
	if err != nil {
		return fmt.Errorf("%w: this image has no role %q: %w", ErrRefused, node.Role, err)
	}

	// Without its driver the role would be configured and never run.
	if _, ok := a.Drivers[manifest.Driver]; manifest.Driver != "" && !ok {
		return fmt.Errorf("%w: role %s wants driver %q, which this bootstrap has not",
			ErrRefused, node.Role, manifest.Driver)
	}

	manifest, err = manifest.On(a.Release).Spread(node.Settings)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}

	a.mu.Lock()
	a.node, a.manifest, a.rights = node, manifest, rightsOf(node)
	a.mu.Unlock()

	a.Log.Info("document found",
		"source", found.Source,
		"stack", node.Stack,
		"node", node.Node,
		"role", node.Role,
		"incarnation", node.Incarnation,
	)

	// The certificate is checked before anything is done in the document's name.
	if err := a.identify(); err != nil {
		return err
	}

	err = retry(ctx, a, "keep the node's certificate", func(context.Context) error {
		return a.writeIdentity()
	})

	// Before anything is served. After a reboot its peers are those of before.
	a.raiseWalls(ctx, loadSnapshot(a.State))

	return err
}

// findUserData learns the VPC address and the user-data: from the metadata service or, after a reboot without it,
// from what this node kept of its first boot.
func (a *Agent) findUserData(ctx context.Context) (cloudinit.Found, error) {
	kept, known := loadOrigin(a.State)

	droplet, err := a.describe(ctx, kept, known)
	if err != nil {
		return cloudinit.Found{}, err
	}

	address, err := droplet.VPCAddress()
	if err != nil {
		return cloudinit.Found{}, err
	}

	a.mu.Lock()
	a.address, a.network = address, network(droplet)
	a.anchor, a.droplet = droplet.AnchorAddress(), droplet.ID
	a.mu.Unlock()

	a.origin = origin{Droplet: droplet, First: time.Now()}

	// The id tells a reboot from a disk that was copied to another Droplet.
	if known && kept.Droplet.ID == droplet.ID {
		a.origin.First = kept.First

		if a.UserData == "" {
			// User-data cannot change after a Droplet's creation.
			return kept.Found, nil
		}
	}

	found, err := cloudinit.Await(ctx, a.waitsTo("look for user-data"), a.sources().Find)
	if err != nil {
		return found, err
	}

	// It is kept before it is used: the node must come back also while the metadata service is away.
	a.origin.Found = found
	err = retry(ctx, a, "keep the user-data", func(context.Context) error {
		return a.origin.save(a.State)
	})

	return found, err
}

// describe asks the metadata service who this Droplet is. A node that knows it does not wait for the answer.
func (a *Agent) describe(ctx context.Context, kept origin, known bool) (cloudinit.Droplet, error) {
	ask := func(ctx context.Context) (cloudinit.Droplet, error) {
		droplet, err := a.sources().Describe(ctx)
		if err == nil {
			// The VPC's interface may be attached a moment after the service answers.
			_, err = droplet.VPCAddress()
		}

		// A reboot must not depend on the metadata service.
		if err != nil && known {
			return kept.Droplet, nil
		}

		return droplet, err
	}

	return cloudinit.Await(ctx, a.waitsTo("ask the metadata service who this Droplet is"), ask)
}

func (a *Agent) sources() cloudinit.Sources {
	return cloudinit.Sources{
		Metadata: a.Metadata,
		File:     a.UserData,
	}
}

// waitsTo records what this node waits for, with the error that keeps it waiting.
func (a *Agent) waitsTo(what string) func(error) {
	return func(err error) {
		a.setReason(what + ": " + err.Error())
	}
}

// retry tries until it succeeds or ctx ends, and records meanwhile what the node waits for.
func retry(ctx context.Context, a *Agent, what string, try func(context.Context) error) error {
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}

		a.waitsTo(what)(err)

		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(a.Retry):
		}
	}
}
