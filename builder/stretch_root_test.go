//go:build root

package builder_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
	"github.com/hornero/hornero/internal/record"
)

// haproxyOf17 stands in for HAProxy 1.7: it is asked to check a configuration, and refuses the names that 1.7
// does not know.
const haproxyOf17 = `#!/bin/sh
while [ $# -gt 0 ]; do
	[ "$1" != -f ] || file=$2
	shift
done
if grep -E 'expose-fd|log stdout|(clit|srvt)cpka-|default-server .*(check|tcp-ut)|server-template' "$file"; then
	echo "[ALERT] unknown keyword" >&2
	exit 1
fi
`

// A Droplet of a base image that is named, an archive that expired in 2020, and the release file: the whole way
// of Debian 9's bake, but for Debian 9's own packages.
func TestARoleBakesForDebian9(t *testing.T) {
	t.Parallel()

	archive := newStretchArchive(t, deb{
		name:    "haproxy",
		version: "1.7.5-2+deb9u1",
		files: map[string]string{
			"usr/sbin/haproxy":                 haproxyOf17,
			"usr/sbin/haproxy-systemd-wrapper": "#!/bin/sh\nexec sleep infinity\n",
			"DEBIAN/postinst": "#!/bin/sh\nset -e\ngetent group haproxy >/dev/null || groupadd -r haproxy\nid " +
				"haproxy >/dev/null 2>&1 || useradd -r -g haproxy -s /usr/sbin/nologin haproxy\n",
		},
	})

	l := newBakeLab(t, labOptions{name: "stretchtest"})

	for name, value := range (object{
		"role":      "proxy",
		"roles_dir": "../roles",
		"release":   "debian-9",
		"image":     "debian-12-x64",
		"mirror":    "file:/run/archive/debian",
	}) {
		l.options[name] = value
	}

	b := new(builder.Builder)
	_, _, err := b.Prepare(l.options)
	require.NoError(t, err)

	artifact, err := b.Run(t.Context(), packersdk.TestUi(t), archiveHook{l.options, archive})
	require.NoError(t, err)

	on := l.launch(artifact.(*builder.Artifact).ImageID, "proxy-1")
	require.Equal(t, "1.7.5-2+deb9u1", on("dpkg-query -W -f '${Version}' haproxy"))

	require.Contains(t,
		on("systemctl cat haproxy.service"),
		"ExecStart=/usr/sbin/haproxy-systemd-wrapper ",
	)

	require.NotContains(t,
		on("cat /etc/systemd/system/hornero-bootstrap.service"),
		"StateDirectory",
	)

	require.Contains(t, on("cat /etc/ssh/sshd_config"), "OpenSSH 7.4 has no Include")

	require.Contains(t,
		on("ls -d /run/hornero /var/lib/hornero; systemctl is-active hornero-bootstrap.service"),
		"active",
	)

	require.Equal(t,
		"nothing",
		on("grep -rls run/archive /etc/apt /var/lib/apt || echo nothing"),
		"no mirror is in the image",
	)

	image, err := record.Parse([]byte(on("cat " + record.Path)))
	require.NoError(t, err)
	require.Equal(t, "debian-9", image.Release)
	require.Equal(t, "debian-12-x64", image.Base)
}

// mmdebstrap, which makes root file systems, takes the archive by the release file's suite, components, key and
// options; without them, or with another key, it does not.
func TestMmdebstrapTakesDebian9sArchive(t *testing.T) {
	t.Parallel()
	release := loadStretch(t)

	archive := newStretchArchive(t, deb{
		name:    "haproxy",
		version: "1.7.5-2+deb9u1",
		files:   map[string]string{"usr/sbin/haproxy": haproxyOf17},
	})

	address := archive.serve()
	_, strangers := newKey(t, "stranger")

	bootstrap := func(keyring string, options []string) (string, string, error) {
		root := filepath.Join(t.TempDir(), "root")

		args := []string{
			"--mode=root",
			"--variant=extract",
			"--architectures=amd64",
			"--include=haproxy",
			"--keyring=" + keyring,
		}

		for _, option := range append(options, "Acquire::http::Proxy=DIRECT") {
			name, value, _ := strings.Cut(option, "=")
			args = append(args, fmt.Sprintf("--aptopt=%s %q", name, value))
		}

		args = append(
			args,
			release.Suite,
			root,
			"deb "+address+"/debian "+release.Suite+" "+strings.Join(release.Components, " "),
		)

		out, err := exec.Command("mmdebstrap", args...).CombinedOutput()

		return root, string(out), err
	}

	root, out, err := bootstrap(archive.keyring, release.AptOptions())
	require.NoError(t, err, out)
	require.FileExists(t, filepath.Join(root, "usr/sbin/haproxy"))

	_, out, err = bootstrap(archive.keyring, nil)
	require.Error(t, err)
	require.Contains(t, out, "is expired")

	_, out, err = bootstrap(strangers, release.AptOptions())
	require.Error(t, err)
	require.Regexp(t, "NO_PUBKEY|[Mm]issing key", out)
}

// archiveHook brings the archive to the Droplet and provisions it, as Packer would with a file provisioner
// before ours.
type archiveHook struct {
	options object
	archive *stretchArchive
}

func (h archiveHook) Run(
	ctx context.Context,
	name string,
	ui packersdk.Ui,
	comm packersdk.Communicator,
	data any,
) error {
	if name != packersdk.HookProvision {
		return nil
	}

	packed, err := h.packed()
	if err != nil {
		return err
	}

	command := &packersdk.RemoteCmd{
		Command: "mkdir -p /run/archive && tar -xf - -C /run/archive && mv " +
			"/run/archive/key.gpg /etc/apt/trusted.gpg.d/test.gpg",
		Stdin: packed,
	}

	if err := command.RunWithUi(ctx, comm, ui); err != nil {
		return err
	}

	return provisionHook{h.options}.Run(ctx, name, ui, comm, data)
}

// packed is the archive and its key as a tar file that everybody may read.
func (h archiveHook) packed() (io.Reader, error) {
	var out bytes.Buffer
	writer := tar.NewWriter(&out)

	if err := writer.AddFS(os.DirFS(h.archive.dir)); err != nil {
		return nil, err
	}

	key, err := os.ReadFile(h.archive.keyring)
	if err != nil {
		return nil, err
	}

	if err := writer.WriteHeader(&tar.Header{
		Name: "key.gpg",
		Mode: 0o644,
		Size: int64(len(key)),
	}); err != nil {
		return nil, err
	}

	if _, err := writer.Write(key); err != nil {
		return nil, err
	}

	return &out, writer.Close()
}
