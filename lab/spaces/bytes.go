package spaces

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"github.com/rclone/gofakes3"
)

// receive writes what a reader gives to a new file and syncs it. Fewer bytes than announced are an error; a
// size of -1 means that none was announced.
func receive(path string, from io.Reader, size int64) (written int64, digest string, err error) {
	into, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, "", fmt.Errorf("receive %s: %w", path, err)
	}
	defer func() {
		if closed := into.Close(); err == nil {
			err = closed
		}
		if err != nil {
			os.Remove(path)
		}
	}()

	hash := md5.New()
	written, err = io.Copy(io.MultiWriter(into, hash), from)
	if err != nil {
		return 0, "", err // as it is: it may be an answer for the client, which gofakes3 knows by its type
	}

	// The client broke off: what came is not the object.
	if size >= 0 && written != size {
		return 0, "", gofakes3.ErrIncompleteBody
	}

	// The bytes must be on disk before a document names them.
	return written, hex.EncodeToString(hash.Sum(nil)), into.Sync()
}

// receiveBlob writes an object's bytes.
func (b *bucket) receiveBlob(from io.Reader, size int64) (*object, error) {
	o := &object{Blob: rand.Text()}
	var err error
	o.Size, o.MD5, err = receive(b.blobFile(o.Blob), from, size)

	return o, err
}

// ranged reads a part of a file and closes it.
type ranged struct {
	io.Reader
	io.Closer
}

// open opens an object's bytes, or a range of them. They stay readable when the object is deleted meanwhile.
func (b *bucket) open(
	key string,
	wanted *gofakes3.ObjectRangeRequest,
) (*object, *gofakes3.ObjectRange, io.ReadCloser, error) {
	b.mutex.RLock()
	defer b.mutex.RUnlock()

	o := b.objects[key]
	if o == nil {
		return nil, nil, nil, gofakes3.KeyNotFound(key)
	}

	span, err := wanted.Range(o.Size)
	if err != nil {
		return nil, nil, nil, err
	}

	// Opened under the lock: a writer removes the blob as soon as it has put another in its place.
	from, err := os.Open(b.blobFile(o.Blob))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read object %s: %w", key, err)
	}

	if span == nil {
		return o, nil, from, nil
	}

	return o, span, ranged{
		Reader: io.NewSectionReader(from, span.Start, span.Length),
		Closer: from,
	}, nil
}
