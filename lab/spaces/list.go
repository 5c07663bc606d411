package spaces

import (
	"slices"
	"strings"

	"github.com/rclone/gofakes3"
)

// list is a page of a bucket's objects. What has the delimiter after the prefix is rolled up, and counts once.
func (b *bucket) list(prefix gofakes3.Prefix, page gofakes3.ListBucketPage) *gofakes3.ObjectList {
	b.mutex.RLock()
	defer b.mutex.RUnlock()

	listed := gofakes3.NewObjectList()
	count, last := int64(0), ""

	// The keys are sorted: a page begins at its marker without a walk over those before.
	first, _ := slices.BinarySearch(b.keys, max(prefix.Prefix, page.Marker))
	for _, key := range b.keys[first:] {
		if !strings.HasPrefix(key, prefix.Prefix) {
			break
		}

		name, rolled := rollUp(key, prefix)

		// The marker itself was on the page before, and a prefix is listed once for all its keys.
		if name == page.Marker && page.Marker != "" || rolled && name == last {
			continue
		}

		// A page is cut off only when one more name follows: the last page must not say that there are others.
		if page.MaxKeys > 0 && count == page.MaxKeys {
			listed.IsTruncated, listed.NextMarker = true, last
			break
		}

		count, last = count+1, name

		if rolled {
			listed.AddPrefix(name)
			continue
		}

		listed.Add(b.objects[key].content())
	}

	return listed
}

// rollUp is what a listing shows for a key: its part up to the first delimiter after the prefix, or all of it.
func rollUp(key string, prefix gofakes3.Prefix) (name string, rolled bool) {
	if prefix.Delimiter == "" {
		return key, false
	}

	before, _, found := strings.Cut(key[len(prefix.Prefix):], prefix.Delimiter)
	if !found {
		return key, false
	}

	return prefix.Prefix + before + prefix.Delimiter, true
}

func (o *object) content() *gofakes3.Content {
	return &gofakes3.Content{
		Key:          o.Key,
		Size:         o.Size,
		ETag:         `"` + o.MD5 + `"`,
		LastModified: gofakes3.NewContentTime(o.modified()),
		StorageClass: gofakes3.StorageStandard,
		Owner:        &gofakes3.UserInfo{ID: ownerID, DisplayName: ownerID},
	}
}
