package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/internal/space"
	"github.com/hornero/hornero/stack"
)

// ErrSpace means that a Space of stack.yaml cannot be had.
var ErrSpace = errors.New("the Space cannot be used")

// DefaultKeyWait is how long a new key is tried: it opens Spaces a moment after the API told it.
const DefaultKeyWait = 30 * time.Second

const keyTries = 500 * time.Millisecond

// makingKey is the end of the name of a key that opens everything. It is there while Spaces are made, and no longer.
const makingKey = "making"

// wantedSpaces collects the Spaces for which the account has no key.
func (f *Fleet) wantedSpaces(ctx context.Context, w *wanted) error {
	var err error
	w.spaces, err = f.lockedSpaces(ctx)

	return err
}

// lockedSpaces are the keys that are to be made: those that the secrets file has not, or the account not any more, or
// that do not open what stack.yaml says. Where it asks for none, the API is not asked.
func (f *Fleet) lockedSpaces(ctx context.Context) ([]stack.SpaceKey, error) {
	asked := f.Stack.SpaceKeys(f.Manifests)
	if len(asked) == 0 {
		return nil, nil
	}

	account, err := do.SpacesKeys(ctx, f.Client)
	if err != nil {
		return nil, err
	}

	opened := func(key stack.SpaceKey) bool { return f.opens(key, account) }

	return slices.DeleteFunc(asked, opened), nil
}

// opens tells whether the key of the secrets file is one of the account's, for all its Spaces.
func (f *Fleet) opens(key stack.SpaceKey, account []*godo.SpacesKey) bool {
	access, err := f.Secrets.Get(key.Access)
	if err != nil {
		return false
	}

	if _, err := f.Secrets.Get(key.Secret); err != nil {
		return false
	}

	at := slices.IndexFunc(account, func(known *godo.SpacesKey) bool { return known.AccessKey == access.Reveal() })
	if at < 0 {
		return false
	}

	for _, one := range key.Spaces {
		granted := slices.ContainsFunc(account[at].Grants, func(grant *godo.Grant) bool {
			own := grant.Bucket == one.Bucket && grant.Permission == godo.SpacesKeyReadWrite
			return own || grant.Permission == godo.SpacesKeyFullAccess
		})
		if !granted {
			return false
		}
	}

	return true
}

func compareSpaces(want wanted) []Difference {
	var all []Difference

	for _, key := range want.spaces {
		for _, one := range key.Spaces {
			all = append(all, Difference{
				Kind:   KindSpace,
				Name:   one.Bucket,
				Action: ActionCreate,
				Reason: "no key of the account is there for it; it is made in " + one.Region +
					" where it is not there, with a key for it alone",
				By: up,
			})
		}
	}

	return all
}

// checkSpaces tells what makes keys that are not there yet.
func (f *Fleet) checkSpaces() error {
	for _, key := range f.Stack.SpaceKeys(f.Manifests) {
		if _, err := f.Secrets.Get(key.Access); err != nil {
			return fmt.Errorf("%s is not made yet: `hornero up` makes the Space and its key", key.Access)
		}
	}

	return nil
}

// ensureSpaces makes the Spaces of stack.yaml and keys for them alone. Killed halfway it begins anew: a key whose
// secret nobody kept is of no use, and goes.
func (f *Fleet) ensureSpaces(ctx context.Context) error {
	missing, err := f.lockedSpaces(ctx)
	if err != nil || len(missing) == 0 {
		return err
	}

	if err := f.deleteSpacesKey(ctx, makingKey); err != nil {
		return err
	}

	all, err := f.createSpacesKey(ctx, makingKey, &godo.Grant{Permission: godo.SpacesKeyFullAccess})
	if err != nil {
		return err
	}

	for _, key := range missing {
		if err = f.ensureSpacesOf(ctx, all, key); err != nil {
			break
		}
	}

	// It opens every Space of the account, so that it goes also when that was refused, or the operator interrupts.
	return errors.Join(err, f.deleteSpacesKey(context.WithoutCancel(ctx), makingKey))
}

func (f *Fleet) ensureSpacesOf(ctx context.Context, all *godo.SpacesKey, key stack.SpaceKey) error {
	var grants []*godo.Grant

	for _, one := range key.Spaces {
		if err := f.ensureSpace(ctx, all, one); err != nil {
			return err
		}

		grants = append(grants, &godo.Grant{
			Bucket:     one.Bucket,
			Permission: godo.SpacesKeyReadWrite,
		})
	}

	name := strings.ReplaceAll(key.Access, ".", "-")
	if err := f.deleteSpacesKey(ctx, name); err != nil {
		return err
	}

	own, err := f.createSpacesKey(ctx, name, grants...)
	if err != nil {
		return err
	}

	before := f.Secrets.All()
	after := f.Secrets.All()
	after[key.Access] = report.Secret(own.AccessKey)
	after[key.Secret] = report.Secret(own.SecretKey)

	if err := f.Secrets.Change(before, after); err != nil {
		return err
	}

	f.progress(
		"made the key %s of Space %s; the secrets file has it as %s and %s",
		own.AccessKey,
		namesOfSpaces(key),
		key.Access,
		key.Secret,
	)

	return nil
}

// ensureSpace makes a Space that nobody has.
func (f *Fleet) ensureSpace(ctx context.Context, key *godo.SpacesKey, wanted stack.Space) error {
	endpoint, err := f.spacesEndpoint(wanted)
	if err != nil {
		return err
	}

	client := space.Client{
		Endpoint: endpoint,
		Region:   wanted.Region,
		Bucket:   wanted.Bucket,
		Key:      key.AccessKey,
		Secret:   report.Secret(key.SecretKey),
		HTTP:     space.NewHTTP(),
	}

	there, err := f.awaitKey(ctx, client.Exists)

	switch {
	// The key opens all of the account's: this one is another's.
	case errors.Is(err, space.ErrRefused):
		return fmt.Errorf(
			"make Space %s: %w: its name is taken, by whatever account in %s; choose another",
			wanted.Bucket,
			ErrSpace,
			wanted.Region,
		)
	case err != nil:
		return fmt.Errorf("look for Space %s: %w", wanted.Bucket, err)
	case there:
		f.progress("Space %s is there", wanted.Bucket)
		return nil
	}

	if err := client.MakeBucket(ctx); err != nil {
		return fmt.Errorf("make Space %s: %w", wanted.Bucket, err)
	}

	f.progress("made Space %s in %s", wanted.Bucket, wanted.Region)

	return nil
}

// awaitKey asks until a new key is known: until then it is refused.
func (f *Fleet) awaitKey(
	ctx context.Context,
	ask func(context.Context) (bool, error),
) (bool, error) {
	for end := time.Now().Add(f.KeyWait); ; {
		answer, err := ask(ctx)
		if !errors.Is(err, space.ErrRefused) || time.Now().After(end) || !pause.For(ctx, keyTries) {
			return answer, err
		}
	}
}

func (f *Fleet) spacesEndpoint(wanted stack.Space) (string, error) {
	switch {
	case f.SpacesFrom != nil:
		return f.SpacesFrom(wanted.Region)
	case wanted.Endpoint != "":
		return wanted.Endpoint, nil
	default:
		return space.Endpoint(wanted.Region), nil
	}
}

// createSpacesKey makes a key under a name of the stack's.
func (f *Fleet) createSpacesKey(
	ctx context.Context,
	name string,
	grants ...*godo.Grant,
) (*godo.SpacesKey, error) {
	request := &godo.SpacesKeyCreateRequest{
		Name:   f.resourceName() + "-" + name,
		Grants: grants,
	}

	key, _, err := f.Client.SpacesKeys.Create(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("make the key %s of Spaces: %w", request.Name, err)
	}

	return key, nil
}

// deleteSpacesKey deletes the stack's keys of a name: an earlier run's, whose secret is lost.
func (f *Fleet) deleteSpacesKey(ctx context.Context, name string) error {
	all, err := do.SpacesKeys(ctx, f.Client)
	if err != nil {
		return err
	}

	for _, key := range all {
		if key.Name != f.resourceName()+"-"+name {
			continue
		}

		if _, err := f.Client.SpacesKeys.Delete(ctx, key.AccessKey); err != nil && !do.IsNotFound(err) {
			return fmt.Errorf("delete the key %s (%s) of Spaces: %w", key.Name, key.AccessKey, err)
		}
	}

	return nil
}

// tellKeptSpaces says what Destroy leaves: files that people made.
func (f *Fleet) tellKeptSpaces() {
	for _, key := range f.Stack.SpaceKeys(f.Manifests) {
		access, err := f.Secrets.Get(key.Access)
		if err != nil {
			continue
		}

		f.progress(
			"Space %s is kept with its files, and so is its key %s; Spaces are paid for until they are deleted",
			namesOfSpaces(key),
			access.Reveal(),
		)
	}
}

func namesOfSpaces(key stack.SpaceKey) string {
	var names []string
	for _, one := range key.Spaces {
		names = append(names, one.Bucket)
	}

	return strings.Join(names, ", ")
}
