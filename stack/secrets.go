package stack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
	"golang.org/x/sys/unix"
	"gopkg.in/yaml.v3"

	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/report"
)

// KeyVariable names the environment variable that says where the age identity is.
const KeyVariable = "HORNERO_AGE_KEY_FILE"

var (
	// ErrLocked is a secrets file that the identity at hand does not open.
	ErrLocked = errors.New("the secrets file cannot be opened with this key")
	// ErrNoKey is a secrets file whose identity is not there.
	ErrNoKey = errors.New("the secrets file is there, but its key is not")
	// ErrNoSecret is a name that the secrets file does not hold.
	ErrNoSecret = errors.New("no such secret")
	// ErrFixed is a secret that cannot be rotated, because all nodes trust it.
	ErrFixed = errors.New("the whole stack lives by it")
	// ErrForeign is a secret that is made elsewhere.
	ErrForeign = errors.New("it is not made here")
)

// Secrets is the encrypted file beside stack.yaml. Each change reads it anew under a lock, so that two who run
// hornero at once end with the same values.
type Secrets struct {
	path   string
	key    string
	notify func(string)
	values map[string]report.Secret
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

// OpenSecrets reads the secrets file. A file that is not there is an empty one; nothing is written before the first
// Ensure or Set. notify is told, in a line each, of everything made on first use; nil tells nobody.
func OpenSecrets(path, keyFile string, notify func(string)) (*Secrets, error) {
	if notify == nil {
		notify = func(string) {}
	}

	s := &Secrets{
		path:   path,
		key:    keyFile,
		notify: notify,
	}

	return s, s.read()
}

// Names lists what the file holds, sorted.
func (s *Secrets) Names() []string {
	return slices.Sorted(maps.Keys(s.values))
}

// Get returns one secret.
func (s *Secrets) Get(name string) (report.Secret, error) {
	if value, there := s.values[name]; there {
		return value, nil
	}

	// Names are no secrets; only values are kept out of messages.
	if near := report.Nearest(name, s.Names()); near != "" {
		return "", fmt.Errorf("%w: %q in %s; did you mean %q?", ErrNoSecret, name, s.path, near)
	}

	return "", fmt.Errorf(
		"%w: %q in %s; `hornero secrets list` names them, `hornero up` makes what is missing",
		ErrNoSecret,
		name,
		s.path,
	)
}

// Set puts a secret in place of whatever was there.
func (s *Secrets) Set(name string, value report.Secret) error {
	return s.update(func(values map[string]report.Secret) error {
		values[name] = value
		return nil
	})
}

func (s *Secrets) read() error {
	// A new stack has no file yet, and its key may not be made yet either.
	sealed, err := os.ReadFile(s.path)
	if os.IsNotExist(err) {
		s.values = map[string]report.Secret{}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read secrets: %w", err)
	}

	identity, err := readIdentity(s.key)
	if os.IsNotExist(err) {
		return fmt.Errorf("open %s: %w: %s; put the key back, or name it in %s", s.path, ErrNoKey, s.key, KeyVariable)
	}
	if err != nil {
		return err
	}

	s.values, err = unseal(sealed, identity)
	if err != nil {
		return fmt.Errorf(
			"open %s: %w: %s: %w; name the right key in %s; the file is left as it is",
			s.path,
			ErrLocked,
			s.key,
			err,
			KeyVariable,
		)
	}

	return nil
}

func unseal(sealed []byte, identity *age.X25519Identity) (map[string]report.Secret, error) {
	plain, err := age.Decrypt(bytes.NewReader(sealed), identity)
	if err != nil {
		return nil, err
	}

	text, err := io.ReadAll(plain)
	if err != nil {
		return nil, err
	}

	values := map[string]report.Secret{}
	if err := yaml.Unmarshal(text, &values); err != nil {
		// The cause is left out: it may quote a value.
		return nil, errors.New("it holds no mapping of names to values")
	}

	return values, nil
}

// update changes the file under a lock on its folder, from what it holds by then.
func (s *Secrets) update(change func(map[string]report.Secret) error) error {
	unlock, err := lockFolder(filepath.Dir(s.path))
	if err != nil {
		return fmt.Errorf("lock secrets: %w", err)
	}
	defer unlock()

	// Somebody else may have changed the file since it was opened.
	if err := s.read(); err != nil {
		return err
	}

	// Sealing the same values gives other bytes each time, which would look like a change.
	before := maps.Clone(s.values)
	if err := change(s.values); err != nil || maps.Equal(before, s.values) {
		return err
	}

	return s.write()
}

func (s *Secrets) write() error {
	identity, err := s.identity()
	if err != nil {
		return err
	}

	text, err := yaml.Marshal(s.values)
	if err != nil {
		return fmt.Errorf("write secrets: %w", err)
	}

	sealed := &bytes.Buffer{}
	plain, err := age.Encrypt(sealed, identity.Recipient())
	if err != nil {
		return fmt.Errorf("seal secrets: %w", err)
	}

	if _, err := plain.Write(text); err != nil {
		return fmt.Errorf("seal secrets: %w", err)
	}

	// The last chunk is sealed by Close: without it the file would not open.
	if err := plain.Close(); err != nil {
		return fmt.Errorf("seal secrets: %w", err)
	}

	_, err = file.Write(s.path, sealed.Bytes(), file.Options{Mode: 0o600})

	return err
}

func lockFolder(folder string) (func(), error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}

	handle, err := os.Open(folder)
	if err != nil {
		return nil, err
	}

	// The folder, not the file: a rename replaces the file, and with it a lock on it.
	if err := unix.Flock(int(handle.Fd()), unix.LOCK_EX); err != nil {
		handle.Close()
		return nil, err
	}

	// The kernel drops the lock with the descriptor, also when this process is killed.
	return func() { handle.Close() }, nil
}

// identity reads the age identity, making one when there is none.
func (s *Secrets) identity() (*age.X25519Identity, error) {
	identity, err := readIdentity(s.key)
	if !os.IsNotExist(err) {
		return identity, err
	}

	if err := os.MkdirAll(filepath.Dir(s.key), 0o700); err != nil {
		return nil, fmt.Errorf("make age key: %w", err)
	}

	if identity, err = age.GenerateX25519Identity(); err != nil {
		return nil, fmt.Errorf("make age key: %w", err)
	}

	text := fmt.Sprintf(
		"# opens the secrets files of Hornero's stacks; keep a copy in a safe place\n# public key: %s\n%s\n",
		identity.Recipient(),
		identity,
	)

	// An identity that is written over would lock every file that it sealed.
	switch err := writeNew(s.key, text); {
	case errors.Is(err, fs.ErrExist):
		return readIdentity(s.key) // somebody else made it meanwhile
	case err != nil:
		return nil, fmt.Errorf("make age key: %w", err)
	}

	s.notify("made the age key " + s.key + "; keep a copy: without it the secrets cannot be read")

	return identity, nil
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

func readIdentity(path string) (*age.X25519Identity, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}

	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}

		// The cause is left out: it may quote the line, which may be a damaged key.
		identity, err := age.ParseX25519Identity(line)
		if err != nil {
			return nil, fmt.Errorf("read age key %s: it is no age identity; name the right one in %s",
				path, KeyVariable)
		}

		return identity, nil
	}

	return nil, fmt.Errorf("read age key %s: it holds no identity; name the right one in %s", path, KeyVariable)
}
