package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/hornero/hornero/internal/do"
)

// Destroy removes everything of the stack but images and secrets. What is gone already is no error.
func (f *Fleet) Destroy(ctx context.Context) error {
	if err := f.awaitTakenLock(ctx); err != nil {
		return err
	}

	if err := f.tellStrays(ctx); err != nil {
		return err
	}

	members, err := f.members(ctx)
	if err != nil {
		return err
	}

	// A load balancer or VPC that is not deleted costs money: the first error does not end it.
	errs := []error{f.destroyRecords(ctx)} // first, as the load balancers tell their addresses
	errs = append(errs, f.destroyDroplets(ctx, members)...)
	errs = append(errs, f.destroyFirewalls(ctx))
	errs = append(errs, f.destroyBalancers(ctx))
	errs = append(errs, f.destroyCertificates(ctx))
	errs = append(errs, f.destroyVPC(ctx))
	errs = append(errs, f.destroyTags(ctx))

	if f.Stack.ReservedIP != nil {
		f.progress(
			"reserved IP %s is kept, and is paid for while no Droplet has it; "+
				"`hornero reserved-ip release --yes` gives it back",
			f.Stack.ReservedIP.Address,
		)
	}

	f.tellKeptSpaces()

	return errors.Join(errs...)
}

func (f *Fleet) destroyDroplets(ctx context.Context, members []member) []error {
	errs := make([]error, len(members))
	var group sync.WaitGroup

	for i, m := range members {
		group.Go(func() {
			errs[i] = f.deleteDroplet(ctx, m.Droplet.ID)
			if errs[i] == nil {
				f.progress("%s: destroyed (Droplet %d)", m.Node, m.Droplet.ID)
			}
		})
	}

	group.Wait()

	return errs
}

func (f *Fleet) destroyBalancers(ctx context.Context) error {
	balancers, err := f.balancers(ctx)
	if err != nil {
		return err
	}

	var errs []error

	for _, balancer := range balancers {
		// Two operators, or a destroy that is run again, may meet here.
		_, err := f.Client.LoadBalancers.Delete(ctx, balancer.ID)
		if err != nil && !do.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("delete load balancer %s: %w", balancer.Name, err))
		}
	}

	return errors.Join(errs...)
}

func (f *Fleet) destroyCertificates(ctx context.Context) error {
	certificates, err := f.certificates(ctx)
	if err != nil {
		return err
	}

	for _, certificate := range certificates {
		// The API refuses it while the load balancer that used it is being deleted.
		err := f.retryWhileInUse(ctx, "delete certificate "+certificate.Name, func(ctx context.Context) error {
			_, err := f.Client.Certificates.Delete(ctx, certificate.ID)
			return err
		})
		if err != nil {
			return err
		}
	}

	return nil
}

func (f *Fleet) destroyVPC(ctx context.Context) error {
	vpcs, err := do.VPCs(ctx, f.Client)
	if err != nil {
		return err
	}

	for _, vpc := range vpcs {
		// A default VPC cannot be deleted, whatever it is called.
		if vpc.Name != f.resourceName() || vpc.Default {
			continue
		}

		// Deleted Droplets and load balancers count as members of the VPC for a while.
		err := f.retryWhileInUse(ctx, "delete VPC "+vpc.Name, func(ctx context.Context) error {
			_, err := f.Client.VPCs.Delete(ctx, vpc.ID)
			return err
		})
		if err != nil {
			return err
		}
	}

	return nil
}

// retryWhileInUse repeats what the API refuses while a resource has members (403, 409, 422).
func (f *Fleet) retryWhileInUse(ctx context.Context, what string, try func(context.Context) error) error {
	poll := func(ctx context.Context) (do.State, error) {
		err := try(ctx)

		switch do.Status(err) {
		case http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity:
			return do.Pending, do.Seen("%s", strings.TrimSpace(err.Error()))
		}

		if err == nil || do.IsNotFound(err) {
			return do.Done, nil
		}

		return do.Errored, err
	}

	return do.Wait(ctx, what, poll, do.WaitOptions{Timeout: cmp.Or(f.InUseWait, DefaultInUseWait)})
}
