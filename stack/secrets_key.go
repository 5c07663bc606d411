package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"github.com/hornero/hornero/internal/report"
)

const (
	// KeyVariable names the environment variable that says in which file the age identity is.
	KeyVariable = "HORNERO_AGE_KEY_FILE"
	// KeyTextVariable names the one that holds the identity itself, as CI gives it.
	KeyTextVariable = "HORNERO_AGE_KEY"
)

// Key is where the age identity is that opens a secrets file.
type Key struct {
	File string
	Text report.Secret // the identity itself; File is not looked at then
}

// String names the key in messages, and shows nothing of it.
func (k Key) String() string {
	if k.Text != "" {
		return "the key in " + KeyTextVariable
	}

	return k.File
}

// DefaultKey is the key of whoever runs hornero: the one in HORNERO_AGE_KEY, else the default file's.
func DefaultKey() (Key, error) {
	// CI gives an empty one to whom it tells no secrets.
	if text := strings.TrimSpace(os.Getenv(KeyTextVariable)); text != "" {
		return Key{Text: report.Secret(text)}, nil
	}

	path, err := DefaultKeyFile()

	return Key{File: path}, err
}

// DefaultKeyFile is where the age identity is when nothing else says so.
func DefaultKeyFile() (string, error) {
	if path := os.Getenv(KeyVariable); path != "" {
		return path, nil
	}

	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the age key: %w; name the key file in %s", err, KeyVariable)
	}

	return filepath.Join(home, ".config", "hornero", "age.key"), nil
}

// PublicKey is what others seal a secrets file to, so that this key opens it. One is made where there is none.
func PublicKey(key Key, notify func(string)) (string, error) {
	s := &Secrets{
		key:    key,
		notify: notify,
	}

	identities, err := s.identities()
	if err != nil {
		return "", err
	}

	return identities[0].Recipient().String(), nil
}

// identities reads the age identities, making one when there is none.
func (s *Secrets) identities() ([]*age.X25519Identity, error) {
	identities, err := s.key.identities()
	if !os.IsNotExist(err) {
		return identities, err
	}

	path := s.key.File
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make age key: %w", err)
	}

	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("make age key: %w", err)
	}

	text := fmt.Sprintf(
		"# opens the secrets files of Hornero's stacks; keep a copy in a safe place\n# public key: %s\n%s\n",
		identity.Recipient(),
		identity,
	)

	// An identity that is written over would lock every file that it sealed.
	switch err := writeNew(path, text); {
	case errors.Is(err, fs.ErrExist):
		return s.key.identities() // somebody else made it meanwhile
	case err != nil:
		return nil, fmt.Errorf("make age key: %w", err)
	}

	s.notify("made the age key " + path + "; keep a copy: without it the secrets cannot be read")

	return []*age.X25519Identity{identity}, nil
}

// writeNew writes a file that must not be there yet. It appears whole or not at all, and of two writers one wins: the
// other gets fs.ErrExist.
func writeNew(path, text string) error {
	draft, err := os.CreateTemp(filepath.Dir(path), ".age-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())

	_, err = draft.WriteString(text)
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return err
	}

	// Unlike a rename, a link never replaces what is there.
	return os.Link(draft.Name(), path)
}

// identities are those of the key, in their order: files are sealed to the first, and opened with any.
func (k Key) identities() ([]*age.X25519Identity, error) {
	if k.Text != "" {
		return parseIdentities(k.Text.Reveal(), KeyTextVariable, "it holds the text of a key file, not its name")
	}

	text, err := os.ReadFile(k.File)
	if err != nil {
		return nil, err
	}

	return parseIdentities(string(text), k.File, "name the right one in "+KeyVariable)
}

// parseIdentities reads what a key file says; hint tells what to do where it says something else.
func parseIdentities(text, from, hint string) ([]*age.X25519Identity, error) {
	var identities []*age.X25519Identity

	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}

		// The cause is left out: it may quote the line, which may be a damaged key.
		identity, err := age.ParseX25519Identity(line)
		if err != nil {
			return nil, fmt.Errorf("read age key %s: it is no age identity; %s", from, hint)
		}

		identities = append(identities, identity)
	}

	if len(identities) == 0 {
		return nil, fmt.Errorf("read age key %s: it holds no identity; %s", from, hint)
	}

	return identities, nil
}
