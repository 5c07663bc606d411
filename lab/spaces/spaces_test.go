package spaces_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/spaces"
)

const (
	owner  = "DO00OWNER"
	secret = "secret-of-the-owner"
)

// bench is Spaces on loopback, and the keys that it knows.
type bench struct {
	t      *testing.T
	folder string
	mutex  sync.Mutex
	keys   map[string]spaces.Key
	url    string
}

func newBench(t *testing.T) *bench {
	b := &bench{
		t:      t,
		folder: filepath.Join(t.TempDir(), "spaces"),
		keys:   map[string]spaces.Key{},
	}
	b.grant(owner, secret, spaces.Grant{Permission: spaces.FullAccess})
	b.open()

	return b
}

// open serves the folder as it is now, as after a crash: nothing was closed.
func (b *bench) open() {
	served, err := spaces.Open(spaces.Config{
		Folder: b.folder,
		Logger: slog.New(slog.NewTextHandler(b.t.Output(), nil)),
		Keys: func(access string) (spaces.Key, bool) {
			b.mutex.Lock()
			defer b.mutex.Unlock()

			key, ok := b.keys[access]

			return key, ok
		},
	})
	require.NoError(b.t, err)

	server := httptest.NewServer(served.Handler("nyc3"))
	b.t.Cleanup(server.Close)

	b.url = server.URL
}

func (b *bench) grant(access, secret string, grants ...spaces.Grant) {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	b.keys[access] = spaces.Key{Secret: secret, Grants: grants}
}

func (b *bench) revoke(access string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	delete(b.keys, access)
}

func (b *bench) as(access, secret string) *minio.Core {
	endpoint, err := url.Parse(b.url)
	require.NoError(b.t, err)

	client, err := minio.NewCore(endpoint.Host, &minio.Options{
		Creds:        credentials.NewStaticV4(access, secret, ""),
		BucketLookup: minio.BucketLookupPath,
		MaxRetries:   1,
	})
	require.NoError(b.t, err)

	return client
}

func (b *bench) owner() *minio.Core {
	return b.as(owner, secret)
}

func (b *bench) makeBucket(name string) {
	b.t.Helper()
	require.NoError(b.t, b.owner().MakeBucket(b.t.Context(), name, minio.MakeBucketOptions{}))
}

func (b *bench) put(bucket, key, text string, options minio.PutObjectOptions) {
	b.t.Helper()

	_, err := b.owner().Client.PutObject(
		b.t.Context(),
		bucket,
		key,
		strings.NewReader(text),
		int64(len(text)),
		options,
	)
	require.NoError(b.t, err)
}

func (b *bench) get(bucket, key string) string {
	b.t.Helper()
	from, err := b.owner().Client.GetObject(b.t.Context(), bucket, key, minio.GetObjectOptions{})
	require.NoError(b.t, err)

	text, err := io.ReadAll(from)
	require.NoError(b.t, err)

	return string(text)
}

// fetch asks without a signature, or with the one in the URL.
func (b *bench) fetch(method, url, body string) (int, string) {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), method, url, strings.NewReader(body))
	require.NoError(b.t, err)

	response, err := http.DefaultClient.Do(request)
	require.NoError(b.t, err)
	defer response.Body.Close()

	text, err := io.ReadAll(response.Body)
	require.NoError(b.t, err)

	return response.StatusCode, string(text)
}

func requireCode(t *testing.T, code string, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code, minio.ToErrorResponse(err).Code, err.Error())
}

// strangeKeys are keys that are no file's name.
func strangeKeys() []string {
	return []string{
		"plain.txt",
		"a//b",
		"/leading",
		"trailing/",
		"../../etc/passwd",
		".",
		"späce + %41?&=.txt",
		strings.Repeat("long/", 200),
		"a",
		"a/b",
	}
}

func TestObjectsOutliveTheProcess(t *testing.T) {
	b := newBench(t)
	b.makeBucket("photos")

	for _, key := range strangeKeys() {
		b.put("photos", key, "first of "+key, minio.PutObjectOptions{})

		b.put("photos", key, "text of "+key, minio.PutObjectOptions{
			ContentType:  "text/plain",
			UserMetadata: map[string]string{"Colour": "red"},
			UserTags:     map[string]string{"k": "v"},
		})
	}

	check := func() {
		for _, key := range strangeKeys() {
			require.Equal(t, "text of "+key, b.get("photos", key))

			about, err := b.owner().StatObject(
				t.Context(),
				"photos",
				key,
				minio.StatObjectOptions{},
			)
			require.NoError(t, err)
			require.Equal(t, "text/plain", about.ContentType)
			require.Equal(t, "red", about.UserMetadata["Colour"])
			require.Equal(t, 1, about.UserTagCount)
		}

		found := []string{}

		for listed := range b.owner().Client.ListObjects(
			t.Context(),
			"photos",
			minio.ListObjectsOptions{Recursive: true},
		) {
			require.NoError(t, listed.Err)
			found = append(found, listed.Key)
		}

		require.ElementsMatch(t, strangeKeys(), found)
	}
	check()

	require.Equal(t,
		len(strangeKeys()),
		b.files("photos/blobs"),
		"what was overwritten is gone",
	)

	b.open()
	check()

	for _, key := range strangeKeys() {
		require.NoError(t, b.owner().RemoveObject(
			t.Context(),
			"photos",
			key,
			minio.RemoveObjectOptions{},
		))
	}

	b.open()

	_, err := b.owner().StatObject(t.Context(), "photos", "plain.txt", minio.StatObjectOptions{})
	requireCode(t, "NoSuchKey", err)
	require.Zero(t, b.files("photos/blobs"))
	require.Zero(t, b.files("photos/objects"))
}

// files counts what a folder holds.
func (b *bench) files(folder string) int {
	entries, err := os.ReadDir(filepath.Join(b.folder, folder))
	require.NoError(b.t, err)
	return len(entries)
}

func TestWhatACrashLeftHalfDoneIsRemoved(t *testing.T) {
	b := newBench(t)
	b.makeBucket("photos")
	b.put("photos", "kept", "kept", minio.PutObjectOptions{})

	for _, leftover := range []string{
		"photos/blobs/ORPHAN",
		"photos/objects/.abc.json.123",
		"photos/uploads/GONE/1.abc",
		"half/objects/x",
	} {
		path := filepath.Join(b.folder, leftover)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte("half"), 0o600))
	}

	b.open()
	require.Equal(t, "kept", b.get("photos", "kept"))
	require.Equal(t, 1, b.files("photos/blobs"))
	require.Equal(t, 1, b.files("photos/objects"))
	require.Zero(t, b.files("photos/uploads"))
	require.NoDirExists(t, filepath.Join(b.folder, "half"))
}

func TestADamagedBucketIsNotRemoved(t *testing.T) {
	b := newBench(t)
	b.makeBucket("photos")
	b.put("photos", "kept", "kept", minio.PutObjectOptions{})
	require.NoError(t, os.RemoveAll(filepath.Join(b.folder, "photos/uploads")))

	_, err := spaces.Open(spaces.Config{
		Folder: b.folder,
		Logger: slog.New(slog.DiscardHandler),
	})
	require.ErrorContains(t, err, "open bucket photos")
	require.Equal(t, 1, b.files("photos/blobs"))
}

func TestBuckets(t *testing.T) {
	b := newBench(t)
	b.makeBucket("photos")

	requireCode(t,
		"BucketAlreadyExists",
		b.owner().MakeBucket(t.Context(), "photos", minio.MakeBucketOptions{}),
	)

	status, _ := b.fetch(http.MethodPut, b.url+"/UPPER", "")
	require.Equal(t, http.StatusForbidden, status)

	listed, err := b.owner().ListBuckets(t.Context())
	require.NoError(t, err)
	require.Len(t, listed, 1)
	require.Equal(t, "photos", listed[0].Name)

	region, err := b.owner().GetBucketLocation(t.Context(), "photos")
	require.NoError(t, err)
	require.Equal(t, "nyc3", region)

	b.put("photos", "one", "1", minio.PutObjectOptions{})
	requireCode(t, "BucketNotEmpty", b.owner().RemoveBucket(t.Context(), "photos"))

	require.NoError(t, b.owner().RemoveObject(
		t.Context(),
		"photos",
		"one",
		minio.RemoveObjectOptions{},
	))

	require.NoError(t, b.owner().RemoveBucket(t.Context(), "photos"))
	requireCode(t, "NoSuchBucket", b.owner().RemoveBucket(t.Context(), "photos"))
	require.NoDirExists(t, filepath.Join(b.folder, "photos"))
}

func TestABucketIsInOneRegion(t *testing.T) {
	b := newBench(t)
	b.makeBucket("photos")

	served, err := spaces.Open(spaces.Config{
		Folder: b.folder,
		Logger: slog.New(slog.DiscardHandler),
		Keys:   func(string) (spaces.Key, bool) { return b.keys[owner], true },
	})
	require.NoError(t, err)

	other := httptest.NewServer(served.Handler("fra1"))
	defer other.Close()

	b.url = other.URL
	found, err := b.owner().BucketExists(t.Context(), "photos")
	require.NoError(t, err)
	require.False(t, found)

	requireCode(t,
		"BucketAlreadyExists",
		b.owner().MakeBucket(t.Context(), "photos", minio.MakeBucketOptions{}),
	)

	require.Nil(t, served.Handler("nyc1"), "has Droplets and no Spaces")
}

func TestRangesConditionsAndCopies(t *testing.T) {
	b := newBench(t)
	b.makeBucket("photos")
	b.makeBucket("backup")

	b.put(
		"photos",
		"digits",
		"0123456789",
		minio.PutObjectOptions{UserMetadata: map[string]string{"Colour": "red"}},
	)

	options := minio.GetObjectOptions{}
	require.NoError(t, options.SetRange(2, 4))

	from, about, _, err := b.owner().GetObject(t.Context(), "photos", "digits", options)
	require.NoError(t, err)

	part, err := io.ReadAll(from)
	require.NoError(t, err)
	require.Equal(t, "234", string(part))
	require.EqualValues(t, 3, about.Size)
	require.NoError(t, options.SetRange(20, 30))

	_, _, _, err = b.owner().GetObject(t.Context(), "photos", "digits", options)
	requireCode(t, "InvalidRange", err)

	once := minio.PutObjectOptions{}
	once.SetMatchETagExcept("*")

	_, err = b.owner().Client.PutObject(
		t.Context(),
		"photos",
		"digits",
		strings.NewReader("x"),
		1,
		once,
	)
	requireCode(t, "PreconditionFailed", err)

	_, err = b.owner().Client.CopyObject(
		t.Context(),
		minio.CopyDestOptions{Bucket: "backup", Object: "copied"},
		minio.CopySrcOptions{Bucket: "photos", Object: "digits"},
	)
	require.NoError(t, err)

	require.NoError(t, b.owner().RemoveObject(
		t.Context(),
		"photos",
		"digits",
		minio.RemoveObjectOptions{},
	))

	require.Equal(t, "0123456789", b.get("backup", "copied"))

	copied, err := b.owner().StatObject(t.Context(), "backup", "copied", minio.StatObjectOptions{})
	require.NoError(t, err)
	require.Equal(t, "red", copied.UserMetadata["Colour"])
}

func TestManyWriteOneObject(t *testing.T) {
	b := newBench(t)
	b.makeBucket("photos")
	var writers sync.WaitGroup
	texts := map[string]bool{}

	for i := range 20 {
		text := strings.Repeat(fmt.Sprintf("%02d", i), 5000)
		texts[text] = true

		writers.Go(func() {
			if _, err := b.owner().Client.PutObject(
				t.Context(),
				"photos",
				"one",
				bytes.NewReader([]byte(text)),
				int64(len(text)),
				minio.PutObjectOptions{},
			); err != nil {
				t.Error(err)
			}

			if from, err := b.owner().Client.GetObject(
				t.Context(),
				"photos",
				"one",
				minio.GetObjectOptions{},
			); err == nil {
				if _, err := io.ReadAll(from); err != nil {
					t.Error(err)
				}
			}
		})
	}

	writers.Wait()
	require.True(t, texts[b.get("photos", "one")], "one of them whole")
	require.Equal(t, 1, b.files("photos/blobs"))
}

func TestBodiesInChunksWithATrailer(t *testing.T) {
	b := newBench(t)
	b.makeBucket("photos")

	endpoint, err := url.Parse(b.url)
	require.NoError(t, err)

	client, err := minio.New(endpoint.Host, &minio.Options{
		Creds:           credentials.NewStaticV4(owner, secret, ""),
		BucketLookup:    minio.BucketLookupPath,
		TrailingHeaders: true,
	})
	require.NoError(t, err)

	text := strings.Repeat("0123456789", 20000)
	_, err = client.PutObject(
		t.Context(),
		"photos",
		"one",
		strings.NewReader(text),
		int64(len(text)),
		minio.PutObjectOptions{Checksum: minio.ChecksumCRC32C},
	)
	require.NoError(t, err)
	require.True(t, text == b.get("photos", "one"), "unchanged")
}
