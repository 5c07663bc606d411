//go:build root

package builder_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/digitalocean/godo"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/builder"
	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/lab"
	labmachine "github.com/hornero/hornero/lab/machine"
)

const bakeLab = "baketest"

// plot is a lab's name: a test that may run beside others takes its own. Delays make it quicker than its profile.
type plot struct {
	name   string
	delays []string
}

func init() {
	programs["serve-lab"] = func(args []string) error {
		return lab.ServeForeground(
			context.Background(),
			lab.Options{
				Name:     args[0],
				Pace:     lab.Pace{Delays: args[1:]},
				Launcher: []string{os.Args[0], "launch-droplet"},
			},
			os.Stderr,
			func(lab.Endpoint) {},
		)
	}

	programs["launch-droplet"] = func(args []string) error {
		return labmachine.Launch(args[0])
	}
}

// oven is a lab to bake in, with this checkout's role common and a role of the test's own.
type oven struct {
	*testing.T
	at      plot
	client  *godo.Client
	options object
	roles   string
}

func newOven(t *testing.T) *oven {
	return newOvenAt(t, plot{name: bakeLab})
}

func newOvenAt(t *testing.T, at plot) *oven {
	at.name = fmt.Sprintf("p%d-%s", os.Getpid(), at.name) // two runs on one computer do not meet
	t.Setenv(lab.FolderVariable, filepath.Join(t.TempDir(), "labs"))
	quiet := slog.New(slog.NewTextHandler(t.Output(), nil))
	t.Cleanup(func() {
		require.NoError(t, lab.Reset(context.Background(), at.name, quiet))
	})

	o := &oven{
		T:     t,
		at:    at,
		roles: t.TempDir(),
	}

	endpoint, _, err := lab.Start(t.Context(), at.name, o.server())
	require.NoError(t, err)

	o.client, err = do.NewClient(endpoint.URL, endpoint.Token, "test")
	require.NoError(t, err)
	t.Setenv("XDG_DATA_HOME", t.TempDir())

	require.NoError(t, os.CopyFS(
		filepath.Join(o.roles, "common"),
		os.DirFS("../roles/common"),
	))

	o.options = object{
		"api_url":          endpoint.URL,
		"api_token":        endpoint.Token,
		"role":             "tiny",
		"roles_dir":        o.roles,
		"bootstrap_binary": made(t, "bin/hornero-bootstrap"),
	}

	return o
}

// server is the command that serves the oven's lab: the tests' own program.
func (o *oven) server() []string {
	program, err := os.Executable()
	require.NoError(o, err)
	return append([]string{program, "serve-lab", o.at.name}, o.at.delays...)
}

// made makes files of this checkout, as make does, and returns the first one's path.
func made(t *testing.T, targets ...string) string {
	t.Helper()

	_, err := command.Run(
		t.Context(),
		command.Command{Args: append([]string{"make", "-s", "-C", ".."}, targets...)},
	)
	require.NoError(t, err)

	path, err := filepath.Abs(filepath.Join("..", targets[0]))
	require.NoError(t, err)

	return path
}

// role writes the manifest of the role tiny, with these bake commands.
func (o *oven) role(commands ...string) {
	o.Helper()
	list, err := json.Marshal(commands)
	require.NoError(o, err)

	writeFile(o.T, filepath.Join(
		o.roles,
		"tiny/role.yaml",
	), "version: 1\nname: tiny\nsummary: small\npeers: client\n"+
		"packages: {all: [cron]}\nexcluded: {all: [exim4]}\nservices: [{unit: cron.service}]\nsecrets: "+
		"[tiny.word]\n"+
		"files: [{source: motd, path: /etc/motd, mode: \"0640\", owner: \"root:daemon\", check: [grep, -q, "+
		"baked, \"{file}\"]}]\n"+
		"templates: [{source: tiny.conf, path: /etc/tiny/tiny.conf, mode: \"0600\", owner: daemon, bake_check: "+
		"[sh, -ec, 'grep word /etc/tiny/tiny.conf; touch /etc/t /tmp/t /var/log/t'], reload: [cron.service]}]\n"+
		"bake: {commands: "+string(list)+"}\n")

	writeFile(o.T, filepath.Join(o.roles, "tiny/motd"), "baked\n")

	writeFile(
		o.T,
		filepath.Join(o.roles, "tiny/tiny.conf"),
		"word {{secret \"tiny.word\"}} of {{.Node}}\n",
	)
}

// said is a Ui that keeps what it is told.
type said struct {
	packersdk.Ui
	mutex sync.Mutex
	text  strings.Builder
	heard func(string)
}

func (s *said) Say(text string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	s.text.WriteString(text + "\n")

	if s.heard != nil {
		s.heard(text)
	}
}

// hook runs the provisioner, as Packer does.
type hook struct{ options object }

func (h hook) Run(ctx context.Context, name string, ui packersdk.Ui, comm packersdk.Communicator, data any) error {
	if name != packersdk.HookProvision {
		return nil
	}

	p := &builder.Provisioner{Version: "0.0.0"}

	if err := p.Prepare(object{
		"role":             h.options["role"],
		"roles_dir":        h.options["roles_dir"],
		"bootstrap_binary": h.options["bootstrap_binary"],
	}); err != nil {
		return err
	}

	return p.Provision(ctx, ui, comm, data.(map[string]any))
}

func (o *oven) bake(ctx context.Context, heard func(string)) (packersdk.Artifact, string, error) {
	o.Helper()
	b := new(builder.Builder)
	_, _, err := b.Prepare(o.options)
	require.NoError(o, err)

	ui := &said{
		Ui:    packersdk.TestUi(o.T),
		heard: heard,
	}

	artifact, err := b.Run(ctx, ui, hook{o.options})

	return artifact, ui.text.String(), err
}

func (o *oven) nothingLeft(images int) {
	o.Helper()
	droplets, err := do.Droplets(o.Context(), o.client)
	require.NoError(o, err)
	require.Empty(o, droplets)

	keys, err := do.Keys(o.Context(), o.client)
	require.NoError(o, err)
	require.Empty(o, keys)

	all, err := do.UserImages(o.Context(), o.client)
	require.NoError(o, err)
	require.Len(o, all, images)
}

// launch boots a Droplet from an image and returns a way to run commands on it.
func (o *oven) launch(image int, name string) func(string) string {
	o.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(o, err)

	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(o, err)

	key, _, err := o.client.Keys.Create(o.Context(), &godo.KeyCreateRequest{
		Name:      name,
		PublicKey: string(ssh.MarshalAuthorizedKey(signer.PublicKey())),
	})
	require.NoError(o, err)

	made, _, err := o.client.Droplets.Create(o.Context(), &godo.DropletCreateRequest{
		Name:    name,
		Region:  "nyc3",
		Size:    "s-1vcpu-1gb",
		Image:   godo.DropletCreateImage{ID: image},
		SSHKeys: []godo.DropletCreateSSHKey{{ID: key.ID}},
	})
	require.NoError(o, err)

	active, err := do.WaitDropletActive(o.Context(), o.client, made.ID, do.WaitOptions{})
	require.NoError(o, err)

	address, err := active.PublicIPv4()
	require.NoError(o, err)

	config := &ssh.ClientConfig{
		User:            "root",
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		Timeout:         2 * time.Second,
	}

	return func(command string) string {
		return o.over(address+":22", config, command)
	}
}

func (o *oven) over(address string, config *ssh.ClientConfig, command string) string {
	o.Helper()
	var client *ssh.Client
	err := do.Wait(o.Context(), "SSH at "+address, func(context.Context) (do.State, error) {
		var err error
		if client, err = ssh.Dial("tcp", address, config); err != nil {
			return do.Pending, do.Seen("%v", err)
		}

		return do.Done, nil
	}, do.WaitOptions{Timeout: time.Minute})
	require.NoError(o, err)
	defer client.Close()

	session, err := client.NewSession()
	require.NoError(o, err)

	output, err := session.CombinedOutput(command)
	require.NoError(o, err, "%s: %s", command, output)

	return strings.TrimSpace(string(output))
}

func TestABakedImageIsSealedAndComplete(t *testing.T) {
	o := newOven(t)
	o.role("echo from the bake > /usr/share/baked")

	artifact, text, err := o.bake(t.Context(), nil)
	require.NoError(t, err, text)
	o.nothingLeft(1)

	require.Contains(t,
		text,
		"self-test passed: packages, files, units, texts, record, identity, secrets, leftovers, "+
			"permissions, ports; ",
	)

	again, text, err := o.bake(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, artifact.Id(), again.Id())
	require.Contains(t, text, "unchanged: image "+artifact.Id())

	id := artifact.(*builder.Artifact).ImageID
	one, two := o.launch(id, "one"), o.launch(id, "two")

	for _, own := range []string{"hostname", "cat /etc/machine-id", "cat /etc/ssh/ssh_host_ed25519_key.pub | " +
		"cut -d' ' -f2", "cat /root/.ssh/authorized_keys"} {
		require.NotEmpty(t, one(own), own)

		require.NotEqual(t,
			one(own),
			two(own),
			own,
		)
	}

	require.Equal(t,
		"baked 640 root:daemon",
		one("echo $(cat /etc/motd) $(stat -c '%a %U:%G' /etc/motd)"),
	)

	require.Equal(t, "from the bake", one("cat /usr/share/baked"))
	require.Equal(t, "disabled", one("systemctl is-enabled cron.service || true"))
	require.Equal(t, "active", one("systemctl is-active hornero-bootstrap.service"))
	require.Equal(t, "running", one("systemctl is-system-running --wait"))
	require.NotEmpty(t, one("curl -sf -m 5 http://169.254.169.254/metadata/v1/id"))

	require.Equal(t,
		"out of reach",
		one("runuser -u nobody -- curl -sf -m 2 http://169.254.169.254/metadata/v1/id || echo out of reach"),
	)

	require.Equal(t,
		"none",
		one("ls -d /etc/t /run/hornero-verify-* 2>/dev/null || echo none"),
		"a checker left something",
	)

	o.checkRecord(one)
}

func (o *oven) checkRecord(on func(string) string) {
	o.Helper()
	var image record.Image
	require.NoError(o, json.Unmarshal([]byte(on("cat "+record.Path)), &image))
	require.Equal(o, "tiny", image.Role)
	require.Equal(o, on("dpkg-query -W -f '${Version}' cron"), image.Packages["cron"])

	require.Equal(o,
		on("dpkg-query -W -f '${db:Status-Abbrev}\\n' | grep -c ^ii"),
		strconv.Itoa(len(image.Packages)),
	)

	require.NotContains(o, image.Packages, "exim4")

	require.Equal(o,
		image.Digest[:12],
		strings.TrimPrefix(image.Name, "hornero-tiny-debian-13-"),
	)

	require.Contains(o, image.Inputs, "roles/tiny/tiny.conf")
	require.Contains(o, image.Programs, "hornero-bootstrap")
	require.Contains(o, image.Programs, "packer-plugin-hornero")
	require.Contains(o, image.Daemons, "/usr/sbin/cron")

	for _, sums := range []map[string]string{image.Files, image.Daemons} {
		for path, sum := range sums {
			require.Equal(o,
				sum,
				strings.Fields(on("sha256sum " + path))[0],
				path,
			)
		}
	}

	bom := new(cyclonedx.BOM)
	require.NoError(o,
		cyclonedx.NewBOMDecoder(
			strings.NewReader(on("cat "+record.SBOMPath)),
			cyclonedx.BOMFileFormatJSON,
		).Decode(bom),
	)

	require.Equal(o, image.Name, bom.Metadata.Component.Name)

	versions := map[string]string{}

	for _, component := range *bom.Components {
		versions[component.Name] = component.Version
	}

	for name, version := range image.Packages {
		require.Equal(o, version, versions[name])
	}

	require.Contains(o, versions, "github.com/canonical/go-dqlite/v2")
}

// Everything that is wrong is told in one run, and there is no image.
func TestAnImageWithFaultsIsNotPublished(t *testing.T) {
	o := newOven(t)
	o.role("openssl genpkey -algorithm ed25519 -out "+
		"/etc/left.key", "useradd -m guest", "mkdir -p /opt/.ssh /home/guest/.ssh-old",
		"touch /home/guest/.ssh-old/authorized_keys", "dpkg --purge --force-all cron", "touch /opt/open; chmod 0666 /opt/open", "echo changed > /etc/motd",
		"python3 -c 'import socket, time; s = socket.create_server((\"\", 8765)); time.sleep(600)' >/dev/null "+
			"2>&1 </dev/null &")

	writeFile(t, filepath.Join(o.roles, "tiny/tiny.conf"), "word {{secret \"tiny.work\"}}\n")

	_, _, err := o.bake(t.Context(), nil)
	require.ErrorIs(t, err, builder.ErrUnsealed)

	for _, fault := range []string{
		"private key in /etc/left.key", "authorized keys " +
			"/home/guest/.ssh-old/authorized_keys", "package cron of role tiny is not installed",
		"everybody may write /opt/open (0666)", "/etc/motd is not as the role has it", "/etc/motd is refused by grep", "unit cron.service " +
			"is unknown to systemd",
		"python3 listens on tcp port 8765", "/etc/tiny/tiny.conf does not render for a node of a whole stack: " +
			"render template of role tiny: template: tiny.conf:1:7: ",
	} {
		require.ErrorContains(t, err, "\nfault: "+fault)
	}

	o.nothingLeft(0)
}

// Packer itself ends with the cause, and not with 0; there is no snapshot but the layer's.
func TestPackerEndsWithTheCause(t *testing.T) {
	o := newOven(t)
	made(t, "bin/packer-plugin-hornero", "packer")

	for _, fault := range []struct {
		what    string
		spoil   func()
		command []string
		want    string
		lines   int // how far from the end
	}{
		{
			what: "a template that does not render",
			spoil: func() {
				writeFile(t,
					filepath.Join(o.roles, "tiny/tiny.conf"),
					"word {{secret \"tiny.word\"}}\n{{.Nobody}}\n",
				)
			},
			command: nil,
			want: "fault: /etc/tiny/tiny.conf does not render for a node of a whole stack: render template of " +
				"role tiny: template: tiny.conf:2:2: ",
			lines: 6,
		},
		{
			what: "a package that does not exist",
			spoil: func() {
				o.rewrite("tiny/role.yaml", "[cron]", "[no-such-package]")
			},
			command: nil,
			want:    "E: Unable to locate package no-such-package",
			lines:   10,
		},
		{
			what:    "a self-test that fails",
			spoil:   func() {},
			command: []string{"touch /opt/open; chmod 0666 /opt/open"},
			want:    "fault: everybody may write /opt/open (0666)",
			lines:   6,
		},
	} {
		o.role(fault.command...)
		fault.spoil()
		var said bytes.Buffer
		_, err := command.Run(t.Context(), command.Command{
			Args: []string{
				"scripts/images.sh",
				"-var",
				`roles=["tiny"]`,
				"-var",
				"roles_dir=" + o.roles,
			},
			Dir:    "..",
			Output: &said,
			Env: []string{
				"CLOUD=digitalocean",
				"DIGITALOCEAN_API_URL=" + o.options["api_url"].(string),
				"DIGITALOCEAN_ACCESS_TOKEN=" + o.options["api_token"].(string),
			},
		})

		var failure *command.Error
		require.ErrorAs(t, err, &failure, "%s: %s", fault.what, said.String())
		require.Positive(t, failure.ExitCode, fault.what)

		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		require.Contains(t,
			strings.Join(lines[max(0, len(lines)-fault.lines):], "\n"),
			fault.want,
			fault.what,
		)

		o.nothingLeft(1)
	}
}

func TestInterruptingARealBakeLeavesNothing(t *testing.T) {
	o := newOven(t)
	o.role()

	for _, moment := range []string{"creating Droplet", "packages: installing", "taking the snapshot"} {
		ctx, cancel := context.WithCancel(t.Context())
		_, text, err := o.bake(ctx, func(line string) {
			if strings.HasPrefix(line, moment) {
				cancel()
			}
		})

		cancel()
		require.ErrorIs(t, err, builder.ErrInterrupted, text)
		o.nothingLeft(0)
	}
}
