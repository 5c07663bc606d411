package builder

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// space is the bucket that a disk is imported through.
type space struct {
	client *minio.Client
	bucket string
}

// objects is where a build's objects are in the Space: the owner's id follows, and a word that nobody guesses.
const objects = "hornero-build/"

func openSpace(c *RootfsConfig) (*space, error) {
	address, err := url.Parse(c.SpacesURL)
	if err != nil {
		return nil, fmt.Errorf("spaces_url: %w", err)
	}

	// minio wants the host alone; the scheme is Secure's.
	client, err := minio.New(address.Host, &minio.Options{
		Creds:        credentials.NewStaticV4(c.SpacesKey, c.SpacesSecret, ""),
		Secure:       address.Scheme == "https",
		Region:       c.SpacesRegion,
		BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		return nil, fmt.Errorf("spaces_url: %w", err)
	}

	client.SetAppInfo(userAgent, "1")

	return &space{client, c.SpaceName}, nil
}

// keyOf names an object of a build that nobody finds by chance.
func keyOf(owner owner, file string) string {
	return path.Join(objects, owner.id(), strings.ToLower(rand.Text()), path.Base(file))
}

// put uploads a file so that whoever knows its address may read it. An address signed for GET is no use to
// DigitalOcean: it asks for HEAD first, which is another signature.
func (s *space) put(ctx context.Context, key, file string) error {
	_, err := s.client.FPutObject(ctx, s.bucket, key, file, minio.PutObjectOptions{
		ContentType:  "application/octet-stream",
		UserMetadata: map[string]string{"x-amz-acl": "public-read"},
	})
	if err != nil {
		return s.named("upload "+file+" to Space "+s.bucket, err)
	}

	return nil
}

// named adds what a person can do about what Spaces say.
func (s *space) named(what string, err error) error {
	switch minio.ToErrorResponse(err).Code {
	case "NoSuchBucket":
		return fmt.Errorf(
			"%s: %w: make the Space in the region of spaces_region, or correct space_name",
			what,
			err,
		)

	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return fmt.Errorf(
			"%s: %w: look at DIGITALOCEAN_SPACES_ACCESS_KEY, DIGITALOCEAN_SPACES_SECRET_KEY and the key's grants",
			what,
			err,
		)
	}

	return fmt.Errorf("%s: %w", what, err)
}

// address is where an object is read.
func (s *space) address(key string) string {
	return s.client.EndpointURL().JoinPath(s.bucket, key).String()
}

// remove removes an object, and what was uploaded of it.
func (s *space) remove(ctx context.Context, key string) error {
	// Both, whatever there is: neither is an error when it is not there.
	err := errors.Join(
		s.client.RemoveIncompleteUpload(ctx, s.bucket, key),
		s.client.RemoveObject(ctx, s.bucket, key, minio.RemoveObjectOptions{}),
	)
	if err != nil {
		return fmt.Errorf("remove %s from Space %s: %w", key, s.bucket, err)
	}

	return nil
}

// sweep removes objects, whole ones and beginnings, of builds that are dead.
func (s *space) sweep(ctx context.Context, dead func(id string) bool) error {
	keys := map[string]bool{}
	ours := minio.ListObjectsOptions{Prefix: objects, Recursive: true}

	for object := range s.client.ListObjects(ctx, s.bucket, ours) {
		if object.Err != nil {
			return fmt.Errorf("list Space %s: %w", s.bucket, object.Err)
		}

		keys[object.Key] = true
	}

	for begun := range s.client.ListIncompleteUploads(ctx, s.bucket, objects, true) {
		if minio.ToErrorResponse(begun.Err).Code == minio.NoSuchUpload {
			break // some servers say so when there is none
		}
		if begun.Err != nil {
			return fmt.Errorf("list uploads of Space %s: %w", s.bucket, begun.Err)
		}

		// Parts of an upload take space, and no list of objects shows them.
		keys[begun.Key] = true
	}

	var err error

	for key := range keys {
		// The owner's id is in the key: the Space itself tells whose object it is.
		id, _, _ := strings.Cut(strings.TrimPrefix(key, objects), "/")
		if dead(id) {
			err = errors.Join(err, s.remove(ctx, key))
		}
	}

	return err
}
