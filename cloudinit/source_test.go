package cloudinit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
)

// service answers as the metadata service does; a path that it does not have is a 404.
func service(t *testing.T, answers map[string]http.HandlerFunc) string {
	mux := http.NewServeMux()
	for path, answer := range answers {
		mux.HandleFunc(path, answer)
	}

	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	return server.URL
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(text))
	}
}

// disk is a root with files and no block device.
func disk(t *testing.T, files map[string]string) string {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "sys/class/block"), 0o755))

	for path, text := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755))

		require.NoError(t, os.WriteFile(
			filepath.Join(root, path),
			[]byte(text),
			0o600,
		))
	}

	return root
}

const nowhere = "http://127.0.0.1:1"

func TestSourcesAreAskedInOrder(t *testing.T) {
	all := map[string]string{
		"var/lib/cloud/seed/config_drive/openstack/latest/user_data": "openstack seed",
		"var/lib/cloud/seed/nocloud/user-data":                       "nocloud",
		"var/lib/cloud/seed/nocloud-net/user-data":                   "nocloud-net",
		"etc/cloud/cloud.cfg.d/90_seed.cfg": "datasource:\n  NoCloud:\n    meta-data: " +
			"|\n      instance-id: l-eadfbe\n    user-data: |\n      in cloud.cfg.d\n",
		"var/lib/cloud/instance/user-data.txt": "instance",
	}

	url := service(t, map[string]http.HandlerFunc{"/metadata/v1/user-data": says("metadata")})
	for _, c := range []struct{ without, want, source string }{
		{"", "metadata", url + "/metadata/v1/user-data"},
		{
			without: "metadata",
			want:    "openstack seed",
			source:  "/var/lib/cloud/seed/config_drive/openstack/latest/user_data",
		},
		{
			without: "var/lib/cloud/seed/config_drive/openstack/latest/user_data",
			want:    "nocloud",
			source:  "/var/lib/cloud/seed/nocloud/user-data",
		},
		{
			without: "var/lib/cloud/seed/nocloud/user-data",
			want:    "nocloud-net",
			source:  "/var/lib/cloud/seed/nocloud-net/user-data",
		},
		{
			without: "var/lib/cloud/seed/nocloud-net/user-data",
			want:    "in cloud.cfg.d\n",
			source:  "/etc/cloud/cloud.cfg.d/90_seed.cfg#datasource.NoCloud.user-data",
		},
		{"etc/cloud/cloud.cfg.d/90_seed.cfg", "instance", "/var/lib/cloud/instance/user-data.txt"},
	} {
		delete(all, c.without)

		if c.without != "" {
			url = nowhere
		}

		root := disk(t, all)
		found, err := cloudinit.Sources{Metadata: url, Root: root}.Find(t.Context())
		require.NoError(t, err)
		require.Equal(t, c.want, string(found.Data))
		require.Equal(t, c.source, strings.TrimPrefix(found.Source, root))

		if c.without != "" {
			require.Contains(t, found.Tried[0].Problem, "connection refused")
			require.Contains(t, found.Tried[1].Problem, "no block device is labelled config-2")
		}
	}

	_, err := cloudinit.Sources{
		Metadata: nowhere,
		Root:     disk(t, nil),
	}.Find(t.Context())
	require.ErrorIs(t, err, cloudinit.ErrNotFound)
	require.ErrorContains(t, err, "connection refused")
	require.NotContains(t, err.Error(), "nocloud", "what is not there is nothing to wonder at")
}

func TestAGivenFileIsTheOnlySource(t *testing.T) {
	path := filepath.Join(t.TempDir(), "user-data")
	sources := cloudinit.Sources{
		File: path,
		Metadata: service(t,
			map[string]http.HandlerFunc{"/metadata/v1/user-data": says("metadata")},
		),
	}

	_, err := sources.Find(t.Context())
	require.ErrorIs(t, err, cloudinit.ErrNotFound)
	require.NoError(t, os.WriteFile(path, nil, 0o600))

	_, err = sources.Find(t.Context())
	require.ErrorContains(t, err, "it is there and empty")
	require.NoError(t, os.WriteFile(path, encoded(t), 0o600))

	found, err := sources.Find(t.Context())
	require.NoError(t, err)
	require.Equal(t, path, found.Source)
	require.Equal(t, encoded(t), found.Data)

	sources.File = filepath.Dir(path)
	_, err = sources.Find(t.Context())
	require.ErrorContains(t, err, "it is no plain file")
}

func TestTheMetadataServiceIsTakenAsItIs(t *testing.T) {
	packedDocument := packed(t, string(encoded(t)))

	encodedAs := func(encoding, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", encoding)
			_, _ = w.Write([]byte(body))
		}
	}

	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string // "" for a document
	}{
		"plain":   {says(string(encoded(t))), ""},
		"gzip":    {says(packedDocument), ""},
		"encoded": {encodedAs("gzip", packedDocument), ""},
		"encoded twice": {
			answer: encodedAs("gzip", packed(t, packedDocument)),
			want:   "",
		},
		"encoded otherwise": {encodedAs("br", "x"), `its Content-Encoding is "br"`},
		"encoded wrongly":   {encodedAs("gzip", "x"), "ask metadata service"},
		"an empty answer":   {says(""), "it is there and empty"},
		"an error": {
			answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
			want:   "503 Service Unavailable",
		},
		"a redirection": {
			answer: func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
			},
			want: "302 Found",
		},
		"a bomb": {
			answer: encodedAs("gzip", packed(t, strings.Repeat("#", 4<<20))),
			want:   cloudinit.ErrTooLarge.Error(),
		},
	} {
		url := service(t, map[string]http.HandlerFunc{
			"/metadata/v1/user-data": c.answer,
			"/elsewhere":             says(string(encoded(t))),
		})

		found, err := cloudinit.Sources{
			Metadata: url,
			Root:     disk(t, nil),
		}.Find(t.Context())
		if err == nil {
			require.LessOrEqual(t, len(found.Data), cloudinit.MaxUserData+1, name)
			_, err = cloudinit.Decode(found.Source, found.Data)
		}

		if c.want == "" {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, c.want, name)
		}
	}
}

func TestCloudInitsConfigurationMayPointToASeed(t *testing.T) {
	for name, c := range map[string]struct{ config, want, problem string }{
		"a folder":       {"datasource: {NoCloud: {seedfrom: /srv/seed/}}", "seed", ""},
		"a file: folder": {"datasource: {NoCloud: {seedfrom: 'file:///srv/seed'}}", "seed", ""},
		"the web": {
			config:  "datasource: {NoCloud: {seedfrom: 'https://example.org/'}}",
			want:    "",
			problem: "seedfrom https://example.org/ is not followed",
		},
		"nothing there": {"datasource: {NoCloud: {seedfrom: /srv/none/}}", "", "no such file"},
		"another one":   {"datasource_list: [ConfigDrive]\n", "", "none of them is there"},
		"no YAML":       {"a: [", "", "90_x.cfg"},
	} {
		root := disk(t, map[string]string{"etc/cloud/cloud.cfg.d/90_x.cfg": c.config, "srv/seed/user-data": "seed"})
		found, err := cloudinit.Sources{Metadata: nowhere, Root: root}.Find(t.Context())
		if c.problem != "" {
			if c.problem == "none of them is there" {
				require.NotContains(t, err.Error(), "cloud.cfg.d", name)
				continue
			}

			require.ErrorContains(t, err, c.problem, name)
			continue
		}

		require.NoError(t, err, name)
		require.Equal(t, c.want, string(found.Data), name)
		require.Equal(t, filepath.Join(root, "srv/seed/user-data"), found.Source)
	}
}

func TestAConfigDriveIsKnownByItsLabel(t *testing.T) {
	iso := make([]byte, 40<<10)
	copy(iso[32768:], "\x01CD001\x01")
	copy(iso[32768+40:], "config-2"+strings.Repeat(" ", 24))

	fat := make([]byte, 4096)
	copy(fat[510:], "\x55\xaa")
	copy(fat[43:], "CONFIG-2   FAT16   ")

	fat32 := make([]byte, 4096)
	copy(fat32[510:], "\x55\xaa")
	copy(fat32[71:], "config-2   FAT32   ")

	other := append([]byte(nil), iso...)
	copy(other[32768+40:], "cidata  ")

	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"iso": {
			data: iso,
			want: "iso9660",
		}, "fat": {
			data: fat,
			want: "vfat",
		}, "fat32": {
			data: fat32,
			want: "vfat",
		}, "another label": {
			data: other,
			want: "",
		},
		"short": {
			data: iso[:33000],
			want: "iso9660",
		}, "cut": {
			data: iso[:32780],
			want: "",
		}, "nothing": {
			data: nil,
			want: "",
		}, "zeros": {
			data: make([]byte, 64<<10),
			want: "",
		},
	} {
		path := filepath.Join(t.TempDir(), "device")
		require.NoError(t, os.WriteFile(path, c.data, 0o600))
		require.Equal(t, c.want, cloudinit.DriveOn(path), name)
	}

	require.Empty(t, cloudinit.DriveOn("/nonexistent"))
}

func TestTheServiceDescribesALargeDroplet(t *testing.T) {
	const described = `{"user_data":%q,"droplet_id":7,"interfaces":{"private":[{"ipv4":{"ip_address":"10.0.0.7"}}]}}`
	body := fmt.Sprintf(described, strings.Repeat("\x01", cloudinit.MaxUserData))
	body = strings.ReplaceAll(body, `\x01`, `\u0001`)
	url := service(t, map[string]http.HandlerFunc{"/metadata/v1.json": says(body)})
	droplet, err := cloudinit.Sources{Metadata: url}.Describe(t.Context())
	require.NoError(t, err)

	address, err := droplet.VPCAddress()
	require.NoError(t, err)
	require.Equal(t, "10.0.0.7", address)

	_, err = cloudinit.Sources{
		Metadata: nowhere,
		Root:     disk(t, nil),
	}.Describe(t.Context())
	require.ErrorContains(t, err, "connection refused")
	require.ErrorContains(t, err, "config drive: no block device is labelled config-2")
}

func TestTheNetworkIsWaitedForWithLongerAndLongerPauses(t *testing.T) {
	var asked atomic.Int32
	answer := func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) <= 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}

		_, _ = w.Write(encoded(t))
	}
	url := service(t, map[string]http.HandlerFunc{"/metadata/v1/user-data": answer})

	sources := cloudinit.Sources{
		Metadata: url,
		Root:     disk(t, nil),
	}

	var said []time.Time
	found, err := cloudinit.Await(t.Context(), func(err error) {
		require.ErrorContains(t, err, "503")
		said = append(said, time.Now())
	}, sources.Find)
	require.NoError(t, err)
	require.Equal(t, encoded(t), found.Data)
	require.Len(t, said, 3)

	first := said[1].Sub(said[0])
	second := said[2].Sub(said[1])
	require.GreaterOrEqual(t, first, 100*time.Millisecond)
	require.GreaterOrEqual(t, second, 150*time.Millisecond)

	ctx, cancel := context.WithCancel(t.Context())
	giveUp := func(error) { cancel() }
	never := func(context.Context) (int, error) { return 0, errors.New("no") }
	_, err = cloudinit.Await(ctx, giveUp, never)
	require.ErrorIs(t, err, context.Canceled)
}
