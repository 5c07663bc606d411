package stack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"filippo.io/age"
	"golang.org/x/sys/unix"
	"gopkg.in/yaml.v3"

	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/report"
)

var (
	// ErrLocked is a secrets file that the identity at hand does not open.
	ErrLocked = errors.New("the secrets file cannot be opened with this key")
	// ErrNoKey is a secrets file whose identity is not there.
	ErrNoKey = errors.New("the secrets file is there, but its key is not")
	// ErrNoSecret is a name that the secrets file does not hold.
	ErrNoSecret = errors.New("no such secret")
	// ErrFixed is a secret that cannot be rotated, because all nodes trust it.
	ErrFixed = errors.New("the whole stack lives by it")
	// ErrMeanwhile is a secret that somebody else changed in between.
	ErrMeanwhile = errors.New("somebody else changed it meanwhile")
	// ErrForeign is a secret that is made elsewhere.
	ErrForeign = errors.New("it is not made here")
)

// Secrets is the encrypted file beside stack.yaml. Each change reads it anew under a lock, so that two who run
// hornero at once end with the same values.
type Secrets struct {
	path   string
	key    Key
	notify func(string)
	values map[string]report.Secret
	sealed []Recipient // those whom the file is sealed to; none while there is no file
}

// OpenSecrets reads the secrets file. A file that is not there is an empty one; nothing is written before the first
// Ensure or Set. notify is told, in a line each, of everything made on first use; nil tells nobody.
func OpenSecrets(path, keyFile string, notify func(string)) (*Secrets, error) {
	return OpenSecretsWith(path, Key{File: keyFile}, notify)
}

// OpenSecretsWith is OpenSecrets with a key that need not be a file's.
func OpenSecretsWith(path string, key Key, notify func(string)) (*Secrets, error) {
	if notify == nil {
		notify = func(string) {}
	}

	s := &Secrets{
		path:   path,
		key:    key,
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
		s.sealed = nil

		return nil
	}
	if err != nil {
		return fmt.Errorf("read secrets: %w", err)
	}

	identities, err := s.key.identities()
	if os.IsNotExist(err) {
		return fmt.Errorf("open %s: %w: %s; put the key back, or name it in %s", s.path, ErrNoKey, s.key, KeyVariable)
	}
	if err != nil {
		return err
	}

	text, err := unseal(sealed, identities)
	if err != nil {
		return fmt.Errorf(
			"open %s: %w: %s: %w; name the right key in %s, or ask whoever can open it to add yours: "+
				"`hornero secrets recipients key` prints it; the file is left as it is",
			s.path,
			ErrLocked,
			s.key,
			err,
			KeyVariable,
		)
	}

	values := map[string]report.Secret{}
	if err := yaml.Unmarshal(text, &values); err != nil {
		// The cause is left out: it may quote a value.
		return fmt.Errorf("open %s: %w: it holds no mapping of names to values", s.path, ErrLocked)
	}

	s.values = values
	s.sealed = sealedTo(text, identities[0])

	return nil
}

func unseal(sealed []byte, identities []*age.X25519Identity) ([]byte, error) {
	var keys []age.Identity
	for _, identity := range identities {
		keys = append(keys, identity)
	}

	plain, err := age.Decrypt(bytes.NewReader(sealed), keys...)
	if err != nil {
		return nil, err
	}

	return io.ReadAll(plain)
}

// update changes the file under a lock on its folder, from what it holds by then.
func (s *Secrets) update(change func(map[string]report.Secret) error) error {
	return s.locked(func() error {
		// Sealing the same values gives other bytes each time, which would look like a change.
		before := maps.Clone(s.values)
		if err := change(s.values); err != nil || maps.Equal(before, s.values) {
			return err
		}

		identities, err := s.identities()
		if err != nil {
			return err
		}

		to, err := s.recipients(identities)
		if err != nil {
			return err
		}

		return s.write(to)
	})
}

// locked runs work while nobody else changes the file, with what the file holds by then.
func (s *Secrets) locked(work func() error) error {
	unlock, err := lockFolder(filepath.Dir(s.path))
	if err != nil {
		return fmt.Errorf("lock secrets: %w", err)
	}
	defer unlock()

	// Somebody else may have changed the file since it was opened.
	if err := s.read(); err != nil {
		return err
	}

	return work()
}

// write seals the values to recipients, and puts the file in the old one's place whole or not at all.
func (s *Secrets) write(to []Recipient) error {
	text, err := yaml.Marshal(s.values)
	if err != nil {
		return fmt.Errorf("write secrets: %w", err)
	}

	var keys []age.Recipient
	for _, recipient := range to {
		key, err := age.ParseX25519Recipient(recipient.Key)
		if err != nil {
			return fmt.Errorf("seal secrets to %s: %w", recipient.Key, err)
		}

		keys = append(keys, key)
	}

	sealed := &bytes.Buffer{}
	plain, err := age.Encrypt(sealed, keys...)
	if err != nil {
		return fmt.Errorf("seal secrets: %w", err)
	}

	// The list is sealed, too: whoever may only change the file of recipients must not become one of them unseen.
	if _, err := plain.Write(append(sealedNote(to), text...)); err != nil {
		return fmt.Errorf("seal secrets: %w", err)
	}

	// The last chunk is sealed by Close: without it the file would not open.
	if err := plain.Close(); err != nil {
		return fmt.Errorf("seal secrets: %w", err)
	}

	// The drafts of writers that were killed: under the lock nobody else has one.
	drafts, _ := filepath.Glob(filepath.Join(filepath.Dir(s.path), "."+filepath.Base(s.path)+".*"))
	for _, draft := range drafts {
		os.Remove(draft)
	}

	if _, err := file.Write(s.path, sealed.Bytes(), file.Options{Mode: 0o600}); err != nil {
		return err
	}

	s.sealed = to

	return nil
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
