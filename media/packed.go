package media

import (
	"bufio"
	"compress/gzip"
	"crypto/md5" //nolint:gosec // what S3 calls an ETag
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/hornero/hornero/internal/space"
)

// packing is what plugins say of objects that they packed. Browsers unpack them; the web server knows nothing of it.
const packing = "gzip"

// packed is the body of an object that was packed, unpacked. Size and tag of the object are of what it was packed to.
type packed struct {
	object space.Object
	raw    io.ReadCloser
	sums   io.Reader // of raw, whose bytes are counted as they pass
	sum    hash.Hash
	size   int64
	plain  *gzip.Reader
}

// gzipHead is what begins all that is packed (RFC 1952).
const gzipHead = "\x1f\x8b"

// unpackBody reads an object's body as browsers do. What is not packed, whatever is said of it, stays as it is.
func unpackBody(object space.Object, body io.ReadCloser) (unpacked io.ReadCloser, wasPacked bool, err error) {
	p := &packed{object: object, raw: body, sum: md5.New()} //nolint:gosec // as above
	buffered := bufio.NewReader(io.TeeReader(body, p))
	p.sums = buffered

	// A shorter one is not packed.
	head, err := buffered.Peek(len(gzipHead))

	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, false, fmt.Errorf("read %s: %w", object.Key, err)
	case string(head) != gzipHead:
		return plainBody{Reader: buffered, Closer: body}, false, nil
	}

	if p.plain, err = gzip.NewReader(buffered); err != nil {
		return nil, false, fmt.Errorf("unpack %s: %w", object.Key, err)
	}

	return p, true, nil
}

// plainBody is a body of which the beginning was looked at.
type plainBody struct {
	io.Reader
	io.Closer
}

// Write counts what passes.
func (p *packed) Write(bytes []byte) (int, error) {
	p.size += int64(len(bytes))
	return p.sum.Write(bytes)
}

// Read reads what was packed. Its end comes only where the object was whole.
func (p *packed) Read(into []byte) (int, error) {
	count, err := p.plain.Read(into)
	if !errors.Is(err, io.EOF) {
		return count, err
	}

	if _, failed := io.Copy(io.Discard, p.sums); failed != nil {
		return count, failed
	}

	tag := hex.EncodeToString(p.sum.Sum(nil))
	if p.size != p.object.Size || isWhole(p.object.Tag) && tag != p.object.Tag {
		return count, fmt.Errorf("%w: %d bytes of %d", ErrDamaged, p.size, p.object.Size)
	}

	return count, err
}

// Close closes the object's body.
func (p *packed) Close() error { return p.raw.Close() }
