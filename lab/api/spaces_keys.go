package api

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"net/http"
	"slices"
	"time"

	"github.com/hornero/hornero/lab/state"
)

// spacesKeys answers for access keys of Spaces. It needs the state and the time, and nothing else of the lab.
type spacesKeys struct {
	store *state.Store
	now   func() time.Time
}

func (k *spacesKeys) routes() map[string]handler {
	return map[string]handler{
		"GET /v2/spaces/keys":          k.listSpacesKeys,
		"POST /v2/spaces/keys":         k.createSpacesKey,
		"GET /v2/spaces/keys/{key}":    k.getSpacesKey,
		"PUT /v2/spaces/keys/{key}":    k.updateSpacesKey,
		"PATCH /v2/spaces/keys/{key}":  k.updateSpacesKey,
		"DELETE /v2/spaces/keys/{key}": k.deleteSpacesKey,
	}
}

// maxSpacesKeyName is how long the name of a key may be.
const maxSpacesKeyName = 63

type spacesKeyShape struct {
	Name      string              `json:"name"`
	AccessKey string              `json:"access_key"`
	SecretKey string              `json:"secret_key,omitempty"` // in the answer to its creation only
	CreatedAt string              `json:"created_at"`
	Grants    []state.SpacesGrant `json:"grants"`
}

func showSpacesKey(key state.SpacesKey) spacesKeyShape {
	return spacesKeyShape{
		Name:      key.Name,
		AccessKey: key.AccessKey,
		CreatedAt: showTime(key.Created),
		Grants:    orEmpty(key.Grants),
	}
}

func (k *spacesKeys) listSpacesKeys(r *http.Request) (*reply, error) {
	query := r.URL.Query()
	name, bucket := query.Get("name"), query.Get("bucket")
	shown := []spacesKeyShape{}

	for _, key := range k.store.View().SpacesKeys {
		nameFits := name == "" || name == key.Name
		bucketFits := bucket == "" || slices.ContainsFunc(key.Grants, func(g state.SpacesGrant) bool {
			return g.Bucket == bucket
		})

		if nameFits && bucketFits {
			shown = append(shown, showSpacesKey(key))
		}
	}

	return list(r, "keys", shown), nil
}

func (k *spacesKeys) getSpacesKey(r *http.Request) (*reply, error) {
	key := k.store.View().SpacesKey(r.PathValue("key"))
	if key == nil {
		return nil, notFound()
	}

	return one(http.StatusOK, "key", showSpacesKey(*key)), nil
}

type spacesKeyRequest struct {
	Name   string               `json:"name"`
	Grants *[]state.SpacesGrant `json:"grants"`
}

// apply changes a key to what the request says, and checks the result.
func (b *spacesKeyRequest) apply(key *state.SpacesKey) error {
	set(&key.Name, b.Name)

	// a PATCH may leave the grants as they are
	if b.Grants != nil {
		key.Grants = *b.Grants
	}

	if !validName(key.Name, "-_.") || len(key.Name) > maxSpacesKeyName {
		return invalid("name must be letters, digits, dots, dashes and underscores, at most %d", maxSpacesKeyName)
	}

	for _, grant := range key.Grants {
		if err := checkGrant(grant); err != nil {
			return err
		}
	}

	return nil
}

func checkGrant(grant state.SpacesGrant) error {
	switch grant.Permission {
	case "fullaccess":
		// full access is to all buckets, and to the list of them
		if grant.Bucket != "" {
			return invalid("a fullaccess grant is for all buckets: leave bucket empty")
		}

	case "read", "readwrite":
		if grant.Bucket == "" {
			return invalid("a %s grant needs a bucket", grant.Permission)
		}

	default:
		return invalid("permission must be one of read, readwrite, fullaccess, not %q", grant.Permission)
	}

	return nil
}

// newSpacesKey makes a pair in the form of Spaces: 20 characters that begin with DO, and a secret of 43.
func newSpacesKey() (access, secret string) {
	var random [10 + 32]byte
	rand.Read(random[:])

	access = "DO00" + base32.StdEncoding.EncodeToString(random[:10])
	secret = base64.RawURLEncoding.EncodeToString(random[10:])

	return access, secret
}

func (k *spacesKeys) createSpacesKey(r *http.Request) (*reply, error) {
	var body spacesKeyRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	key := state.SpacesKey{
		Created: k.now(),
		Grants:  []state.SpacesGrant{},
	}

	key.AccessKey, key.Secret = newSpacesKey()

	if err := body.apply(&key); err != nil {
		return nil, err
	}

	err := k.store.Update(func(d *state.Document) error {
		d.SpacesKeys = append(d.SpacesKeys, key)
		return nil
	})
	if err != nil {
		return nil, err
	}

	// DigitalOcean shows the secret once, in this answer
	shown := showSpacesKey(key)
	shown.SecretKey = key.Secret

	return one(http.StatusCreated, "key", shown), nil
}

func (k *spacesKeys) updateSpacesKey(r *http.Request) (*reply, error) {
	var body spacesKeyRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	var shown spacesKeyShape
	err := k.store.Update(func(d *state.Document) error {
		key := d.SpacesKey(r.PathValue("key"))
		if key == nil {
			return notFound()
		}

		if err := body.apply(key); err != nil {
			return err
		}

		shown = showSpacesKey(*key)

		return nil
	})
	if err != nil {
		return nil, err
	}

	return one(http.StatusOK, "key", shown), nil
}

func (k *spacesKeys) deleteSpacesKey(r *http.Request) (*reply, error) {
	access := r.PathValue("key")

	return noContent(), k.store.Update(func(d *state.Document) error {
		if d.SpacesKey(access) == nil {
			return notFound()
		}

		d.SpacesKeys = slices.DeleteFunc(d.SpacesKeys, func(x state.SpacesKey) bool {
			return x.AccessKey == access
		})

		return nil
	})
}
