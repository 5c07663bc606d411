//go:build root

package machine_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/lab/machine"
	"github.com/hornero/hornero/lab/state"
)

// labName is this run's own: two runs on one computer do not meet.
var labName = fmt.Sprintf("p%d-machine", os.Getpid())

// testLab is a lab of the test's own, which leaves nothing behind.
type testLab struct {
	*machine.Host
	t      *testing.T
	signer ssh.Signer
	vendor string
}

func newLab(t *testing.T) *testLab {
	t.Helper()
	executable, err := os.Executable()
	require.NoError(t, err)

	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)

	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)

	l := &testLab{t: t, signer: signer}

	l.Host = claimHost(t, machine.Config{
		Name:     labName,
		State:    t.TempDir(),
		Cache:    "/var/cache/hornero",
		Launcher: []string{executable, "launch-droplet"},
		Logger: slog.New(slog.NewTextHandler(
			t.Output(),
			nil,
		)),
	})

	t.Cleanup(func() {
		require.NoError(t, l.Reset(context.Background()))
		l.leavesNothing()
		require.NoDirExists(t, l.State)
	})

	require.NoError(t, l.Up(t.Context()))
	require.NoError(t, l.Up(t.Context()), "twice")

	return l
}

// claimHost makes a host with the first public range that nothing on this computer uses.
func claimHost(t *testing.T, config machine.Config) *machine.Host {
	t.Helper()

	for n := range 256 {
		third := byte(os.Getpid() + n) // runs that begin at different ranges seldom try the same
		config.Public = netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 19, third, 0}), 24)
		config.IPv6 = state.IPv6Network(config.Public)

		host, err := machine.New(config)
		require.NoError(t, err)

		err = host.Claim(t.Context())
		if errors.Is(err, machine.ErrRangeInUse) {
			continue
		}

		require.NoError(t, err)

		return host
	}

	require.Fail(t, "no range is free")

	return nil
}

// leavesNothing looks for what of the lab is to be seen on this computer. Names and the routes' metric are the lab's
// own, so that other labs may come and go meanwhile.
func (l *testLab) leavesNothing() {
	l.t.Helper()

	metric := fmt.Sprintf("'metric %d '", l.Metric())

	for what, look := range map[string]string{
		"namespaces": "ls /run/netns 2>/dev/null | grep -w hornero-" + labName + " || true",
		"routes": "{ ip route show; ip -6 route show; } | sed 's/$/ /' | grep -F -e " + metric +
			" -e " + l.HostLink() + " || true",
		"links":     "ip -o link show | grep -F " + l.HostLink() + " || true",
		"mounts":    "grep -F " + labName + " /proc/mounts || true",
		"cgroups":   "find /sys/fs/cgroup -type d -path '*hornero/" + labName + "*' || true",
		"processes": "pgrep -fa '[s]ystemd-nspawn.*hornero-" + labName + "-' || true",
		"nspawn":    "ls /run/systemd/nspawn/propagate 2>/dev/null | grep " + labName + " || true",
	} {
		// the test's own context is over in a clean-up
		text, err := command.Run(context.Background(), command.Command{Args: []string{"sh", "-c", look}})
		require.NoError(l.t, err)
		require.Emptyf(l.t, text, "%s left by the lab", what)
	}
}

func (l *testLab) droplet(id int, layers []string) machine.Droplet {
	last := byte(id - 100000 + 10)

	return machine.Droplet{
		ID:       id,
		Hostname: fmt.Sprintf("node-%d", id),
		Memory:   1024,
		CPUs:     1,
		Layers:   layers,
		Attachment: machine.Attachment{
			Public:   l.address(last),
			Private:  netip.AddrFrom4([4]byte{10, 108, 0, last}),
			VPC:      vpc,
			VPCRange: netip.MustParsePrefix("10.108.0.0/20"),
		},
		Seed: machine.Seed{
			UserData:   "#cloud-config\nwrite_files:\n- path: /root/told\n  content: by user-data\n",
			VendorData: l.vendor,
			PublicKeys: []string{string(ssh.MarshalAuthorizedKey(l.signer.PublicKey()))},
		},
	}
}

// address is one of the public range.
func (l *testLab) address(last byte) netip.Addr {
	bytes := l.Public.Addr().As4()
	bytes[3] = last
	return netip.AddrFrom4(bytes)
}

func (l *testLab) start(d machine.Droplet) *ssh.Client {
	l.t.Helper()
	require.NoError(l.t, l.Create(l.t.Context(), d))

	begin := time.Now()
	require.NoError(l.t, l.Start(l.t.Context(), d.ID))

	client := l.connect(d)
	l.t.Logf("Droplet %d: SSH %s after Start", d.ID, time.Since(begin).Round(time.Millisecond))

	return client
}

// connect logs in as root once the Droplet lets us.
func (l *testLab) connect(d machine.Droplet) *ssh.Client {
	l.t.Helper()

	config := &ssh.ClientConfig{
		User:            "root",
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(l.signer)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		Timeout:         time.Second,
	}

	var client *ssh.Client
	require.EventuallyWithT(l.t, func(c *assert.CollectT) {
		var err error
		client, err = ssh.Dial("tcp", net.JoinHostPort(d.Public.String(), "22"), config)
		require.NoError(c, err)
	}, 30*time.Second, 50*time.Millisecond)

	l.t.Cleanup(func() { client.Close() })

	return client
}

func (l *testLab) run(client *ssh.Client, command string) string {
	l.t.Helper()
	text, err := try(client, command)
	require.NoError(l.t, err, "%s: %s", command, text)

	return text
}

func try(client *ssh.Client, command string) (string, error) {
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	defer session.Close()

	text, err := session.CombinedOutput(command)

	return strings.TrimSpace(string(text)), err
}

func (l *testLab) base(release string) []string {
	l.t.Helper()
	image, err := l.Base(l.t.Context(), release, l.t.Output())
	require.NoError(l.t, err)
	require.Positive(l.t, image.Bytes)

	return image.Layers
}

// untilBooted waits for cloud-init and systemd, and requires that both are content.
func (l *testLab) untilBooted(client *ssh.Client) {
	l.t.Helper()
	text, err := try(client, "cloud-init status --wait --long")
	require.NoError(l.t, err, text)
	require.Contains(l.t, text, "status: done")

	require.Equal(
		l.t,
		"running",
		l.run(client, "systemctl is-system-running --wait || systemctl --failed"),
	)
}
