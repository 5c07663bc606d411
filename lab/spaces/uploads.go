package spaces

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rclone/gofakes3"
)

// minPart is how small a part may be that is not the last.
const minPart = 5 << 20

// upload is an object that comes in parts. Its folder holds upload.json, and each part under its number and digest.
type upload struct {
	Key      string            `json:"key"`
	ACL      string            `json:"acl"`
	Metadata map[string]string `json:"metadata"`

	parts map[int]part
}

type part struct {
	digest string
	size   int64
	at     time.Time
}

func (p part) etag() string {
	return `"` + p.digest + `"`
}

func (p part) file(number int) string {
	return strconv.Itoa(number) + "." + p.digest
}

func (b *bucket) uploadFile(id string) string {
	return filepath.Join(b.uploadFolder(id), "upload.json")
}

// openUploads finds the uploads that were not completed. A folder without upload.json was being made or removed.
func (b *bucket) openUploads() error {
	entries, err := os.ReadDir(filepath.Join(b.folder, uploadsFolder))
	if err != nil {
		return err
	}

	for _, entry := range entries {
		id, opened := entry.Name(), &upload{parts: map[int]part{}}
		err := read(b.uploadFile(id), opened)
		if errors.Is(err, fs.ErrNotExist) {
			removeAll(b.uploadFolder(id))
			continue
		}

		if err == nil {
			err = opened.openParts(b.uploadFolder(id))
		}
		if err != nil {
			return err
		}

		b.uploads[id] = opened
	}

	return nil
}

// openParts finds the parts. Of two with one number the later counts: the earlier was about to be removed.
func (u *upload) openParts(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}

	for _, entry := range entries {
		before, digest, _ := strings.Cut(entry.Name(), ".")
		number, err := strconv.Atoi(before)
		if err != nil {
			continue // upload.json, or a part that did not come whole
		}

		info, err := entry.Info()
		if err != nil {
			return err
		}

		if found := (part{
			digest: digest,
			size:   info.Size(),
			at:     info.ModTime(),
		}); found.at.After(u.parts[number].at) {
			u.parts[number] = found
		}
	}

	return nil
}

// upload finds an upload and must be called with the bucket locked.
func (b *bucket) upload(key string, id gofakes3.UploadID) (*upload, error) {
	if u := b.uploads[string(id)]; u != nil && u.Key == key && !b.gone {
		return u, nil
	}

	return nil, gofakes3.ErrNoSuchUpload
}

// CreateMultipartUpload begins an upload, or tells the id of one that is on disk.
func (r *backend) CreateMultipartUpload(
	ctx context.Context,
	name, key string,
	metadata map[string]string,
) (gofakes3.UploadID, error) {
	if known, ok := ctx.Value(resumedUpload{}).(resumedUpload); ok {
		return gofakes3.UploadID(known.id), nil
	}

	b, err := r.bucket(name)
	if err != nil {
		return "", err
	}

	id, made := rand.Text(), &upload{
		Key:      key,
		ACL:      aclOf(ctx),
		Metadata: metadata,
		parts:    map[int]part{},
	}

	b.mutex.Lock()
	defer b.mutex.Unlock()

	// The bucket may have been removed since it was found.
	if b.gone {
		return "", gofakes3.BucketNotFound(name)
	}

	if err := keep(b.uploadFile(id), made); err != nil {
		return "", fmt.Errorf("begin upload of %s: %w", key, err)
	}

	b.uploads[id] = made

	return gofakes3.UploadID(id), nil
}

// UploadPart receives one part; an earlier one of its number gives way.
func (r *backend) UploadPart(
	ctx context.Context,
	name, key string,
	id gofakes3.UploadID,
	number int,
	size int64,
	body io.Reader,
) (string, error) {
	if known, ok := ctx.Value(resumedUpload{}).(resumedUpload); ok {
		return known.etag, nil
	}

	b, err := r.bucket(name)
	if err != nil {
		return "", err
	}

	// Asked before the bytes come, so that a client with a wrong id need not send them all.
	b.mutex.RLock()
	_, err = b.upload(key, id)
	b.mutex.RUnlock()

	if err != nil {
		return "", err
	}

	arriving := filepath.Join(b.uploadFolder(string(id)), "arriving-"+rand.Text())
	written, digest, err := receive(arriving, body, size)
	if err != nil {
		return "", err
	}

	received := part{digest: digest, size: written}

	// The upload may have ended while the bytes came: it is looked up once more.
	if err := b.putPart(key, id, number, received, arriving); err != nil {
		os.Remove(arriving)
		return "", err
	}

	return received.etag(), nil
}

func (b *bucket) putPart(key string, id gofakes3.UploadID, number int, received part, arriving string) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	u, err := b.upload(key, id)
	if err != nil {
		return err
	}

	folder := b.uploadFolder(string(id))

	if err := os.Rename(arriving, filepath.Join(folder, received.file(number))); err != nil {
		return fmt.Errorf("keep part %d of %s: %w", number, key, err)
	}

	// A part with the same digest has the same file, which the rename has just replaced.
	if before, replaced := u.parts[number]; replaced && before.digest != received.digest {
		os.Remove(filepath.Join(folder, before.file(number)))
	}

	u.parts[number] = received

	return nil
}

// CompleteMultipartUpload makes the object of the parts that the client lists.
func (r *backend) CompleteMultipartUpload(
	ctx context.Context,
	name, key string,
	id gofakes3.UploadID,
	wanted *gofakes3.CompleteMultipartUploadRequest,
) (gofakes3.VersionID, string, error) {
	b, err := r.bucket(name)
	if err != nil {
		return "", "", err
	}

	// Only an upload's parts change, and those are copied here: the rest is read without the lock.
	b.mutex.RLock()
	u, err := b.upload(key, id)
	var parts []part
	if err == nil {
		parts, err = u.choose(wanted.Parts)
	}

	b.mutex.RUnlock()

	if err != nil {
		return "", "", err
	}

	assembly := &assembly{
		folder: b.uploadFolder(string(id)),
		wanted: wanted.Parts,
		parts:  parts,
	}
	defer assembly.close()

	// Copied without the lock: parts of some gigabytes take long.
	o, err := b.receiveBlob(assembly, -1)
	if err != nil {
		return "", "", fmt.Errorf("assemble %s: %w", key, err)
	}

	o.Key = key
	o.Metadata = maps.Clone(u.Metadata)
	o.ACL = u.ACL

	for _, p := range parts {
		o.Parts = append(o.Parts, p.size)
	}

	if err := b.put(ctx, o); err != nil {
		return "", "", err
	}

	// The object is in place before the parts go: a crash in between leaves both.
	b.endUpload(string(id))

	return "", `"` + o.MD5 + `"`, nil
}

// choose finds the parts that an object is made of.
func (u *upload) choose(wanted []gofakes3.CompletedPart) ([]part, error) {
	if len(wanted) == 0 {
		return nil, gofakes3.ErrorMessage(
			gofakes3.ErrMalformedXML,
			"an object has one part at least",
		)
	}

	chosen := []part{}

	for i, want := range wanted {
		have, known := u.parts[want.PartNumber]
		switch {
		case i > 0 && want.PartNumber <= wanted[i-1].PartNumber:
			return nil, gofakes3.ErrInvalidPartOrder

		case !known || strings.Trim(want.ETag, `"`) != have.digest:
			return nil, gofakes3.ErrorMessagef(
				gofakes3.ErrInvalidPart,
				"part %d was not uploaded, or has another ETag",
				want.PartNumber,
			)

		case i < len(wanted)-1 && have.size < minPart:
			return nil, refuse(
				"EntityTooSmall",
				"part %d has %d bytes: each but the last must have %d",
				want.PartNumber,
				have.size,
				minPart,
			)
		}

		chosen = append(chosen, have)
	}

	return chosen, nil
}

// AbortMultipartUpload forgets an upload and its parts.
func (r *backend) AbortMultipartUpload(_ context.Context, name, _ string, id gofakes3.UploadID) error {
	b, err := r.bucket(name)
	if err != nil {
		return err
	}

	b.endUpload(string(id))

	return nil
}

func (b *bucket) endUpload(id string) {
	b.mutex.Lock()
	delete(b.uploads, id)
	os.Remove(b.uploadFile(id)) // the rest is nothing without it
	b.mutex.Unlock()

	// Without the lock: removing many parts takes a while, and nobody finds them any more.
	removeAll(b.uploadFolder(id))
}

// assembly reads parts one after the other, with one file open at a time.
type assembly struct {
	folder string
	wanted []gofakes3.CompletedPart
	parts  []part
	open   *os.File
}

func (a *assembly) Read(into []byte) (int, error) {
	for {
		if a.open == nil {
			if len(a.parts) == 0 {
				return 0, io.EOF
			}

			next, err := os.Open(filepath.Join(a.folder, a.parts[0].file(a.wanted[0].PartNumber)))
			if err != nil {
				return 0, err
			}

			a.open = next
			a.parts = a.parts[1:]
			a.wanted = a.wanted[1:]
		}

		n, err := a.open.Read(into)
		if !errors.Is(err, io.EOF) {
			return n, err
		}

		a.close()

		// io.Reader discourages 0 bytes without an error: the next part is read at once.
		if n > 0 {
			return n, nil
		}
	}
}

func (a *assembly) close() {
	if a.open != nil {
		a.open.Close()
		a.open = nil
	}
}

// sortedParts are the numbers of an upload's parts.
func (u *upload) sortedParts() []int {
	return slices.Sorted(maps.Keys(u.parts))
}
