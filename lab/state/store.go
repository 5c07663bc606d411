// Package state owns what the lab remembers: one JSON document, written whole and by rename on every change, read
// again when the lab starts. A change is made on a copy and becomes the state only once it is on disk, so a
// reader never sees half of it and a full disk loses none. It knows nothing of HTTP, and nothing of how a
// Droplet is run.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/hornero/hornero/internal/file"
)

// ErrVersion is the error of a document that another version of the lab wrote.
var ErrVersion = errors.New("the lab's state was written by another version")

// Store holds the document and its file.
type Store struct {
	path    string
	writing sync.Mutex
	current atomic.Pointer[Document]
	written []byte // the current document's bytes; under writing
}

// Open reads the document at path, or begins a new one with what fresh sets up.
func Open(path string, fresh func(*Document)) (*Store, error) {
	store := &Store{path: path}

	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return store, store.begin(fresh)
	}
	if err != nil {
		return nil, fmt.Errorf("read the lab's state: %w", err)
	}

	document := &Document{}
	if err := json.Unmarshal(data, document); err != nil {
		return nil, fmt.Errorf("read the lab's state %s: %w; `hornero lab reset` begins anew", path, err)
	}

	if document.Version == Version {
		// the file is as this version writes it, and need not be written again
		store.written = data
		store.current.Store(document)

		return store, nil
	}

	// an upgraded document is written at once: an older lab refuses it from here on
	if err := upgrade(document); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}

	return store, store.publish(document)
}

func (s *Store) begin(fresh func(*Document)) error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("make the lab's folder: %w", err)
	}

	document := &Document{
		Version: Version,
		LastID:  firstID,
	}
	if fresh != nil {
		fresh(document)
	}

	return s.publish(document)
}

// View returns the document as it is now. It must not be changed; it stays as it is while others change the state.
func (s *Store) View() *Document {
	return s.current.Load()
}

// Update makes one change: change works on a copy, which becomes the state when change returns nil and the copy is
// on disk. After any error the state is what it was.
func (s *Store) Update(change func(*Document) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()

	// from its bytes: a copy made field by field would share slices with what readers hold
	document := &Document{}
	if err := json.Unmarshal(s.written, document); err != nil {
		return fmt.Errorf("copy the lab's state: %w", err)
	}

	if err := change(document); err != nil {
		return err
	}

	return s.publish(document)
}

func (s *Store) publish(document *Document) error {
	data, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("encode the lab's state: %w", err)
	}

	if _, err := file.Write(s.path, data, file.Options{Mode: 0o600}); err != nil {
		return fmt.Errorf("keep the lab's state: %w", err)
	}

	// the file comes first: after an error readers go on with the state before
	s.written = data
	s.current.Store(document)

	return nil
}
