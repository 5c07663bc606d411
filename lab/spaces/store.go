package spaces

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rclone/gofakes3"

	"github.com/hornero/hornero/internal/file"
)

// store is all buckets of all regions. A name is given once: a grant names a bucket without its region.
type store struct {
	folder  string
	mutex   sync.RWMutex
	buckets map[string]*bucket
}

// openStore reads all buckets. A folder without a bucket.json is one that was being made or removed.
func openStore(folder string) (*store, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of Spaces: %w", err)
	}

	s := &store{
		folder:  folder,
		buckets: map[string]*bucket{},
	}

	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("list buckets: %w", err)
	}

	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())

		if _, err := os.Stat(filepath.Join(path, bucketDocument)); errors.Is(err, fs.ErrNotExist) {
			// Its document is written last and removed first.
			removeAll(path)
			continue
		}

		opened, err := openBucket(path)
		if err != nil {
			return nil, fmt.Errorf("open bucket %s: %w", entry.Name(), err)
		}

		s.buckets[opened.Name] = opened
	}

	return s, nil
}

// find returns a region's bucket.
func (s *store) find(region, name string) (*bucket, error) {
	s.mutex.RLock()
	defer s.mutex.RUnlock()

	// Names are unique over all regions, but only its own region answers for a bucket.
	if b := s.buckets[name]; b != nil && b.Region == region {
		return b, nil
	}

	return nil, gofakes3.BucketNotFound(name)
}

func (s *store) create(region, name, acl string) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	if s.buckets[name] != nil {
		return gofakes3.ResourceError(gofakes3.ErrBucketAlreadyExists, name)
	}

	made := &bucket{
		Name:    name,
		Region:  region,
		ACL:     acl,
		Created: time.Now().UTC(),
		folder:  filepath.Join(s.folder, name),
		objects: map[string]*object{},
		uploads: map[string]*upload{},
	}

	for _, part := range []string{objectsFolder, blobsFolder, uploadsFolder} {
		if err := os.MkdirAll(filepath.Join(made.folder, part), 0o700); err != nil {
			return fmt.Errorf("make bucket %s: %w", name, err)
		}
	}

	// The document comes last: a crash before it leaves a folder that the next start removes.
	if err := keep(made.document(), made); err != nil {
		return fmt.Errorf("make bucket %s: %w", name, err)
	}

	s.buckets[name] = made

	return nil
}

// remove removes an empty bucket, and the uploads that nobody completed.
func (s *store) remove(b *bucket) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	// Both locks: no object can come between the check that there is none and the end of the bucket.
	b.mutex.Lock()
	defer b.mutex.Unlock()

	switch {
	case b.gone:
		return gofakes3.BucketNotFound(b.Name)
	case len(b.objects) > 0:
		return gofakes3.ResourceError(gofakes3.ErrBucketNotEmpty, b.Name)
	}

	if err := os.Remove(b.document()); err != nil { // the rest is nothing without it
		return fmt.Errorf("remove bucket %s: %w", b.Name, err)
	}

	// Whoever found the bucket before waits for its lock, and must not write to it then.
	b.gone = true
	delete(s.buckets, b.Name)
	removeAll(b.folder)

	return nil
}

// keep writes a document as JSON.
func keep(path string, document any) error {
	data, err := json.Marshal(document)
	if err != nil {
		return err
	}

	_, err = file.Write(path, data, file.Options{Mode: 0o600})

	return err
}

func read(path string, document any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, document); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}

	return nil
}

// removeAll removes a folder that nobody asks for any more. What is left of it goes when the lab starts again.
func removeAll(folder string) { os.RemoveAll(folder) }
