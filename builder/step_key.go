package builder

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/digitalocean/godo"
	"github.com/hashicorp/packer-plugin-sdk/multistep"
	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/internal/do"
)

// stepKey sees to it that the Droplet lets the build in: it gives the build's public key to the API, unless the
// account has it.
type stepKey struct {
	*build
	began bool
	id    int
}

func (s *stepKey) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	keys := s.config.extraKeys()

	// With a key file and named keys the user vouches that the file's key is among them.
	if s.config.Comm.SSHPrivateKeyFile == "" || len(keys) == 0 {
		own, err := s.ownKey(ctx)
		if err != nil {
			return halt(state, err)
		}

		keys = append(keys, own)
	}

	state.Put("keys", keys)

	return multistep.ActionContinue
}

// extraKeys are the account's keys that the configuration names.
func (c *Config) extraKeys() []godo.DropletCreateSSHKey {
	var keys []godo.DropletCreateSSHKey
	if c.SSHKeyID != 0 {
		keys = append(keys, godo.DropletCreateSSHKey{ID: c.SSHKeyID})
	}

	for _, text := range c.SSHKeyIDs {
		id, err := strconv.Atoi(text)
		if err != nil {
			keys = append(keys, godo.DropletCreateSSHKey{Fingerprint: text})
		} else {
			keys = append(keys, godo.DropletCreateSSHKey{ID: id})
		}
	}

	return keys
}

// ownKey is the key that the build logs in with: of a file of the user's, which the account may have, or made
// for this build.
func (s *stepKey) ownKey(ctx context.Context) (godo.DropletCreateSSHKey, error) {
	if s.config.Comm.SSHPrivateKeyFile != "" {
		found, err := s.inAccount(ctx)
		if err != nil || found.ID != 0 {
			return found, err
		}
	}

	// Set before the request: its answer may be lost, and the key there.
	s.began = true

	request := &godo.KeyCreateRequest{
		Name:      s.owner.tag(),
		PublicKey: strings.TrimSpace(string(s.config.Comm.SSHPublicKey)),
	}
	create := func(ctx context.Context) (*godo.Key, error) {
		key, _, err := s.client.Keys.Create(ctx, request)
		return key, err
	}

	key, err := do.Ensure(ctx,
		"create SSH key",
		s.config.wait(s.config.StateTimeout),
		s.byName,
		create,
	)
	if err != nil {
		return godo.DropletCreateSSHKey{}, err
	}

	s.id = key.ID

	return godo.DropletCreateSSHKey{ID: key.ID}, nil
}

// inAccount finds the build's key among the account's: the API takes none twice.
func (s *stepKey) inAccount(ctx context.Context) (godo.DropletCreateSSHKey, error) {
	public, _, _, _, err := ssh.ParseAuthorizedKey(s.config.Comm.SSHPublicKey)
	if err != nil {
		return godo.DropletCreateSSHKey{}, fmt.Errorf(
			"read public key of %s: %w",
			s.config.Comm.SSHPrivateKeyFile,
			err,
		)
	}

	keys, err := do.Keys(ctx, s.client)
	at := slices.IndexFunc(keys, func(key godo.Key) bool {
		// MD5 is the fingerprint that the API shows.
		return key.Fingerprint == ssh.FingerprintLegacyMD5(public)
	})
	if err != nil || at < 0 {
		return godo.DropletCreateSSHKey{}, err
	}

	return godo.DropletCreateSSHKey{ID: keys[at].ID}, nil
}

// byName finds the key that this build made.
func (s *stepKey) byName(ctx context.Context) (*godo.Key, error) {
	keys, err := do.Keys(ctx, s.client)
	for i, key := range keys {
		if key.Name == s.owner.tag() {
			return &keys[i], nil
		}
	}

	return nil, err
}

// Cleanup deletes the key; when the answer to its creation was lost it is found by its name.
func (s *stepKey) Cleanup(multistep.StateBag) {
	if !s.began {
		return
	}

	s.cleanup("the SSH key "+s.owner.tag(), func(ctx context.Context) error {
		if s.id == 0 {
			key, err := s.byName(ctx)
			if err != nil || key == nil {
				return err
			}

			s.id = key.ID
		}

		if _, err := s.client.Keys.DeleteByID(ctx, s.id); err != nil && !do.IsNotFound(err) {
			return err
		}

		return nil
	})
}
