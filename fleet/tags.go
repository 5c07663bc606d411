package fleet

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hornero/hornero/internal/do"
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

	if next.extra != "" {
		tags = append(tags, f.tag(extraTag, next.extra))
	}

	return tags
}

// extraTag begins the part of a tag that says which strategy of a roll made a node beside those of stack.yaml.
const extraTag = "extra"

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
