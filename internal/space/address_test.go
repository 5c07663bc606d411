package space_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/space"
)

func TestAnAddressNamesABucket(t *testing.T) {
	ours := func(prefix string) space.Address {
		return space.Address{
			Endpoint: "https://fra1.digitaloceanspaces.com",
			Region:   "fra1",
			Bucket:   "shop",
			Prefix:   prefix,
		}
	}

	other := space.Address{Endpoint: "http://127.0.0.1:7480", Region: "here", Bucket: "shop", Prefix: "a/"}

	for text, want := range map[string]space.Address{
		"https://shop.fra1.digitaloceanspaces.com":                ours(""),
		"https://shop.fra1.digitaloceanspaces.com/a/b/":           ours("a/b/"),
		"https://shop.fra1.cdn.digitaloceanspaces.com/s%C3%BC%20": ours("sü /"),
		"https://fra1.digitaloceanspaces.com/shop/a":              ours("a/"),
		"http://127.0.0.1:7480/shop/a":                            other,
	} {
		t.Run(text, func(t *testing.T) {
			found, err := space.ParseAddress(text, "here")
			require.NoError(t, err)
			require.Equal(t, want, found)
		})
	}

	for _, text := range []string{
		"",
		"uploads",
		"./uploads",
		"ftp://shop.fra1.digitaloceanspaces.com",
		"https://fra1.digitaloceanspaces.com",
		"https://KEY:secret@shop.fra1.digitaloceanspaces.com",
	} {
		_, err := space.ParseAddress(text, "here")
		require.ErrorIs(t, err, space.ErrAddress, text)
		require.NotContains(t, err.Error(), "secret")
	}

	_, err := space.ParseAddress("https://store.example.org/shop", "")
	require.ErrorIs(t, err, space.ErrAddress)
	require.ErrorContains(t, err, "--region")
}

// A service may say 200, and in the body that it did not copy.
func TestACopyThatBrokeOffIsNone(t *testing.T) {
	said := `<CopyObjectResult><ETag>"abc"</ETag></CopyObjectResult>`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Copy-Source") != "/old/s%C3%BC%C3%9F%201%2B1.jpg" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}

		_, _ = io.WriteString(w, said)
	}))
	t.Cleanup(server.Close)

	client := &space.Client{Endpoint: server.URL, Region: "fra1", Bucket: "new"}
	what := space.Copy{Bucket: "old", Source: "süß 1+1.jpg", Key: "a.jpg", ACL: space.Public}

	tag, err := client.Copy(t.Context(), what)
	require.NoError(t, err)
	require.Equal(t, "abc", tag)

	said = `<?xml version="1.0"?><Error><Code>InternalError</Code><Message>We were busy.</Message></Error>`
	_, err = client.Copy(t.Context(), what)
	require.ErrorContains(t, err, "InternalError We were busy.")
	require.False(t, space.IsLasting(err), "it is tried again")

	what.Source = "other.jpg"
	_, err = client.Copy(t.Context(), what)
	require.ErrorIs(t, err, space.ErrRejected)
	require.True(t, space.IsLasting(err))
}
