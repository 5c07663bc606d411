package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/lab/state"
)

// sshKeys answers for SSH keys. It needs the state, and nothing else of the lab.
type sshKeys struct{ store *state.Store }

func (k *sshKeys) routes() map[string]handler {
	return map[string]handler{
		"GET /v2/account/keys":          k.listKeys,
		"POST /v2/account/keys":         k.createKey,
		"GET /v2/account/keys/{key}":    k.getKey,
		"PUT /v2/account/keys/{key}":    k.updateKey,
		"DELETE /v2/account/keys/{key}": k.deleteKey,
	}
}

type keyShape struct {
	ID          int    `json:"id"`
	Fingerprint string `json:"fingerprint"`
	PublicKey   string `json:"public_key"`
	Name        string `json:"name"`
}

func showKey(key state.Key) keyShape {
	return keyShape{
		ID:          key.ID,
		Fingerprint: key.Fingerprint,
		PublicKey:   key.PublicKey,
		Name:        key.Name,
	}
}

func (k *sshKeys) listKeys(r *http.Request) (*reply, error) {
	shown := []keyShape{}
	for _, key := range k.store.View().Keys {
		shown = append(shown, showKey(key))
	}

	return list(r, "ssh_keys", shown), nil
}

func (k *sshKeys) createKey(r *http.Request) (*reply, error) {
	var body struct {
		Name      string `json:"name"`
		PublicKey string `json:"public_key"`
	}

	if err := decode(r, &body); err != nil {
		return nil, err
	}

	if body.Name == "" {
		return nil, invalid("Name can't be blank")
	}

	// DigitalOcean refuses rubbish with 422
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(body.PublicKey))
	if err != nil {
		return nil, invalid("Key invalid, key should be in OpenSSH format")
	}

	key := state.Key{
		Name:        body.Name,
		PublicKey:   strings.TrimSpace(body.PublicKey),
		Fingerprint: ssh.FingerprintLegacyMD5(public),
	}

	err = k.store.Update(func(d *state.Document) error {
		// keys are unique by fingerprint: the same key again is 422
		if keyAt(d, key.Fingerprint) >= 0 {
			return invalid("SSH Key is already in use on your account")
		}

		key.ID = d.NextID()
		d.Keys = append(d.Keys, key)

		return nil
	})
	if err != nil {
		return nil, err
	}

	return one(http.StatusCreated, "ssh_key", showKey(key)), nil
}

// keyAt finds a key by its number or its fingerprint; -1 when there is none.
func keyAt(d *state.Document, name string) int {
	return slices.IndexFunc(d.Keys, func(key state.Key) bool {
		return key.Fingerprint == name || strconv.Itoa(key.ID) == name
	})
}

func (k *sshKeys) getKey(r *http.Request) (*reply, error) {
	d := k.store.View()
	i := keyAt(d, r.PathValue("key"))
	if i < 0 {
		return nil, notFound()
	}

	return one(http.StatusOK, "ssh_key", showKey(d.Keys[i])), nil
}

func (k *sshKeys) updateKey(r *http.Request) (*reply, error) {
	var body struct {
		Name string `json:"name"`
	}

	if err := decode(r, &body); err != nil {
		return nil, err
	}

	if body.Name == "" {
		return nil, invalid("Name can't be blank")
	}

	var key state.Key
	err := k.store.Update(func(d *state.Document) error {
		i := keyAt(d, r.PathValue("key"))
		if i < 0 {
			return notFound()
		}

		d.Keys[i].Name = body.Name
		key = d.Keys[i]

		return nil
	})
	if err != nil {
		return nil, err
	}

	return one(http.StatusOK, "ssh_key", showKey(key)), nil
}

func (k *sshKeys) deleteKey(r *http.Request) (*reply, error) {
	return noContent(), k.store.Update(func(d *state.Document) error {
		i := keyAt(d, r.PathValue("key"))
		if i < 0 {
			return notFound()
		}

		d.Keys = slices.Delete(d.Keys, i, i+1)

		return nil
	})
}
