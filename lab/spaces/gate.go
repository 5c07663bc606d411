package spaces

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/signature"
)

// gate lets through to the protocol what the request's key allows, or what is public.
type gate struct {
	backend *backend
	keys    func(access string) (Key, bool)
	next    http.Handler
	logger  logger
}

// target is what a request is about, read as gofakes3 reads it.
type target struct {
	bucket string
	key    string
}

func targetOf(path string) target {
	bucket, key, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	return target{bucket: bucket, key: key}
}

// ServeHTTP answers one request.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions { // a browser asks what it may ask; that is never signed
		g.next.ServeHTTP(w, r)
		return
	}

	t := targetOf(r.URL.Path)
	if !signed(r) {
		g.serveAnonymous(w, r, t)
		return
	}

	// The look-up keeps the key: its grants are needed once the signature is found right.
	var key Key
	verified := signature.V4SignVerifyWithLookup(r, func(access string) (secret string, ok bool) {
		key, ok = g.keys(access)
		return key.Secret, ok
	})
	if verified != signature.ErrNone {
		refused := signature.GetAPIError(verified)
		writeErrorDocument(w, r, refused.HTTPStatusCode, errorDocument{
			Code:     refused.Code,
			Message:  refused.Description,
			Resource: r.URL.Path,
		})

		return
	}

	if !key.allows(r, t) {
		deny(w, r)
		return
	}

	g.serveAllowed(w, r, t)
}

func deny(w http.ResponseWriter, r *http.Request) {
	writeErrorDocument(w, r, http.StatusForbidden, errorDocument{
		Code:     "AccessDenied",
		Message:  "Access Denied",
		Resource: r.URL.Path,
	})
}

// signed tells whether a request names a key, in a header or in its query.
func signed(r *http.Request) bool {
	return r.Header.Get("Authorization") != "" ||
		r.URL.Query().Has("X-Amz-Signature") ||
		r.URL.Query().Has("X-Amz-Credential")
}

// serveAllowed answers what the protocol does not know, and passes on the rest.
func (g *gate) serveAllowed(w http.ResponseWriter, r *http.Request, t target) {
	query := r.URL.Query()
	checkPayload(r)

	switch {
	case query.Has("acl") && t.bucket != "":
		if err := g.serveACL(w, r, t); err != nil {
			g.writeError(w, r, err)
		}

	case query.Has("location") && r.Method == http.MethodGet && t.key == "":
		g.serveLocation(w, r, t)

	default:
		// The list travels in the context, because gofakes3 hands a backend no headers.
		acl, err := cannedACL(aclName(r))
		if err != nil {
			g.writeError(w, r, err)
			return
		}

		dropEmpty(r, "delimiter")
		g.next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), wantedACL{}, acl)))
	}
}

// dropEmpty removes a name without a value from a query: gofakes3 finds no upload when the delimiter is empty.
func dropEmpty(r *http.Request, name string) {
	query := r.URL.Query()
	if query.Has(name) && query.Get(name) == "" {
		query.Del(name)
		r.URL.RawQuery = query.Encode()
	}
}

// serveLocation tells the bucket's region.
func (g *gate) serveLocation(w http.ResponseWriter, r *http.Request, t target) {
	b, err := g.backend.bucket(t.bucket)
	if err == nil {
		err = writeXML(w, gofakes3.GetBucketLocation{Xmlns: xmlns, LocationConstraint: b.Region})
	}
	if err != nil {
		g.writeError(w, r, err)
	}
}

// serveAnonymous answers who shows no key: the bytes of public objects and the listing of public buckets.
// The answer does not tell whether an object exists that the sender may not read.
func (g *gate) serveAnonymous(w http.ResponseWriter, r *http.Request, t target) {
	if t.bucket == "" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		deny(w, r)
		return
	}

	b, err := g.backend.bucket(t.bucket)
	if err != nil {
		g.writeError(w, r, err)
		return
	}

	listable := b.acl() == publicRead
	if t.key == "" {
		// Other queries ask for settings of the bucket, which take a key.
		if !listable || !only(r, listing) {
			deny(w, r)
			return
		}

		g.next.ServeHTTP(w, r)

		return
	}

	// Where the listing is public a missing object may answer 404; elsewhere it looks like a private one.
	o, err := b.object(t.key)
	if err != nil && !listable || err == nil && o.ACL != publicRead {
		deny(w, r)
		return
	}

	r.URL.RawQuery = "" // the bytes, and nothing else that a query could ask of an object
	g.next.ServeHTTP(w, r)
}

// What a query may say of a listing, and what a key for reading may ask of a bucket beside.
var (
	listing = []string{
		"list-type", "prefix", "delimiter", "marker", "max-keys", "start-after",
		"continuation-token", "encoding-type", "fetch-owner",
	}
	reading = append(
		[]string{
			"location", "versioning", "versions", "key-marker", "version-id-marker", "uploads",
			"max-uploads", "upload-id-marker", "x-id",
		},
		listing...,
	)
)

// only tells whether the request's query says nothing else, but for its signature.
func only(r *http.Request, names []string) bool {
	for name := range r.URL.Query() {
		if !slices.Contains(names, name) && !strings.HasPrefix(name, "X-Amz-") {
			return false
		}
	}

	return true
}

// allows tells whether the key's grants cover a request. A key for single buckets reads or changes what is in
// them; it makes no buckets, lists none, and leaves their settings alone.
func (k Key) allows(r *http.Request, t target) bool {
	if k.has(FullAccess, "") {
		return true
	}

	reads := r.Method == http.MethodGet || r.Method == http.MethodHead

	switch {
	case t.bucket == "":
		return false

	// A GET of a bucket with another query reads its settings, which takes full access.
	case t.key == "" && reads:
		return only(r, reading) && k.has(Read, t.bucket)

	// The one change of objects that is sent to the bucket deletes several of them.
	case t.key == "":
		deletes := r.Method == http.MethodPost && r.URL.Query().Has("delete")
		return deletes && k.has(ReadWrite, t.bucket)

	case reads:
		return k.has(Read, t.bucket)
	}

	// A copy reads another bucket as well: writing to one must not open all others.
	source := r.Header.Get("X-Amz-Copy-Source")
	if source != "" && !k.has(Read, targetOf(source).bucket) {
		return false
	}

	return k.has(ReadWrite, t.bucket)
}

// has tells whether the key has a permission on a bucket; who may write may read.
func (k Key) has(permission, bucket string) bool {
	return slices.ContainsFunc(k.Grants, func(g Grant) bool {
		return g.Bucket == bucket &&
			(g.Permission == permission || permission == Read && g.Permission == ReadWrite)
	})
}
