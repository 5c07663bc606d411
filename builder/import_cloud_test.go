package builder_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
	"github.com/hornero/hornero/lab/spaces"
)

// importCloud is a cloud that imports through a Space.
type importCloud struct {
	*cloud
	t      *testing.T
	s3     *minio.Client
	url    string
	disk   string
	failed string // what an import ends with, if it is to
}

func newImportCloud(t *testing.T) *importCloud {
	t.Helper()

	served, err := spaces.Open(spaces.Config{
		Folder: t.TempDir(),
		Logger: slog.New(slog.DiscardHandler),
		Keys: func(access string) (spaces.Key, bool) {
			return spaces.Key{
				Secret: "secret",
				Grants: []spaces.Grant{{Permission: spaces.FullAccess}},
			}, access == "key"
		},
	})
	require.NoError(t, err)

	server := httptest.NewServer(served.Handler("nyc3"))
	t.Cleanup(server.Close)

	address, err := url.Parse(server.URL)
	require.NoError(t, err)

	s3, err := minio.New(address.Host, &minio.Options{
		Creds:        credentials.NewStaticV4("key", "secret", ""),
		Region:       "nyc3",
		BucketLookup: minio.BucketLookupPath,
	})
	require.NoError(t, err)

	require.NoError(t, s3.MakeBucket(
		t.Context(),
		"bakery",
		minio.MakeBucketOptions{Region: "nyc3"},
	))

	disk := filepath.Join(t.TempDir(), "tiny.qcow2.gz")
	require.NoError(t, os.WriteFile(disk, []byte("a disk"), 0o600))

	p := &importCloud{
		cloud: newCloud(t),
		t:     t,
		s3:    s3,
		url:   server.URL,
		disk:  disk,
	}

	p.before = p.answer

	return p
}

// answer fetches a custom image as DigitalOcean does, HEAD first, and says why when it cannot.
func (p *importCloud) answer(w http.ResponseWriter, r *http.Request, call string) bool {
	if call != "POST images" {
		return false
	}

	p.mutex.Lock()
	defer p.mutex.Unlock()

	asked := p.asked
	image := object{
		"name":    asked["name"],
		"status":  "available",
		"regions": []string{asked["region"].(string)},
		"tags":    asked["tags"],
		"type":    "custom",
	}

	for _, method := range []string{http.MethodHead, http.MethodGet} {
		request, _ := http.NewRequest(method, asked["url"].(string), nil)
		answer, err := http.DefaultClient.Do(request)
		if err != nil || answer.StatusCode != http.StatusOK {
			image["status"], image["error_message"] = "deleted", "the image can't be fetched"
		}
	}

	if p.failed != "" {
		image["status"], image["error_message"] = "deleted", p.failed
	}

	reply(w, http.StatusAccepted, object{"image": p.add("images", image)})

	return true
}

func (p *importCloud) build(ctx context.Context, more object) (packersdk.Artifact, error) {
	p.t.Helper()
	b := new(builder.RootfsBuilder)

	options := rootOptions(p.t, object{
		"api_url":         p.URL,
		"spaces_url":      p.url,
		"poll_interval":   time.Millisecond,
		"import_timeout":  5 * time.Second,
		"cleanup_timeout": 5 * time.Second,
	})

	for name, value := range more {
		options[name] = value
	}

	_, _, err := b.Prepare(options)
	require.NoError(p.t, err)

	return b.Import(ctx, packersdk.TestUi(p.t), p.disk)
}

// objects lists what is in the Space, whole or begun.
func (p *importCloud) objects() (keys []string) {
	p.t.Helper()

	all := minio.ListObjectsOptions{Recursive: true}

	for object := range p.s3.ListObjects(context.Background(), "bakery", all) {
		require.NoError(p.t, object.Err)

		keys = append(keys, object.Key)
	}

	for begun := range p.s3.ListIncompleteUploads(context.Background(), "bakery", "", true) {
		if minio.ToErrorResponse(begun.Err).Code == minio.NoSuchUpload {
			break // the lab's word for none
		}

		require.NoError(p.t, begun.Err)

		keys = append(keys, begun.Key)
	}

	return keys
}
