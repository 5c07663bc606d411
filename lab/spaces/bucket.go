package spaces

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rclone/gofakes3"
)

// What a bucket's folder holds beside bucket.json: a document for each object, named by the digest of its key,
// since a key may be longer than a file's name and hold what it may not; the bytes that documents name; and
// uploads in parts.
const (
	bucketDocument = "bucket.json"
	objectsFolder  = "objects"
	blobsFolder    = "blobs"
	uploadsFolder  = "uploads"
)

// bucket is a bucket with all that is known of its objects; only their bytes are on disk alone.
type bucket struct {
	Name    string    `json:"name"`
	Region  string    `json:"region"`
	ACL     string    `json:"acl"`
	Created time.Time `json:"created"`

	folder  string
	mutex   sync.RWMutex
	gone    bool
	objects map[string]*object
	keys    []string // of objects, sorted
	uploads map[string]*upload
}

// object is one version of an object. It is not changed once it is in a bucket; another takes its place.
type object struct {
	Key      string            `json:"key"`
	Blob     string            `json:"blob"`
	Size     int64             `json:"size"`
	MD5      string            `json:"md5"`
	Parts    []int64           `json:"parts,omitempty"` // the sizes of its parts when it came in parts
	ACL      string            `json:"acl"`
	Metadata map[string]string `json:"metadata"`
}

// modified is when the object was written, to the second: headers can't say more.
func (o *object) modified() time.Time {
	at, _ := http.ParseTime(o.Metadata["Last-Modified"])
	return at
}

func (b *bucket) document() string {
	return filepath.Join(b.folder, bucketDocument)
}

func (b *bucket) blobFile(blob string) string {
	return filepath.Join(b.folder, blobsFolder, blob)
}

func (b *bucket) uploadFolder(id string) string {
	return filepath.Join(b.folder, uploadsFolder, id)
}

func (b *bucket) objectFile(key string) string {
	digest := sha256.Sum256([]byte(key))
	return filepath.Join(b.folder, objectsFolder, hex.EncodeToString(digest[:])+".json")
}

func openBucket(folder string) (*bucket, error) {
	b := &bucket{
		folder:  folder,
		objects: map[string]*object{},
		uploads: map[string]*upload{},
	}

	if err := read(b.document(), b); err != nil {
		return nil, err
	}

	if err := b.openObjects(); err != nil {
		return nil, err
	}

	return b, b.openUploads()
}

// openObjects reads what objects there are, and removes bytes that belong to none: of a write that did not end.
func (b *bucket) openObjects() error {
	used := map[string]bool{}
	documents, err := os.ReadDir(filepath.Join(b.folder, objectsFolder))
	if err != nil {
		return err
	}

	for _, entry := range documents {
		path := filepath.Join(b.folder, objectsFolder, entry.Name())
		if strings.HasPrefix(entry.Name(), ".") { // a document that was being written
			os.Remove(path)
			continue
		}

		opened := &object{}

		if err := read(path, opened); err != nil {
			return err
		}

		b.objects[opened.Key] = opened
		b.keys = append(b.keys, opened.Key)
		used[opened.Blob] = true
	}

	slices.Sort(b.keys)

	blobs, err := os.ReadDir(filepath.Join(b.folder, blobsFolder))
	if err != nil {
		return err
	}

	for _, entry := range blobs {
		if !used[entry.Name()] {
			os.Remove(b.blobFile(entry.Name()))
		}
	}

	return nil
}

// object finds an object.
func (b *bucket) object(key string) (*object, error) {
	b.mutex.RLock()
	defer b.mutex.RUnlock()

	if found := b.objects[key]; found != nil {
		return found, nil
	}

	return nil, gofakes3.KeyNotFound(key)
}

// put puts an object, whose bytes are on disk, in the place of what has its key. Its bytes go when it can't be put.
func (b *bucket) put(ctx context.Context, o *object) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	err := b.putLocked(ctx, o)
	if err != nil {
		os.Remove(b.blobFile(o.Blob))
	}

	return err
}

func (b *bucket) putLocked(ctx context.Context, o *object) error {
	if b.gone {
		return gofakes3.BucketNotFound(b.Name)
	}

	before, etag := b.objects[o.Key], ""
	if before != nil {
		etag = before.MD5
	}

	// If-Match and If-None-Match are checked under the lock: of two writers one must lose.
	if err := gofakes3.CheckWriteConditions(ctx, before != nil, etag); err != nil {
		return err
	}

	// The document is the object: until it is renamed into place the old one is answered, also after a crash.
	if err := keep(b.objectFile(o.Key), o); err != nil {
		return fmt.Errorf("keep object %s: %w", o.Key, err)
	}

	b.objects[o.Key] = o

	if before == nil {
		// The keys stay sorted: a listing finds the beginning of its page by that.
		i, _ := slices.BinarySearch(b.keys, o.Key)
		b.keys = slices.Insert(b.keys, i, o.Key)
	} else if before.Blob != o.Blob {
		os.Remove(b.blobFile(before.Blob)) // whoever reads it has it open
	}

	return nil
}

// change puts a changed copy of an object in its place; its bytes stay.
func (b *bucket) change(key string, change func(*object)) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	before := b.objects[key]
	if before == nil {
		return gofakes3.KeyNotFound(key)
	}

	changed := *before
	change(&changed)

	return b.putLocked(context.Background(), &changed)
}

// delete removes an object; one that is not there is no error.
func (b *bucket) delete(key string) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	o := b.objects[key]
	if o == nil {
		return nil
	}

	// The document goes first: bytes without one are removed at the next start.
	if err := os.Remove(b.objectFile(key)); err != nil {
		return fmt.Errorf("delete object %s: %w", key, err)
	}

	os.Remove(b.blobFile(o.Blob))
	delete(b.objects, key)

	i, _ := slices.BinarySearch(b.keys, key)
	b.keys = slices.Delete(b.keys, i, i+1)

	return nil
}

// acl tells who may list the bucket.
func (b *bucket) acl() string {
	b.mutex.RLock()
	defer b.mutex.RUnlock()
	return b.ACL
}

func (b *bucket) setACL(acl string) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	if b.gone {
		return gofakes3.BucketNotFound(b.Name)
	}

	before := b.ACL
	b.ACL = acl

	if err := keep(b.document(), b); err != nil {
		// What was not written must not be answered: after a restart it would be gone.
		b.ACL = before
		return fmt.Errorf("keep bucket %s: %w", b.Name, err)
	}

	return nil
}
