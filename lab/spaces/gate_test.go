package spaces_test

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/signer"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/spaces"
)

func TestOnlyKeysOfTheLabOpen(t *testing.T) {
	b := newBench(t)
	b.makeBucket("photos")

	_, err := b.as(owner, "wrong").ListBuckets(t.Context())
	requireCode(t, "SignatureDoesNotMatch", err)

	_, err = b.as("DO00NOBODY", secret).ListBuckets(t.Context())
	requireCode(t, "InvalidAccessKeyId", err)

	_, err = b.as("", "").ListBuckets(t.Context())
	requireCode(t, "AccessDenied", err)

	b.grant("DO00SECOND", "two", spaces.Grant{Permission: spaces.FullAccess})

	second := b.as("DO00SECOND", "two")
	_, err = second.ListBuckets(t.Context())
	require.NoError(t, err)
	b.revoke("DO00SECOND")

	_, err = second.ListBuckets(t.Context())
	requireCode(t, "InvalidAccessKeyId", err)
}

// clientCalls are what a client does, by the name that the rows below allow it by.
func clientCalls(t *testing.T) map[string]func(c *minio.Core) error {
	return map[string]func(c *minio.Core) error{
		"list buckets": func(c *minio.Core) error {
			_, err := c.ListBuckets(t.Context())
			return err
		},
		"make bucket": func(c *minio.Core) error {
			err := c.MakeBucket(t.Context(), "made", minio.MakeBucketOptions{})
			if err == nil {
				err = c.RemoveBucket(t.Context(), "made")
			}

			return err
		},
		"list": func(c *minio.Core) error {
			_, err := c.ListObjectsV2("mine", "", "", "", "/", 10)
			return err
		},
		"list other": func(c *minio.Core) error {
			_, err := c.ListObjectsV2("other", "", "", "", "/", 10)
			return err
		},
		"get": func(c *minio.Core) error {
			_, _, _, err := c.GetObject(t.Context(), "mine", "kept", minio.GetObjectOptions{})
			return err
		},
		"put": func(c *minio.Core) error {
			_, err := c.Client.PutObject(
				t.Context(),
				"mine",
				"new",
				strings.NewReader("x"),
				1,
				minio.PutObjectOptions{},
			)

			return err
		},
		"put other": func(c *minio.Core) error {
			_, err := c.Client.PutObject(
				t.Context(),
				"other",
				"new",
				strings.NewReader("x"),
				1,
				minio.PutObjectOptions{},
			)

			return err
		},
		"delete": func(c *minio.Core) error {
			return c.RemoveObject(t.Context(), "mine", "new", minio.RemoveObjectOptions{})
		},
		"delete many": func(c *minio.Core) error {
			doomed := make(chan minio.ObjectInfo, 1)
			doomed <- minio.ObjectInfo{Key: "new"}
			close(doomed)

			for failed := range c.Client.RemoveObjects(
				t.Context(),
				"mine",
				doomed,
				minio.RemoveObjectsOptions{},
			) {
				return failed.Err
			}

			return nil
		},
		"copy from other": func(c *minio.Core) error {
			_, err := c.Client.CopyObject(
				t.Context(),
				minio.CopyDestOptions{Bucket: "mine", Object: "new"},
				minio.CopySrcOptions{Bucket: "other", Object: "kept"},
			)

			return err
		},
		"settings": func(c *minio.Core) error {
			return c.EnableVersioning(t.Context(), "mine")
		},
	}
}

func TestGrants(t *testing.T) {
	b := newBench(t)
	b.makeBucket("mine")
	b.makeBucket("other")
	b.grant("DO00NONE", "x")
	b.grant("DO00READ", "x", spaces.Grant{Bucket: "mine", Permission: spaces.Read})
	b.grant("DO00WRITE", "x", spaces.Grant{Bucket: "mine", Permission: spaces.ReadWrite})

	b.grant(
		"DO00COPY",
		"x",
		spaces.Grant{Bucket: "mine", Permission: spaces.ReadWrite},
		spaces.Grant{Bucket: "other", Permission: spaces.Read},
	)

	b.grant("DO00FULL", "x", spaces.Grant{Permission: spaces.FullAccess})

	calls := clientCalls(t)

	for _, c := range []struct {
		key     string
		allowed []string
	}{
		{"DO00NONE", nil},
		{
			"DO00READ",
			[]string{"list", "get"},
		},
		{
			key:     "DO00WRITE",
			allowed: []string{"list", "get", "put", "delete", "delete many"},
		},
		{
			key: "DO00COPY",
			allowed: []string{
				"list", "list other", "get", "put", "delete", "delete many", "copy from other",
			},
		},
		{
			key: "DO00FULL",
			allowed: []string{
				"list buckets", "make bucket", "list", "list other", "get", "put", "put other",
				"delete", "delete many", "copy from other", "settings",
			},
		},
	} {
		t.Run(c.key, func(t *testing.T) {
			for call, do := range calls {
				b.put("mine", "kept", "x", minio.PutObjectOptions{})
				b.put("other", "kept", "x", minio.PutObjectOptions{})

				err := do(b.as(c.key, "x"))
				code := minio.ToErrorResponse(err).Code
				if contains(c.allowed, call) {
					require.NotEqual(t, "AccessDenied", code, call)
					if call != "settings" { // of those there are none; asking is allowed
						require.NoError(t, err, call)
					}

					continue
				}

				require.Equal(t, "AccessDenied", code, call)
			}
		})
	}
}

func contains(list []string, wanted string) bool {
	for _, one := range list {
		if one == wanted {
			return true
		}
	}

	return false
}

func TestURLsSignedBeforehand(t *testing.T) {
	b := newBench(t)
	b.makeBucket("photos")

	writing, err := b.owner().PresignedPutObject(t.Context(), "photos", "späce.txt", time.Minute)
	require.NoError(t, err)

	status, text := b.fetch(http.MethodPut, writing.String(), "sent by who has no key")
	require.Equal(t, http.StatusOK, status, text)

	reading, err := b.owner().PresignedGetObject(
		t.Context(),
		"photos",
		"späce.txt",
		time.Minute,
		url.Values{"response-content-type": {"text/x-own"}},
	)
	require.NoError(t, err)

	status, text = b.fetch(http.MethodGet, reading.String(), "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "sent by who has no key", text)

	status, text = b.fetch(http.MethodDelete, reading.String(), "")
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, text, "SignatureDoesNotMatch")

	status, _ = b.fetch(http.MethodGet, strings.Replace(reading.String(), "txt", "doc", 1), "")
	require.Equal(t, http.StatusForbidden, status)

	short, err := b.owner().PresignedGetObject(t.Context(), "photos", "späce.txt", time.Second, nil)
	require.NoError(t, err)

	require.EventuallyWithT(t, func(c *assert.CollectT) {
		status, text := b.fetch(http.MethodGet, short.String(), "")
		require.Equal(c, http.StatusForbidden, status)
		require.Contains(c, text, "Request has expired")
	}, 10*time.Second, 100*time.Millisecond)

	b.revoke(owner)

	status, text = b.fetch(http.MethodGet, reading.String(), "")
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, text, "InvalidAccessKeyId")
}

func TestWhatIsPublicIsReadWithoutAKey(t *testing.T) {
	b := newBench(t)
	b.makeBucket("site")

	public := minio.PutObjectOptions{UserMetadata: map[string]string{"x-amz-acl": "public-read"}}
	b.put("site", "index.html", "hello", public)
	b.put("site", "secret.txt", "secret", minio.PutObjectOptions{})

	check := func(path string, want int) {
		t.Helper()
		status, text := b.fetch(http.MethodGet, b.url+path, "")
		require.Equal(t, want, status, "%s: %s", path, text)
	}
	check("/site/index.html", http.StatusOK)
	check("/site/index.html?v=2", http.StatusOK)
	check("/site/secret.txt", http.StatusForbidden)
	check("/site/missing.txt", http.StatusForbidden)
	check("/site", http.StatusForbidden)
	check("/", http.StatusForbidden)
	check("/nowhere/index.html", http.StatusNotFound)

	status, text := b.fetch(http.MethodGet, b.url+"/site/index.html?uploads", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "hello", text, "the bytes, whatever else is asked")

	status, _ = b.fetch(http.MethodPut, b.url+"/site/index.html", "defaced")
	require.Equal(t, http.StatusForbidden, status)

	status, _ = b.fetch(http.MethodDelete, b.url+"/site/index.html", "")
	require.Equal(t, http.StatusForbidden, status)

	b.open()
	check("/site/index.html", http.StatusOK)
	b.put("site", "index.html", "again", minio.PutObjectOptions{})
	check("/site/index.html", http.StatusForbidden)

	_, err := b.owner().Client.PutObject(
		t.Context(),
		"site",
		"x",
		strings.NewReader("x"),
		1,
		minio.PutObjectOptions{UserMetadata: map[string]string{"x-amz-acl": "public-read-write"}},
	)
	requireCode(t, "InvalidArgument", err)
}

func TestAccessControlLists(t *testing.T) {
	b := newBench(t)
	b.makeBucket("site")
	b.put("site", "index.html", "hello", minio.PutObjectOptions{})

	status, private := b.ask(http.MethodGet, "/site/index.html?acl", "", nil)
	require.Equal(t, http.StatusOK, status, private)
	require.Contains(t, private, "FULL_CONTROL")
	require.NotContains(t, private, "AllUsers")

	status, text := b.ask(
		http.MethodPut,
		"/site/index.html?acl",
		"",
		http.Header{"X-Amz-Acl": {"public-read"}},
	)
	require.Equal(t, http.StatusOK, status, text)

	status, _ = b.fetch(http.MethodGet, b.url+"/site/index.html", "")
	require.Equal(t, http.StatusOK, status)

	_, public := b.ask(http.MethodGet, "/site/index.html?acl", "", nil)
	require.Contains(t, public, "AllUsers")

	status, text = b.ask(http.MethodPut, "/site/index.html?acl", private, nil)
	require.Equal(t, http.StatusOK, status, text)

	status, _ = b.fetch(http.MethodGet, b.url+"/site/index.html", "")
	require.Equal(t, http.StatusForbidden, status)

	status, text = b.ask(http.MethodPut, "/site?acl", public, nil)
	require.Equal(t, http.StatusOK, status, text)
	b.open()

	status, text = b.fetch(http.MethodGet, b.url+"/site?list-type=2&prefix=i", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "<Key>index.html</Key>")

	status, _ = b.fetch(http.MethodGet, b.url+"/site?uploads", "")
	require.Equal(t, http.StatusForbidden, status)

	status, _ = b.fetch(http.MethodGet, b.url+"/site/missing", "")
	require.Equal(t, http.StatusNotFound, status, "who may list may know")

	status, text = b.ask(http.MethodPut, "/site?acl", "nonsense", nil)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "MalformedACLError")
}

// ask sends a request signed by the owner.
func (b *bench) ask(method, path, body string, header http.Header) (int, string) {
	b.t.Helper()

	request, err := http.NewRequestWithContext(
		b.t.Context(),
		method,
		b.url+path,
		strings.NewReader(body),
	)
	require.NoError(b.t, err)

	for name, values := range header {
		request.Header[name] = values
	}

	request.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")

	return b.send(signer.SignV4(*request, owner, secret, "", "us-east-1"))
}

func (b *bench) send(request *http.Request) (int, string) {
	b.t.Helper()
	response, err := http.DefaultClient.Do(request)
	require.NoError(b.t, err)
	defer response.Body.Close()

	var text strings.Builder
	require.NoError(b.t, response.Write(&text))

	return response.StatusCode, text.String()[strings.Index(text.String(), "\r\n\r\n")+4:]
}

func TestABodyIsWhatWasSigned(t *testing.T) {
	b := newBench(t)
	b.makeBucket("photos")
	b.put("photos", "one", "before", minio.PutObjectOptions{})

	request, err := http.NewRequestWithContext(
		t.Context(),
		http.MethodPut,
		b.url+"/photos/one",
		strings.NewReader("changed on the way"),
	)
	require.NoError(t, err)
	request.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64))

	status, text := b.send(signer.SignV4(*request, owner, secret, "", "us-east-1"))
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "XAmzContentSHA256Mismatch")
	require.Equal(t, "before", b.get("photos", "one"))
	require.Equal(t, 1, b.files("photos/blobs"))
}

func TestErrorsAreXML(t *testing.T) {
	b := newBench(t)
	for path, code := range map[string]string{"/": "AccessDenied", "/none/x": "NoSuchBucket"} {
		_, text := b.fetch(http.MethodGet, b.url+path, "")

		var shown struct {
			XMLName  xml.Name `xml:"Error"`
			Code     string
			Message  string
			Resource string
		}
		require.NoError(t, xml.Unmarshal([]byte(text), &shown), text)
		require.Equal(t, code, shown.Code)
		require.NotEmpty(t, shown.Message)
		require.Equal(t, path, shown.Resource)
	}
}
