package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/digitalocean/godo"
	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/report"
)

// ErrSSHKey means that an SSH key of stack.yaml is none of the account's.
var ErrSSHKey = errors.New("the SSH key cannot be used")

// accountKeys are the account's SSH keys, read once: the API allows ten such requests a minute.
type accountKeys struct {
	mutex sync.Mutex
	read  bool
	all   []godo.Key
}

// list reads them. An error is not kept: the next one asks again.
func (a *accountKeys) list(
	ctx context.Context,
	client *godo.Client,
) ([]godo.Key, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()

	if a.read {
		return a.all, nil
	}

	all, err := do.Keys(ctx, client)
	if err != nil {
		return nil, err
	}

	a.all, a.read = all, true

	return all, nil
}

// fingerprints are those of the SSH keys of stack.yaml, sorted; nil where it names none. A key that was uploaded anew
// has another number, and the same fingerprint.
func (f *Fleet) fingerprints(ctx context.Context) ([]string, error) {
	if len(f.Stack.SSHKeys) == 0 {
		return nil, nil
	}

	all, err := f.keys.list(ctx, f.Client)
	if err != nil {
		return nil, err
	}

	var found []string
	var problems []error

	for _, name := range f.Stack.SSHKeys {
		key, err := keyNamed(all, name)
		if err != nil {
			problems = append(problems, err)
			continue
		}

		found = append(found, key.Fingerprint)
	}

	slices.Sort(found)

	return slices.Compact(found), errors.Join(problems...)
}

// keyNamed finds a key by its fingerprint, its number or its name.
func keyNamed(all []godo.Key, name string) (godo.Key, error) {
	var named []godo.Key

	for _, key := range all {
		short := strings.ToLower(name)
		if key.Fingerprint == short || longFingerprint(key) == name {
			return key, nil
		}

		number := strconv.Itoa(key.ID)
		if key.Name == name || number == name {
			named = append(named, key)
		}
	}

	switch len(named) {
	case 1:
		return named[0], nil
	case 0:
		hint := keyHint(all, name)
		return godo.Key{}, fmt.Errorf("%w: the account has no SSH key %q; %s", ErrSSHKey, name, hint)
	}

	return godo.Key{}, fmt.Errorf(
		"%w: the account has several SSH keys %q; write the fingerprint of one, as in %s",
		ErrSSHKey,
		name,
		named[0].Fingerprint,
	)
}

// longFingerprint is the one that ssh-keygen prints; "" of what cannot be read.
func longFingerprint(key godo.Key) string {
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(key.PublicKey))
	if err != nil {
		return ""
	}

	return ssh.FingerprintSHA256(public)
}

// keyHint says what to write in place of a name.
func keyHint(all []godo.Key, name string) string {
	var names []string
	for _, key := range all {
		names = append(names, key.Name)
	}

	if near := report.Nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}

	const upload = "`doctl compute ssh-key import NAME --public-key-file FILE` uploads one"
	if len(names) == 0 {
		return "it has none; " + upload
	}

	return "it has " + strings.Join(names, ", ") + "; " + upload
}

// checkKeys looks whether the account has the SSH keys before anything is made.
func (f *Fleet) checkKeys(ctx context.Context) error {
	_, err := f.fingerprints(ctx)
	return err
}

// wantedKeys comes before the nodes: which of them would be given others is not known while one is missing.
func (f *Fleet) wantedKeys(ctx context.Context, w *wanted) error {
	if len(f.Stack.SSHKeys) == 0 {
		return nil
	}

	all, err := f.keys.list(ctx, f.Client)
	if err != nil {
		return err
	}

	for _, name := range f.Stack.SSHKeys {
		if _, err := keyNamed(all, name); err != nil {
			w.unusable = append(w.unusable, unusable{
				kind:   KindSSHKey,
				name:   name,
				reason: err.Error(),
			})
		}
	}

	return nil
}
