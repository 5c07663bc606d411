package spaces_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"
)

const partSize = 5 << 20

func (b *bench) sendPart(key, id string, number int, data []byte) minio.CompletePart {
	b.t.Helper()

	sent, err := b.owner().PutObjectPart(
		b.t.Context(),
		"films",
		key,
		id,
		number,
		bytes.NewReader(data),
		int64(len(data)),
		minio.PutObjectPartOptions{},
	)
	require.NoError(b.t, err)

	return minio.CompletePart{PartNumber: number, ETag: sent.ETag}
}

func TestAnUploadInPartsOutlivesTheProcess(t *testing.T) {
	b := newBench(t)
	b.makeBucket("films")

	first, last := bytes.Repeat([]byte("a"), partSize), []byte("the end")

	id, err := b.owner().NewMultipartUpload(t.Context(), "films", "long ä.mp4", minio.PutObjectOptions{
		ContentType:  "video/mp4",
		UserMetadata: map[string]string{"x-amz-acl": "public-read"},
	})
	require.NoError(t, err)
	b.sendPart("long ä.mp4", id, 1, []byte("to be replaced"))

	one := b.sendPart("long ä.mp4", id, 1, first)

	// A server that never saw the upload must know it from the disk.
	b.open()

	uploads, err := b.owner().ListMultipartUploads(t.Context(), "films", "", "", "", "", 10)
	require.NoError(t, err)
	require.Len(t, uploads.Uploads, 1)
	require.Equal(t, id, uploads.Uploads[0].UploadID)

	parts, err := b.owner().ListObjectParts(t.Context(), "films", "long ä.mp4", id, 0, 10)
	require.NoError(t, err)
	require.Len(t, parts.ObjectParts, 1)
	require.EqualValues(t, partSize, parts.ObjectParts[0].Size)

	two := b.sendPart("long ä.mp4", id, 2, last)

	complete := func(chosen ...minio.CompletePart) (minio.UploadInfo, error) {
		return b.owner().CompleteMultipartUpload(
			t.Context(),
			"films",
			"long ä.mp4",
			id,
			chosen,
			minio.PutObjectOptions{},
		)
	}

	_, err = complete(one, minio.CompletePart{PartNumber: 2, ETag: one.ETag})
	requireCode(t, "InvalidPart", err)

	_, err = complete(one, two)
	require.NoError(t, err)

	_, err = complete(one, two)
	require.NoError(t, err, "who missed the answer asks again")

	b.open()

	whole := append(first, last...)
	require.Equal(t,
		string(whole),
		b.get("films", "long ä.mp4"),
	)

	about, err := b.owner().StatObject(
		t.Context(),
		"films",
		"long ä.mp4",
		minio.StatObjectOptions{},
	)
	require.NoError(t, err)

	digest := md5.Sum(whole)
	require.Equal(t, hex.EncodeToString(digest[:]), about.ETag)
	require.Equal(t, "video/mp4", about.ContentType)

	status, _ := b.fetch("GET", b.url+"/films/long%20%C3%A4.mp4", "")
	require.Equal(t, 200, status, "public")
	require.Zero(t, b.files("films/uploads"))
	require.Equal(t, 1, b.files("films/blobs"))
}

func TestUploadsThatDoNotBecomeObjects(t *testing.T) {
	b := newBench(t)
	b.makeBucket("films")

	id, err := b.owner().NewMultipartUpload(t.Context(), "films", "a", minio.PutObjectOptions{})
	require.NoError(t, err)

	one, two := b.sendPart("a", id, 1, []byte("small")), b.sendPart("a", id, 2, []byte("small too"))
	_, err = b.owner().CompleteMultipartUpload(
		t.Context(),
		"films",
		"a",
		id,
		[]minio.CompletePart{one, two},
		minio.PutObjectOptions{},
	)
	requireCode(t, "EntityTooSmall", err)
	require.NoError(t, b.owner().AbortMultipartUpload(t.Context(), "films", "a", id))

	_, err = b.owner().CompleteMultipartUpload(
		t.Context(),
		"films",
		"a",
		id,
		[]minio.CompletePart{one},
		minio.PutObjectOptions{},
	)
	requireCode(t, "NoSuchUpload", err)
	require.Zero(t, b.files("films/uploads"))

	_, err = b.owner().NewMultipartUpload(t.Context(), "films", "b", minio.PutObjectOptions{})
	require.NoError(t, err)

	require.NoError(t,
		b.owner().RemoveBucket(t.Context(), "films"),
		"an upload is no object",
	)

	b.makeBucket("films")

	uploads, err := b.owner().ListMultipartUploads(t.Context(), "films", "", "", "", "", 10)
	require.NoError(t, err)
	require.Empty(t, uploads.Uploads)
}

func TestClientsSendLargeObjectsInParts(t *testing.T) {
	b := newBench(t)
	b.makeBucket("films")

	text := strings.Repeat("0123456789abcdef", 2*partSize/16+100)
	b.put("films", "large", text, minio.PutObjectOptions{PartSize: partSize})
	require.True(t, text == b.get("films", "large"), "unchanged")
}
