package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/stack"
)

// tag joins the parts of a tag of the stack; without any it is the tag that all its Droplets have.
func (f *Fleet) tag(parts ...string) string {
	return strings.Join(append([]string{productTag, f.Stack.Name}, parts...), ":")
}

// productTag is on all that is Hornero's, of every stack.
const productTag = "hornero"

// tags are those of a Droplet that is launched.
func (f *Fleet) tags(next order) []string {
	tags := []string{
		productTag,
		f.tag(),
		f.tag("role", next.node.Role),
		f.tag("node", next.node.Name),
		f.tag("incarnation", strconv.Itoa(next.incarnation)),
		f.tag("spec", next.made),
	}

	if next.founds {
		tags = append(tags, f.tag(founderTag))
	}

	if next.extra != "" {
		tags = append(tags, f.tag(extraTag, next.extra))
	}

	return tags
}

// trafficTag is what a load balancer sends to: hornero:STACK:lb:NAME, where NAME is the load balancer's in stack.yaml.
// The short form has no name: there it is the role behind it. A Droplet gets traffic by bearing the tag, never by a
// change of the load balancer's target.
func (f *Fleet) trafficTag(balancer stack.Balancer) string {
	return f.tag("lb", called(balancer))
}

// called is the name of a load balancer in tags and in arguments of commands.
func called(balancer stack.Balancer) string { return cmp.Or(balancer.Name, balancer.Nodes) }

// trafficTags are those that nodes of a role are to bear, in the order of stack.yaml.
func (f *Fleet) trafficTags(role string) []string {
	var tags []string

	for _, balancer := range f.Stack.AllBalancers() {
		if balancer.Nodes == role {
			tags = append(tags, f.trafficTag(balancer))
		}
	}

	return tags
}

// isTrafficTag tells whether a tag is, or was, the target of a load balancer of the stack.
func (f *Fleet) isTrafficTag(tag string) bool { return strings.HasPrefix(tag, f.tag("lb", "")) }

// founderTag is the part of a tag that says that a Droplet's document lets it found the peer set.
const founderTag = "founder"

// extraTag begins the part of a tag that says which strategy of a roll made a node beside those of stack.yaml.
const extraTag = "extra"

// putTag puts a tag on the Droplets of members. To do it twice is no error.
func (f *Fleet) putTag(ctx context.Context, tag string, members []member) error {
	// It must be there before it is put on something.
	err := do.Repeat(ctx, "create tag "+tag, f.Unclear, func(ctx context.Context) error {
		_, _, err := f.Client.Tags.Create(ctx, &godo.TagCreateRequest{Name: tag})
		return err
	})
	if err != nil {
		return err
	}

	what := fmt.Sprintf("tag %s with %s", nodeNames(members), tag)
	request := &godo.TagResourcesRequest{Resources: dropletResources(members)}

	return do.Repeat(ctx, what, f.Unclear, func(ctx context.Context) error {
		_, err := f.Client.Tags.TagResources(ctx, tag, request)
		return err
	})
}

// untag takes a tag from the Droplets of members.
func (f *Fleet) untag(ctx context.Context, tag string, members []member) error {
	_, err := f.Client.Tags.UntagResources(ctx, tag, &godo.UntagResourcesRequest{
		Resources: dropletResources(members),
	})

	// Without the tag nobody bears it.
	if err == nil || do.IsNotFound(err) {
		return nil
	}

	return fmt.Errorf("take tag %s from %s: %w", tag, nodeNames(members), err)
}

func dropletResources(members []member) []godo.Resource {
	var resources []godo.Resource

	for _, m := range members {
		resources = append(resources, godo.Resource{
			ID:   strconv.Itoa(m.Droplet.ID),
			Type: godo.DropletResourceType,
		})
	}

	return resources
}

// destroyTags deletes the stack's tags that nothing bears any more: the account would keep them for ever.
func (f *Fleet) destroyTags(ctx context.Context) error {
	tags, err := do.Tags(ctx, f.Client)
	if err != nil {
		return err
	}

	var errs []error

	for _, tag := range tags {
		ours := tag.Name == f.tag() || strings.HasPrefix(tag.Name, f.tag()+":")
		borne := tag.Resources != nil && tag.Resources.Count > 0

		if !ours || borne {
			continue
		}

		_, err := f.Client.Tags.Delete(ctx, tag.Name)
		if err != nil && !do.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("delete tag %s: %w", tag.Name, err))
		}
	}

	return errors.Join(errs...)
}
