package spaces

import (
	"context"
	"encoding/hex"
	"io"
	"slices"
	"strings"

	"github.com/rclone/gofakes3"
)

// backend is one region of the store, as gofakes3 asks for it.
type backend struct {
	store  *store
	region string
	forget func(ctx context.Context, bucket, key string, id gofakes3.UploadID) error
}

func (r *backend) bucket(name string) (*bucket, error) {
	return r.store.find(r.region, name)
}

// ListBuckets lists the region's buckets.
func (r *backend) ListBuckets(context.Context) ([]gofakes3.BucketInfo, error) {
	r.store.mutex.RLock()
	defer r.store.mutex.RUnlock()

	listed := []gofakes3.BucketInfo{}

	for _, b := range r.store.buckets {
		if b.Region == r.region {
			listed = append(listed, gofakes3.BucketInfo{
				Name:         b.Name,
				CreationDate: gofakes3.NewContentTime(b.Created),
			})
		}
	}

	// S3 lists buckets by name, and a map has no order.
	slices.SortFunc(listed, func(a, b gofakes3.BucketInfo) int {
		return strings.Compare(a.Name, b.Name)
	})

	return listed, nil
}

// ListBucket lists a bucket's objects.
func (r *backend) ListBucket(
	_ context.Context,
	name string,
	prefix *gofakes3.Prefix,
	page gofakes3.ListBucketPage,
) (*gofakes3.ObjectList, error) {
	b, err := r.bucket(name)
	if err != nil {
		return nil, err
	}
	if prefix == nil {
		prefix = &gofakes3.Prefix{}
	}

	return b.list(*prefix, page), nil
}

// CreateBucket makes a bucket with the access control list that the request names.
func (r *backend) CreateBucket(ctx context.Context, name string) error {
	return r.store.create(r.region, name, aclOf(ctx))
}

// BucketExists tells whether the region has a bucket.
func (r *backend) BucketExists(_ context.Context, name string) (bool, error) {
	_, err := r.bucket(name)
	return err == nil, nil
}

// DeleteBucket removes an empty bucket.
func (r *backend) DeleteBucket(ctx context.Context, name string) error {
	b, err := r.bucket(name)
	if err != nil {
		return err
	}

	if err := r.store.remove(b); err != nil {
		return err
	}

	b.mutex.RLock()
	defer b.mutex.RUnlock()

	// gofakes3 keeps its own list of uploads, which would outlive the bucket.
	for id, u := range b.uploads {
		// one that gofakes3 does not know is forgotten already
		r.forget(ctx, name, u.Key, gofakes3.UploadID(id))
	}

	return nil
}

// GetObject opens an object, or a range of it.
func (r *backend) GetObject(
	_ context.Context,
	name, key string,
	wanted *gofakes3.ObjectRangeRequest,
) (*gofakes3.Object, error) {
	b, err := r.bucket(name)
	if err != nil {
		return nil, err
	}

	o, span, contents, err := b.open(key, wanted)
	if err != nil {
		return nil, err
	}

	shown := o.show()
	shown.Range = span
	shown.Contents = contents

	return shown, nil
}

// HeadObject tells what an object is.
func (r *backend) HeadObject(_ context.Context, name, key string) (*gofakes3.Object, error) {
	b, err := r.bucket(name)
	if err != nil {
		return nil, err
	}

	o, err := b.object(key)
	if err != nil {
		return nil, err
	}

	return o.show(), nil
}

func (o *object) show() *gofakes3.Object {
	hash, _ := hex.DecodeString(o.MD5)
	return &gofakes3.Object{
		Name:      o.Key,
		Metadata:  o.Metadata,
		Size:      o.Size,
		Hash:      hash,
		PartSizes: o.Parts,
		Contents:  io.NopCloser(strings.NewReader("")),
	}
}

// DeleteObject deletes an object.
func (r *backend) DeleteObject(_ context.Context, name, key string) (gofakes3.ObjectDeleteResult, error) {
	b, err := r.bucket(name)
	if err != nil {
		return gofakes3.ObjectDeleteResult{}, err
	}

	return gofakes3.ObjectDeleteResult{}, b.delete(key)
}

// DeleteMulti deletes several objects, and tells of each how it went.
func (r *backend) DeleteMulti(_ context.Context, name string, keys ...string) (gofakes3.MultiDeleteResult, error) {
	b, err := r.bucket(name)
	if err != nil {
		return gofakes3.MultiDeleteResult{}, err
	}

	var result gofakes3.MultiDeleteResult

	for _, key := range keys {
		if err := b.delete(key); err != nil {
			failed := gofakes3.ErrorResultFromError(err)
			failed.Key = key
			result.Error = append(result.Error, failed)
			continue
		}

		result.Deleted = append(result.Deleted, gofakes3.ObjectID{Key: key})
	}

	return result, nil
}

// PutObject writes an object with the access control list that the request names.
func (r *backend) PutObject(
	ctx context.Context,
	name, key string,
	metadata map[string]string,
	input io.Reader,
	size int64,
) (gofakes3.PutObjectResult, error) {
	b, err := r.bucket(name)
	if err != nil {
		return gofakes3.PutObjectResult{}, err
	}

	// The bytes arrive before the bucket is locked: a slow client stops nobody else.
	o, err := b.receiveBlob(input, size)
	if err != nil {
		return gofakes3.PutObjectResult{}, err
	}

	o.Key = key
	o.Metadata = metadata
	o.ACL = aclOf(ctx)

	return gofakes3.PutObjectResult{}, b.put(ctx, o)
}

// CopyObject copies an object within the region.
func (r *backend) CopyObject(
	ctx context.Context,
	fromName, fromKey, name, key string,
	metadata map[string]string,
) (gofakes3.CopyObjectResult, error) {
	from, err := r.bucket(fromName)
	if err != nil {
		return gofakes3.CopyObjectResult{}, err
	}

	into, err := r.bucket(name)
	if err != nil {
		return gofakes3.CopyObjectResult{}, err
	}

	// The bytes are copied and not shared: deleting one object must not take those of the other.
	source, _, contents, err := from.open(fromKey, nil)
	if err != nil {
		return gofakes3.CopyObjectResult{}, err
	}
	defer contents.Close()

	o, err := into.receiveBlob(contents, source.Size)
	if err != nil {
		return gofakes3.CopyObjectResult{}, err
	}

	o.Key = key
	o.Metadata = metadata
	o.ACL = aclOf(ctx)
	o.Parts = source.Parts

	if err := into.put(ctx, o); err != nil {
		return gofakes3.CopyObjectResult{}, err
	}

	return gofakes3.CopyObjectResult{
		ETag:         `"` + o.MD5 + `"`,
		LastModified: gofakes3.NewContentTime(o.modified()),
	}, nil
}

// SetObjectTagging changes an object's tags, and nothing else of it.
func (r *backend) SetObjectTagging(_ context.Context, name, key, tagging string) error {
	b, err := r.bucket(name)
	if err != nil {
		return err
	}

	return b.change(key, func(o *object) {
		// An object that is in a bucket is never changed: readers hold it without a lock.
		metadata := map[string]string{}
		for header, value := range o.Metadata {
			metadata[header] = value
		}

		delete(metadata, gofakes3.TaggingMetadataKey)

		if tagging != "" {
			metadata[gofakes3.TaggingMetadataKey] = tagging
		}

		o.Metadata = metadata
	})
}

var _ interface {
	gofakes3.Backend
	gofakes3.MultipartBackend
	gofakes3.ObjectTaggingBackend
} = (*backend)(nil)
