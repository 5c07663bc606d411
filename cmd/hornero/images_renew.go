package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/digitalocean/godo"
	"github.com/spf13/cobra"

	"github.com/hornero/hornero/internal/archive"
	"github.com/hornero/hornero/internal/catalog"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// aging is what a bake knows of a role's newest image.
type aging struct {
	image   catalog.Image
	updates []archive.Update // nil: not known
	listed  time.Time        // when the list of security updates was made
}

// bakeTime is how long a bake may have been under way when a list was published that it did not see yet.
const bakeTime = time.Hour

// missing are the security updates that a bake would bring. An image that was baked after the list was published has
// what its mirror had: another bake would bring no more, as where the role excludes a package.
func (a aging) missing() []archive.Update {
	if a.image.Created.After(a.listed.Add(bakeTime)) {
		return nil
	}

	return securityOf(a.updates)
}

// reason tells why the image is baked again though its content is the same; "" when it is not.
func (a aging) reason(maxAge stack.Age, now time.Time) string {
	if missing := a.missing(); len(missing) > 0 {
		return updatesLine(missing)
	}

	limit := maxAge.Duration()
	known := !a.image.Created.IsZero()

	if limit > 0 && known && now.Sub(a.image.Created) > limit {
		return "it is older than images.max_age, " + string(maxAge)
	}

	return ""
}

// renewal finds the roles whose newest image is to be baked again, the layer's among them.
type renewal struct {
	bake   *bake
	cmd    *cobra.Command
	order  bakeOrder
	images map[string]catalog.Image // the newest, by role
	newer  *updates
}

// outdated names the roles whose images are baked though their content is the same: a security update is there for what
// they have, or they are older than stack.yaml wants. It says so, and what it cannot tell.
func (b *bake) outdated(cmd *cobra.Command, order bakeOrder, environment []string) ([]string, error) {
	if b.force || b.unchecked {
		return nil, nil
	}

	ctx := cmd.Context()
	progress := cmd.ErrOrStderr()
	order = b.asTemplates(order)

	debian, err := b.archive(ctx)
	if err != nil {
		return nil, err
	}

	newest, err := newestImages(ctx, environment, order)
	if err != nil {
		return nil, err
	}

	r := renewal{
		bake:   b,
		cmd:    cmd,
		order:  order,
		images: newest,
		newer:  currentUpdates(ctx, debian),
	}

	all, err := r.all(progress)
	if err != nil {
		return nil, err
	}

	var renew []string

	for _, role := range slices.Sorted(maps.Keys(all)) {
		image := all[role].image
		if image.Rejected {
			const what = "%s: image %d is rejected, so no node is launched from it; `hornero images accept %d` takes " +
				"that back\n"
			fmt.Fprintf(progress, what, role, image.ID, image.ID)
		}

		if why := all[role].reason(order.maxAge, time.Now()); why != "" {
			const what = "%s: image %d, %s, is baked again: %s\n"
			fmt.Fprintf(progress, what, role, image.ID, longAge(image.Created, time.Now()), why)

			renew = append(renew, role)
		}
	}

	return renew, nil
}

// asTemplates has the release and region that Packer's templates get: the environment's go before the stack's.
func (b *bake) asTemplates(order bakeOrder) bakeOrder {
	release := cmp.Or(os.Getenv("PKR_VAR_release"), order.release, stack.DefaultRelease)
	region := cmp.Or(os.Getenv("PKR_VAR_region"), order.region)

	order.release = b.told("release", release)
	order.region = b.told("region", region)

	return order
}

// archive asks the mirrors that the bake uses.
func (b *bake) archive(ctx context.Context) (*archive.Archive, error) {
	debian, err := newArchive(ctx)
	if err != nil {
		return nil, err
	}

	// With either, the bake uses those two only.
	mirror, security := b.told("mirror", b.mirror), b.told("security_mirror", b.security)
	if mirror != "" || security != "" {
		debian.Mirror = mirror
		debian.SecurityMirror = security
	}

	return debian, nil
}

// told is what a variable of the templates gets: from --var, which wins, or from its own flag.
func (b *bake) told(name, value string) string {
	for _, variable := range b.variables {
		if said, ok := strings.CutPrefix(variable, name+"="); ok {
			value = said
		}
	}

	return value
}

// clientIn is the API of the account that an environment names.
func clientIn(environment []string) (*godo.Client, error) {
	return do.NewClient(
		variableOf(environment, urlVariable),
		variableOf(environment, tokenVariable),
		"hornero/"+version,
	)
}

// newestImages are the newest images of what is to be baked, rejected ones among them: what they have is what another
// bake would have.
func newestImages(ctx context.Context, environment []string, order bakeOrder) (map[string]catalog.Image, error) {
	client, err := clientIn(environment)
	if err != nil {
		return nil, err
	}

	all, err := catalog.List(ctx, client)
	if err != nil {
		return nil, do.ExplainRefusal(err)
	}

	wanted := slices.Clone(order.roles)
	if order.layer {
		wanted = append(wanted, roles.Common)
	}

	newest := map[string]catalog.Image{}

	for _, image := range catalog.OfRelease(all, order.release) {
		elsewhere := order.region != "" && !slices.Contains(image.Regions, order.region)
		if elsewhere || !slices.Contains(wanted, image.Role) {
			continue
		}

		if image.ID > newest[image.Role].ID {
			newest[image.Role] = image
		}
	}

	return newest, nil
}

// variableOf is a variable's value in an environment; the last one counts.
func variableOf(environment []string, name string) string {
	value := ""
	for _, variable := range environment {
		if said, ok := strings.CutPrefix(variable, name+"="); ok {
			value = said
		}
	}

	return value
}

// all looks at each role's newest image.
func (r renewal) all(progress io.Writer) (map[string]aging, error) {
	all := map[string]aging{}
	var unknown []string

	for _, role := range slices.Sorted(maps.Keys(r.images)) {
		image := r.images[role]

		found, err := r.look(image, progress)
		if err != nil {
			return nil, err
		}

		all[role] = found

		if found.updates == nil && role != roles.Common {
			unknown = append(unknown, role)
		}
	}

	// The layer runs nowhere, so that its record may be nowhere: what all roles lack is the layer's.
	if layer, there := all[roles.Common]; there && layer.updates == nil {
		layer.updates = sharedUpdates(all)
		layer.listed = listedOf(all)
		all[roles.Common] = layer
	}

	if len(unknown) > 0 {
		const what = "security updates are not looked for in the images of %s: what is in them is not known here\n"
		fmt.Fprintf(progress, what, strings.Join(unknown, ", "))
	}

	return all, nil
}

// look finds the updates for an image. Where there are no lists there are no updates; lists that are refused are an
// error.
func (r renewal) look(image catalog.Image, progress io.Writer) (aging, error) {
	found := aging{image: image}

	written, err := r.record(image)
	if err != nil {
		return found, nil
	}

	_, before := r.newer.lists[image.Release]
	lists, err := r.newer.of(image.Release)

	switch {
	case errors.Is(err, archive.ErrRefused):
		return found, err
	case err != nil:
		if !before {
			fmt.Fprintf(progress, "security updates are not looked for: %v\n", err)
		}

		found.updates = []archive.Update{}

		return found, nil
	}

	if lists.Unreachable != nil && !before {
		const what = "security updates are those of the list of %s: %v\n"
		fmt.Fprintf(progress, what, lists.Published.Format(time.DateOnly), lists.Unreachable)
	}

	found.updates = lists.Outdated(written.Packages)
	found.listed = lists.Published

	return found, nil
}

// record reads what is in an image: here, or from a node of the stack that runs it.
func (r renewal) record(image catalog.Image) (record.Image, error) {
	folder, err := r.bake.images.folder()
	if err != nil {
		return record.Image{}, err
	}

	written, err := folder.Read(image.RecordName(), image.ID)
	if err == nil || !r.order.runs(image) {
		return written, err
	}

	return r.bake.images.record(r.cmd, image)
}

// runs tells whether a node of the stack may be asked for an image's record.
func (o bakeOrder) runs(image catalog.Image) bool {
	return slices.ContainsFunc(image.Droplets, func(droplet catalog.Droplet) bool {
		return o.stack != "" && strings.HasPrefix(droplet.Name, o.stack+"-")
	})
}

// sharedUpdates are those that all roles lack, of whose images anything is known; nil when nothing is.
func sharedUpdates(all map[string]aging) []archive.Update {
	var shared []archive.Update

	for _, role := range slices.Sorted(maps.Keys(all)) {
		found := all[role].updates

		switch {
		case found == nil:
		case shared == nil:
			shared = found
		default:
			shared = slices.DeleteFunc(slices.Clone(shared), func(update archive.Update) bool {
				return !slices.ContainsFunc(found, func(other archive.Update) bool {
					return other.Source == update.Source
				})
			})
		}
	}

	return shared
}

// listedOf is when the lists were made that the roles were compared with.
func listedOf(all map[string]aging) time.Time {
	latest := time.Time{}
	for _, one := range all {
		if one.listed.After(latest) {
			latest = one.listed
		}
	}

	return latest
}

// renewVariable is Packer's argument for what outdated found.
func renewVariable(renew []string) ([]string, error) {
	if len(renew) == 0 {
		return nil, nil
	}

	names, err := json.Marshal(renew)

	return []string{"-var", "renew=" + string(names)}, err
}
