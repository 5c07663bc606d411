//go:build root

package builder_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/lab/mirror"
)

// packages is a proxy that keeps packages, for bakes to share.
func packages(t *testing.T) string {
	t.Helper()

	sites, err := exec.Command(
		"apt-get",
		"indextargets",
		"--format",
		"$(SITE)",
		"Created-By: Packages",
	).Output()
	require.NoError(t, err)
	var hosts []string

	for site := range strings.FieldsSeq(string(sites)) {
		address, err := url.Parse(site)
		require.NoError(t, err)
		hosts = append(hosts, address.Host)
	}

	server := httptest.NewServer(
		mirror.New(mirror.Config{
			Folder: "/var/cache/hornero/packages",
			Hosts:  func() []string { return hosts },
		}),
	)
	t.Cleanup(server.Close)

	return server.URL
}

// bucket makes a Space in the lab and a key that opens it, and returns the region's address.
func (l *bakeLab) bucket(name string) (address string, key *godo.SpacesKey, client *minio.Client) {
	l.Helper()
	made(l.T, "bin/hornero")

	text, err := exec.CommandContext(
		l.Context(),
		"../bin/hornero",
		"lab",
		"--name",
		l.started.name,
		"status",
		"--json",
	).Output()
	require.NoError(l, err)
	var status struct {
		SpacesURL map[string]string `json:"spaces_url"`
	}
	require.NoError(l, json.Unmarshal(text, &status))

	address = status.SpacesURL["nyc3"]

	key, _, err = l.client.SpacesKeys.Create(l.Context(), &godo.SpacesKeyCreateRequest{
		Name:   "ci",
		Grants: []*godo.Grant{{Permission: godo.SpacesKeyFullAccess}},
	})
	require.NoError(l, err)

	client, err = minio.New(strings.TrimPrefix(address, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(
			key.AccessKey,
			key.SecretKey,
			"",
		),
		Region:       "nyc3",
		BucketLookup: minio.BucketLookupPath,
	})
	require.NoError(l, err)

	require.NoError(l, client.MakeBucket(
		l.Context(),
		name,
		minio.MakeBucketOptions{Region: "nyc3"},
	))

	return address, key, client
}

// nothingOfRootfs wants no folder, cgroup, process or object of a build to be left.
func (l *bakeLab) nothingOfRootfs(work string, space *minio.Client) {
	l.Helper()
	entries, err := os.ReadDir(work)
	require.NoError(l, err)
	require.Empty(l, entries)

	groups, err := exec.Command(
		"find",
		"/sys/fs/cgroup",
		"-ignore_readdir_race",
		"-name",
		"hornero-rootfs",
	).CombinedOutput()
	require.NoError(l, err)
	require.Empty(l, string(groups))

	processes, err := exec.Command("pgrep", "-f", work).CombinedOutput()
	require.Error(l, err, "pgrep finds %s", processes)

	for object := range space.ListObjects(
		context.Background(),
		"bakery",
		minio.ListObjectsOptions{Recursive: true},
	) {
		require.NoError(l, object.Err)
		require.Empty(l, object.Key)
	}
}

// One bake by Packer itself, of the role proxy: the disk boots a PC up to a node that serves, and becomes an
// image of which the lab makes a Droplet.
func TestADiskBootsByItselfAndAsADroplet(t *testing.T) {
	t.Parallel()
	l := newBakeLab(t, labOptions{name: "rootfstest"})

	address, key, space := l.bucket("bakery")
	output, work := t.TempDir(), t.TempDir()
	environment := []string{
		"ROLE=proxy",
		"http_proxy=" + packages(t),
		"DIGITALOCEAN_SPACES_ACCESS_KEY=" + key.AccessKey,
		"DIGITALOCEAN_SPACES_SECRET_KEY=" + key.SecretKey,
	}

	bake := func() (string, time.Duration) {
		began := time.Now()
		said, err := l.script(l.url(), "rootfs.sh", environment,
			"-var", "space_name=bakery",
			"-var", "spaces_url="+address,
			"-var", "output_dir="+output,
			"-var", "work_dir="+work,
		)
		require.NoError(t, err, said)
		require.NotContains(t, said, key.SecretKey)

		return said, time.Since(began)
	}

	said, took := bake()
	t.Logf("baked and imported in %.0f s", took.Seconds())

	require.Contains(t, said, selfTestPassed)
	l.nothingOfRootfs(work, space)
	l.nothingLeft(1)

	said, took = bake()
	t.Logf("unchanged in %.1f s", took.Seconds())
	require.Contains(t, said, "has this very content")

	images, err := do.UserImages(t.Context(), l.client)
	require.NoError(t, err)

	image := images[0]
	require.Subset(t,
		image.Tags,
		[]string{"hornero", "hornero:role:proxy", "hornero:release:debian-13"},
	)

	require.NotContains(t, image.Tags, "hornero-build")
	require.Contains(t, strings.Join(image.Tags, " "), "hornero:digest:")
	require.Equal(t, 3, image.MinDiskSize)

	disks, err := filepath.Glob(filepath.Join(output, "*"))
	require.NoError(t, err)

	require.Equal(t,
		[]string{filepath.Join(output, image.Name+".qcow2.gz")},
		disks,
	)

	l.bootsByItself(disks[0])

	began := time.Now()
	on := l.launch(image.ID, "from-it")
	require.Equal(t, "from-it", on("hostname"))
	t.Logf("a Droplet of it let in after %.0f s", time.Since(began).Seconds())
	require.Equal(t, "active", on("systemctl is-active hornero-bootstrap.service"))
	require.Equal(t, "running", on("systemctl is-system-running --wait"))

	inside, err := record.Parse([]byte(on("cat " + record.Path)))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(inside.Base, "rootfs-trixie-"), inside.Base)
	require.Contains(t, image.Tags, "hornero:digest:"+inside.Digest[:32])
}

func (l *bakeLab) bootsByItself(packed string) {
	l.Helper()
	disk := filepath.Join(l.TempDir(), "disk.qcow2")
	text, err := exec.Command(
		"sh",
		"-ec",
		`gzip -dc "$1" > "$2"`,
		"sh",
		packed,
		disk,
	).CombinedOutput()
	require.NoError(l, err, "%s", text)

	pc := newComputer(l.T, disk, "qcow2", configDrive(l.T, lonelyProxy(l.T)))
	var health string

	// A proxy says so when it has founded the peer set, runs its HAProxy, and only the stack's databases are
	// not there.
	took := pc.until("health", pc.answers(
		"503 Service Unavailable: no-writer",
		&health,
	))
	l.Logf("serves %.0f s after power on", took.Seconds())

	l.Logf(
		"login prompt %.0f s after power on",
		pc.until("login prompt", pc.says("proxy-1 login:")).Seconds(),
	)
}

// What a killed build left on this machine goes with the next build's start, and a build that fails or is
// interrupted leaves nothing itself.
func TestAFailedOrInterruptedRootfsLeavesNothing(t *testing.T) {
	work, output := t.TempDir(), t.TempDir()
	living := ownTag(t, newCloud(t))
	dead := strings.TrimPrefix(
		strings.Replace(living, "-"+strings.Split(living, "-")[2]+"-", "-4194305-", 1),
		"hornero-build:",
	)

	left := filepath.Join(work, "hornero-rootfs-"+dead)
	require.NoError(t, os.MkdirAll(filepath.Join(left, "root/etc"), 0o755))

	part := filepath.Join(output, ".disk.raw."+dead+".part")
	writeFile(t, part, "half")
	writeFile(t, filepath.Join(output, "mine.part"), "whole")

	options := object{
		"space_name": "",
		"output_dir": output,
		"work_dir":   work,
		"sources":    []string{"deb http://127.0.0.1:1/debian trixie main"},
	}

	b := new(builder.RootfsBuilder)
	_, _, err := b.Prepare(rootOptions(t, options))
	require.NoError(t, err)

	_, err = b.Run(
		t.Context(),
		packersdk.TestUi(t),
		new(packersdk.MockHook),
	)
	require.ErrorContains(t, err, "make root: run mmdebstrap")
	require.NoDirExists(t, left)
	require.NoFileExists(t, part)
	require.FileExists(t, filepath.Join(output, "mine.part"))

	// A server that never answers is where the interruption finds mmdebstrap.
	ctx, cancel := context.WithCancel(t.Context())
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	defer hanging.Close()

	options["sources"] = []string{"deb " + hanging.URL + "/debian trixie main"}
	b = new(builder.RootfsBuilder)
	_, _, err = b.Prepare(rootOptions(t, options))
	require.NoError(t, err)

	_, err = b.Run(ctx,
		packersdk.TestUi(t),
		new(packersdk.MockHook),
	)
	require.True(t, errors.Is(err, builder.ErrInterrupted), "%v", err)

	entries, err := os.ReadDir(work)
	require.NoError(t, err)
	require.Empty(t, entries)
	require.Error(t, exec.Command("pgrep", "-f", work).Run(), "nothing of it runs on")
}
