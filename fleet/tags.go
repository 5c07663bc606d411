package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/stack"
)

// tag joins the parts of a tag of the stack; without any it is the tag that all its Droplets have.
func (f *Fleet) tag(parts ...string) string {
	return strings.Join(append([]string{productTag, f.Stack.Name}, parts...), ":")
}

// productTag is on all that is Hornero's, of every stack.
const productTag = "hornero"

// tags are those of a node's Droplet. made is what its spec comes to.
func (f *Fleet) tags(node stack.Node, incarnation int, made string) []string {
	return []string{
		productTag,
		f.tag(),
		f.tag("role", node.Role),
		f.tag("node", node.Name),
		f.tag("incarnation", strconv.Itoa(incarnation)),
		f.tag("spec", made),
	}
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
