package space

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// emptySum is the SHA-256 of no bytes, which a request without a body is signed with.
const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// sign puts AWS' signature, version 4, on a request. Its path and query must be encoded as escape does it: what is
// signed is what is sent.
func (c *Client) sign(r *http.Request, sum string, now time.Time) {
	stamp := now.UTC().Format("20060102T150405Z")
	day := stamp[:8]

	r.Header.Set("X-Amz-Date", stamp)
	r.Header.Set("X-Amz-Content-Sha256", sum)

	names, headers := signedHeaders(r)
	canonical := strings.Join([]string{
		r.Method,
		r.URL.EscapedPath(),
		r.URL.RawQuery,
		headers,
		names,
		sum,
	}, "\n")

	scope := strings.Join([]string{day, c.Region, "s3", "aws4_request"}, "/")
	hashed := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", stamp, scope, hex.EncodeToString(hashed[:])}, "\n")

	key := []byte("AWS4" + c.Secret.Reveal())
	for _, part := range []string{day, c.Region, "s3", "aws4_request"} {
		key = mac(key, part)
	}

	r.Header.Set("Authorization", fmt.Sprintf(
		"AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x",
		c.Key, scope, names, mac(key, text),
	))
}

// signedHeaders are the host, and all headers of S3's own.
func signedHeaders(r *http.Request) (names, lines string) {
	signed := map[string]string{"host": r.URL.Host}

	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") || lower == "content-type" {
			signed[lower] = strings.TrimSpace(r.Header.Get(name))
		}
	}

	var sorted []string
	for name := range signed {
		sorted = append(sorted, name)
	}

	slices.Sort(sorted)

	var all strings.Builder
	for _, name := range sorted {
		all.WriteString(name + ":" + signed[name] + "\n")
	}

	return strings.Join(sorted, ";"), all.String()
}

func mac(key []byte, text string) []byte {
	hash := hmac.New(sha256.New, key)
	hash.Write([]byte(text)) // never an error

	return hash.Sum(nil)
}

const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// escape encodes all but what RFC 3986 leaves, and the slash of a path.
func escape(text string, slash bool) string {
	var out strings.Builder

	for i := range len(text) {
		c := text[i]
		if strings.IndexByte(unreserved, c) >= 0 || slash && c == '/' {
			out.WriteByte(c)
			continue
		}

		fmt.Fprintf(&out, "%%%02X", c)
	}

	return out.String()
}

// query writes values as they are signed: sorted, and encoded as escape does it.
func query(values url.Values) string {
	var parts []string

	for name, list := range values {
		for _, value := range list {
			parts = append(parts, escape(name, false)+"="+escape(value, false))
		}
	}

	slices.Sort(parts)

	return strings.Join(parts, "&")
}
