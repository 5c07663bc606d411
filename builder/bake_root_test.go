//go:build root

package builder_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/lab/api"
)

// selfTestPassed begins the line that a bake ends with when its image is sound.
const selfTestPassed = "self-test passed: packages, files, units, texts, record, identity, secrets, leftovers, " +
	"permissions, ports; "

func TestABakedImageIsSealedAndComplete(t *testing.T) {
	t.Parallel()
	l := newBakeLab(t, labOptions{name: "baketest"})
	l.role("echo from the bake > /usr/share/baked")

	artifact, text, err := l.bake(t.Context(), nil)
	require.NoError(t, err, text)
	require.Contains(t, text, selfTestPassed)
	l.nothingLeft(1)

	again, text, err := l.bake(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, artifact.Id(), again.Id())
	require.Contains(t, text, "unchanged: image "+artifact.Id())

	id := artifact.(*builder.Artifact).ImageID
	one, two := l.launch(id, "one"), l.launch(id, "two")

	for _, own := range []string{
		"hostname",
		"cat /etc/machine-id",
		"cat /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2",
		"cat /root/.ssh/authorized_keys",
	} {
		require.NotEmpty(t, one(own), own)
		require.NotEqual(t, one(own), two(own), own)
	}

	motd := one("echo $(cat /etc/motd) $(stat -c '%a %U:%G' /etc/motd)")
	require.Equal(t, "baked 640 root:daemon", motd)
	require.Equal(t, "from the bake", one("cat /usr/share/baked"))
	require.Equal(t, "disabled", one("systemctl is-enabled cron.service || true"))
	require.Equal(t, "active", one("systemctl is-active hornero-bootstrap.service"))
	require.Equal(t, "running", one("systemctl is-system-running --wait"))

	// Only root may read the node's secrets from the metadata service.
	const metadata = "http://169.254.169.254/metadata/v1/id"
	require.NotEmpty(t, one("curl -sf -m 5 "+metadata))

	reached := one("runuser -u nobody -- curl -sf -m 2 " + metadata + " || echo out of reach")
	require.Equal(t, "out of reach", reached)

	left := one("ls -d /etc/t /run/hornero-verify-* 2>/dev/null || echo none")
	require.Equal(t, "none", left, "a checker left something")

	l.checkRecord(one)
}

// checkRecord compares the record and the bill of materials of the role tiny with the machine that they are on.
func (l *bakeLab) checkRecord(on func(string) string) {
	l.Helper()
	var image record.Image
	require.NoError(l, json.Unmarshal([]byte(on("cat "+record.Path)), &image))
	require.Equal(l, "tiny", image.Role)
	require.Equal(l, image.Digest[:12], strings.TrimPrefix(image.Name, "hornero-tiny-debian-13-"))
	require.Contains(l, image.Inputs, "roles/tiny/tiny.conf")
	require.Contains(l, image.Programs, "hornero-bootstrap")
	require.Contains(l, image.Programs, "packer-plugin-hornero")

	installed := on("dpkg-query -W -f '${db:Status-Abbrev}\\n' | grep -c ^ii")
	require.Equal(l, installed, strconv.Itoa(len(image.Packages)))
	require.Equal(l, on("dpkg-query -W -f '${Version}' cron"), image.Packages["cron"])
	require.NotContains(l, image.Packages, "exim4")

	require.Contains(l, image.Daemons, "/usr/sbin/cron")
	l.checkSums(on, image.Files)
	l.checkSums(on, image.Daemons)

	decoder := cyclonedx.NewBOMDecoder(
		strings.NewReader(on("cat "+record.SBOMPath)),
		cyclonedx.BOMFileFormatJSON,
	)
	bom := new(cyclonedx.BOM)
	require.NoError(l, decoder.Decode(bom))
	require.Equal(l, image.Name, bom.Metadata.Component.Name)

	versions := map[string]string{}
	licensed := map[string][]string{}

	for _, component := range *bom.Components {
		versions[component.Name] = component.Version
		licensed[component.Name] = licensesOf(component)
	}

	for name, version := range image.Packages {
		require.Equal(l, version, versions[name])
	}

	require.Contains(l, versions, "github.com/canonical/go-dqlite/v2")
	require.Contains(l, versions, "stdlib", "Go's own library")
	require.Contains(l, licensed["cron"], "ISC")
}

// checkSums compares the digests of files with the files on the machine. One command asks for all: each login costs
// more than many digests.
func (l *bakeLab) checkSums(on func(string) string, sums map[string]string) {
	l.Helper()
	var command strings.Builder
	command.WriteString("sha256sum")

	for path := range sums {
		command.WriteString(" '" + path + "'")
	}

	found := map[string]string{}

	for line := range strings.Lines(on(command.String())) {
		sum, path, _ := strings.Cut(strings.TrimSpace(line), "  ")
		found[path] = sum
	}

	require.Equal(l, sums, found)
}

// What goes wrong ends a bake with its cause, and there is no image but the layer beneath, which is baked once.
func TestAFailedBakePublishesNothing(t *testing.T) {
	t.Parallel()
	l := newBakeLab(t, labOptions{name: "faulttest"})

	l.options["role"] = "common"
	_, text, err := l.bake(t.Context(), nil)
	require.NoError(t, err, text)

	l.options["role"] = "tiny"
	l.options["layer"] = "common"

	t.Run("all faults are told in one run", func(t *testing.T) {
		l.of(t).checkFaults()
	})

	for _, failure := range bakeFailures {
		t.Run("packer: "+failure.what, func(t *testing.T) {
			l.of(t).checkFailure(failure)
		})
	}
}

func (l *bakeLab) checkFaults() {
	l.role(
		"openssl genpkey -algorithm ed25519 -out /etc/left.key",
		"useradd -m guest",
		"mkdir -p /opt/.ssh /home/guest/.ssh-old",
		"touch /home/guest/.ssh-old/authorized_keys",
		"dpkg --purge --force-all cron",
		"touch /opt/open; chmod 0666 /opt/open",
		"echo changed > /etc/motd",
		"python3 -c 'import socket, time; s = socket.create_server((\"\", 8765)); time.sleep(600)' >/dev/null "+
			"2>&1 </dev/null &",
	)

	writeFile(l.T, filepath.Join(l.roles, "tiny/tiny.conf"), "word {{.Nobody}}\n")

	_, _, err := l.bake(l.Context(), nil)
	require.ErrorIs(l, err, builder.ErrUnsealed)

	for _, fault := range []string{
		"private key in /etc/left.key",
		"authorized keys /home/guest/.ssh-old/authorized_keys",
		"package cron of role tiny is not installed",
		"everybody may write /opt/open (0666)",
		"/etc/motd is not as the role has it",
		"/etc/motd is refused by grep",
		"unit cron.service is unknown to systemd",
		"python3 listens on tcp port 8765",
		"/etc/tiny/tiny.conf does not render for a node of a whole stack: " +
			"render template of role tiny: template: tiny/tiny.conf:1:7: ",
	} {
		require.ErrorContains(l, err, "\nfault: "+fault)
	}

	l.nothingLeft(1)
}

// bakeFailure is something that is wrong with the role tiny, and how Packer must end because of it.
type bakeFailure struct {
	what     string
	commands []string // of the role's bake
	spoil    func(l *bakeLab)
	want     string
	lines    int // how far from the end of what Packer says
}

var bakeFailures = []bakeFailure{
	{
		what: "a template that does not render",
		spoil: func(l *bakeLab) {
			template := filepath.Join(l.roles, "tiny/tiny.conf")
			writeFile(l.T, template, "word {{secret \"tiny.word\"}}\n{{.Nobody}}\n")
		},
		want: "fault: /etc/tiny/tiny.conf does not render for a node of a whole stack: render template of " +
			"role tiny: template: tiny/tiny.conf:2:2: ",
		lines: 6,
	},
	{
		what: "a package that does not exist",
		spoil: func(l *bakeLab) {
			l.rewrite("tiny/role.yaml", "[cron]", "[no-such-package]")
		},
		want:  "E: Unable to locate package no-such-package",
		lines: 10,
	},
	{
		what:     "a self-test that fails",
		commands: []string{"touch /opt/open; chmod 0666 /opt/open"},
		spoil:    func(*bakeLab) {},
		want:     "fault: everybody may write /opt/open (0666)",
		lines:    6,
	},
}

// checkFailure wants Packer to end with the cause, and not with 0.
func (l *bakeLab) checkFailure(failure bakeFailure) {
	l.role(failure.commands...)
	failure.spoil(l)

	variables := []string{
		"-var",
		`roles=["tiny"]`,
		"-var",
		"roles_dir=" + l.roles,
	}
	said, err := l.script(l.url(), "images.sh", nil, variables...)
	var ended *command.Error
	require.ErrorAs(l, err, &ended, said)
	require.Positive(l, ended.ExitCode)

	lines := strings.Split(strings.TrimSpace(said), "\n")
	end := lines[max(0, len(lines)-failure.lines):]
	require.Contains(l, strings.Join(end, "\n"), failure.want)
	l.nothingLeft(1)
}

func TestInterruptingARealBakeLeavesNothing(t *testing.T) {
	t.Parallel()
	l := newBakeLab(t, labOptions{
		name:    "interrupttest",
		profile: api.ProfileReal, // the lab must still be at it when the build is interrupted
	})
	l.role()

	for _, moment := range []string{"creating Droplet", "packages: installing", "taking the snapshot"} {
		t.Run(moment, func(t *testing.T) {
			l := l.of(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()

			_, text, err := l.bake(ctx, func(line string) {
				if strings.HasPrefix(line, moment) {
					cancel()
				}
			})
			require.ErrorIs(t, err, builder.ErrInterrupted, text)
			l.nothingLeft(0)
		})
	}
}
