package spaces_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"
)

func TestListings(t *testing.T) {
	b := newBench(t)
	b.makeBucket("tree")

	for _, key := range []string{"a.txt", "b/1", "b/2", "b/c/3", "b/c/4", "b0", "d/", "d/5", "e"} {
		b.put("tree", key, key, minio.PutObjectOptions{})
	}

	for _, c := range []struct {
		prefix, delimiter string
		want              []string
	}{
		{
			prefix:    "",
			delimiter: "",
			want:      []string{"a.txt", "b/1", "b/2", "b/c/3", "b/c/4", "b0", "d/", "d/5", "e"},
		},
		{
			"",
			"/",
			[]string{"a.txt", "b/", "b0", "d/", "e"},
		},
		{
			"b",
			"/",
			[]string{"b/", "b0"},
		},
		{
			"b/",
			"/",
			[]string{"b/1", "b/2", "b/c/"},
		},
		{"b/c", "/", []string{"b/c/"}},
		{
			"b/c/",
			"/",
			[]string{"b/c/3", "b/c/4"},
		},
		{
			prefix:    "b/",
			delimiter: "",
			want:      []string{"b/1", "b/2", "b/c/3", "b/c/4"},
		},
		{
			"d/",
			"/",
			[]string{"d/", "d/5"},
		},
		{
			prefix:    "",
			delimiter: "/c",
			want:      []string{"a.txt", "b/1", "b/2", "b/c", "b0", "d/", "d/5", "e"},
		},
		{"zz", "/", []string{}},
	} {
		for _, size := range []int{1, 2, 1000} {
			t.Run(fmt.Sprintf(
				"prefix %q delimiter %q by %d",
				c.prefix,
				c.delimiter,
				size,
			), func(t *testing.T) {
				require.ElementsMatch(t,
					c.want,
					b.listV1(c.prefix, c.delimiter, size),
					"version 1",
				)

				require.ElementsMatch(t,
					c.want,
					b.listV2(c.prefix, c.delimiter, size),
					"version 2",
				)
			})
		}
	}
}

// tooMany pages are a listing that does not end.
const tooMany = 20

func (b *bench) listV1(prefix, delimiter string, size int) []string {
	found, marker := []string{}, ""
	for range tooMany {
		page, err := b.owner().ListObjects("tree", prefix, marker, delimiter, size)
		require.NoError(b.t, err)

		names := []string{}

		for _, object := range page.Contents {
			names = append(names, object.Key)
		}

		for _, common := range page.CommonPrefixes {
			names = append(names, common.Prefix)
		}

		require.LessOrEqual(b.t, len(names), size)

		found = append(found, names...)
		if !page.IsTruncated {
			return found
		}

		if marker = page.NextMarker; marker == "" { // told only where there is a delimiter
			marker = slices.Max(names)
		}
	}

	b.t.Fatal("the listing does not end")

	return nil
}

func (b *bench) listV2(prefix, delimiter string, size int) []string {
	found, token := []string{}, ""
	for range tooMany {
		page, err := b.owner().ListObjectsV2("tree", prefix, "", token, delimiter, size)
		require.NoError(b.t, err)

		for _, object := range page.Contents {
			found = append(found, object.Key)
		}

		for _, common := range page.CommonPrefixes {
			found = append(found, common.Prefix)
		}

		if !page.IsTruncated {
			return found
		}

		token = page.NextContinuationToken
	}

	b.t.Fatal("the listing does not end")

	return nil
}

func TestManyAreDeletedAtOnce(t *testing.T) {
	b := newBench(t)
	b.makeBucket("tree")

	doomed := make(chan minio.ObjectInfo, 30)

	for i := range 30 {
		key := fmt.Sprintf("doomed/%d", i)
		b.put("tree", key, "x", minio.PutObjectOptions{})
		doomed <- minio.ObjectInfo{Key: key}
	}

	close(doomed)
	b.put("tree", "kept", "x", minio.PutObjectOptions{})

	for failed := range b.owner().Client.RemoveObjects(
		t.Context(),
		"tree",
		doomed,
		minio.RemoveObjectsOptions{},
	) {
		require.NoError(t, failed.Err)
	}

	require.Equal(t,
		[]string{"kept"},
		b.listV2("", "", 1000),
	)
}
