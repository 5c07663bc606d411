package spaces

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"strings"
)

// checkPayload holds a request's body to the digest that its signature covers. gofakes3 takes it for granted.
func checkPayload(r *http.Request) {
	r.Header.Del("X-Amz-Checksum-Algorithm") // names the kind of a checksum; gofakes3 takes it for one
	claimed := r.Header.Get("X-Amz-Content-Sha256")

	switch {
	case strings.HasPrefix(claimed, "STREAMING-"):
		// A body in chunks, with or without a trailer. gofakes3 reads all kinds alike, but knows two of them by name.
		r.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")

	case len(claimed) == hex.EncodedLen(sha256.Size):
		r.Body = &payload{
			ReadCloser: r.Body,
			claimed:    claimed,
			hash:       sha256.New(),
			left:       r.ContentLength,
		}
	}
}

// payload is a body that ends in an error when it was not what was signed. Readers that know its length may never see
// its end, so the check is made with the last byte.
type payload struct {
	io.ReadCloser
	claimed string
	hash    hash.Hash
	left    int64
}

func (p *payload) Read(into []byte) (int, error) {
	n, err := p.ReadCloser.Read(into)
	p.hash.Write(into[:n])

	p.left -= int64(n)
	if (p.left == 0 || err == io.EOF) && hex.EncodeToString(p.hash.Sum(nil)) != strings.ToLower(p.claimed) {
		return n, refuse(
			"XAmzContentSHA256Mismatch",
			"the body is not what x-amz-content-sha256 says",
		)
	}

	return n, err
}
