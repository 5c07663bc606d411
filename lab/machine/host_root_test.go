//go:build root

package machine_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/lab/machine"
)

const vpc = "5a4981aa-9653-4bd1-bef5-d6bff52042e4"

// newHost makes a lab of the test's own and ends it with the test.
func newHost(t *testing.T) *machine.Host {
	t.Helper()
	executable, err := os.Executable()
	require.NoError(t, err)
	host, err := machine.New(machine.Config{
		Name: "machinetest", State: t.TempDir(), Cache: "/var/cache/hornero", Public: netip.MustParsePrefix("198.18.77.0/24"),
		Launcher: []string{executable, "launch-droplet"},
		Logger:   slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	require.NoError(t, err)
	require.NoError(t, host.Up(t.Context()))
	t.Cleanup(func() { require.NoError(t, host.Reset(context.Background())) })
	return host
}

// key is an SSH key and what a Droplet is to know of it.
type key struct {
	signer     ssh.Signer
	authorized string
}

func newKey(t *testing.T) key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return key{signer, string(ssh.MarshalAuthorizedKey(signer.PublicKey()))}
}

func droplet(host *machine.Host, id int, k key, layers []string) machine.Droplet {
	last := byte(id - 100000 + 10)
	public := host.Public.Addr().As4()
	public[3] = last
	return machine.Droplet{
		ID: id, Hostname: "node-" + string('a'+rune(id-100001)), Memory: 1024, CPUs: 1, Layers: layers,
		Attachment: machine.Attachment{
			Public: netip.AddrFrom4(public), Private: netip.AddrFrom4([4]byte{10, 108, 0, last}),
			VPC: vpc, VPCRange: netip.MustParsePrefix("10.108.0.0/20"),
		},
		Seed: machine.Seed{UserData: "#cloud-config\nruncmd: [[touch, /root/ran]]\n", PublicKeys: []string{k.authorized}},
	}
}

// connect logs in as root once the Droplet lets us.
func connect(t *testing.T, address netip.Addr, k key) *ssh.Client {
	t.Helper()
	config := &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(k.signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: time.Second,
	}
	var client *ssh.Client
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		var err error
		client, err = ssh.Dial("tcp", net.JoinHostPort(address.String(), "22"), config)
		require.NoError(c, err)
	}, 30*time.Second, 50*time.Millisecond)
	t.Cleanup(func() { client.Close() })
	return client
}

func output(t *testing.T, client *ssh.Client, command string) string {
	t.Helper()
	session, err := client.NewSession()
	require.NoError(t, err)
	defer session.Close()
	text, err := session.CombinedOutput(command)
	require.NoError(t, err, "%s: %s", command, text)
	return string(text)
}

func TestDropletBoots(t *testing.T) {
	host, k := newHost(t), newKey(t)
	base, err := host.Base(t.Context(), os.Getenv("REL"), nil)
	require.NoError(t, err)
	a := droplet(host, 100001, k, base.Layers)
	require.NoError(t, host.Create(t.Context(), a))
	t.Cleanup(func() {
		text, _ := os.ReadFile(host.State + "/droplets/100001/console.log")
		t.Logf("%s", text)
		t.Log(host.Processes("100001"))
	})
	start := time.Now()
	require.NoError(t, host.Start(t.Context(), a.ID))
	t.Logf("PID 1 after %s", time.Since(start))
	client := connect(t, a.Public, k)
	t.Logf("SSH after %s", time.Since(start))
	t.Log(output(t, client, "cloud-init status --wait --long; systemctl is-system-running --wait; systemctl --failed; ls -l /sys/class/net; sysctl -w net.core.somaxconn=1000; sysctl fs.aio-max-nr; python3 -c 'import ctypes;x=ctypes.c_ulong(0);l=ctypes.CDLL(None,use_errno=True);print(l.syscall(206,128,ctypes.byref(x)),ctypes.get_errno())'; systemd-analyze blame | head -20; systemd-analyze critical-chain ssh.service"))
	output(t, client, "(sleep 0.2; systemctl reboot) >/dev/null 2>&1 &")
	client.Wait()
	start = time.Now()
	t.Log("rebooting")
	client = connect(t, a.Public, k)
	t.Logf("SSH again after %s", time.Since(start))
	t.Log(output(t, client, "cloud-init status --wait --long; systemctl is-system-running --wait; uptime; ip route; cat /proc/sys/net/ipv4/ip_forward"))
	start = time.Now()
	require.NoError(t, host.Shutdown(t.Context(), a.ID))
	t.Logf("off after %s", time.Since(start))
	text, _ := os.ReadFile(host.State + "/droplets/100001/console.log")
	t.Logf("%s", text)
}
