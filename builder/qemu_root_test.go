//go:build root

package builder_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// bootWithin is how long a computer without hardware's help may take from its power button to a node that serves,
// when bakes run beside it.
const bootWithin = 12 * time.Minute

// guestAddress is the first address that QEMU's own DHCP server gives.
const guestAddress = "10.0.2.15"

// computer is a PC in software, with one disk, a config drive and a serial port. Its network reaches nothing;
// one port of loopback reaches it.
type computer struct {
	*testing.T
	console *console
	health  string // the address of the agent's health
	started time.Time
	ended   chan struct{}
}

// console keeps what the serial port says.
type console struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (c *console) Write(data []byte) (int, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.text.Write(data)
}

func (c *console) String() string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.text.String()
}

func (c *console) tail() string {
	text := c.String()
	return text[max(0, len(text)-3000):]
}

// newComputer turns a computer on. What is written to the disk goes with it.
func newComputer(t *testing.T, disk, format, drive string) *computer {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)

	health := free.Addr().String()
	require.NoError(t, free.Close())

	c := &computer{
		T:       t,
		console: new(console),
		health:  health,
		started: time.Now(),
		ended:   make(chan struct{}),
	}

	// No KVM: this must run where there is none. The network card's boot ROM is left out; nothing boots from it.
	network := fmt.Sprintf("user,id=net,restrict=on,hostfwd=tcp:%s-%s:9200", health, guestAddress)
	program := exec.CommandContext(t.Context(), "qemu-system-x86_64",
		"-machine", "pc", "-accel", "tcg,thread=multi", "-smp", "2", "-m", "1024",
		"-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
		"-drive", "file="+disk+",format="+format+",if=virtio,snapshot=on",
		"-drive", "file="+drive+",format=raw,if=virtio,readonly=on",
		"-netdev", network, "-device", "virtio-net-pci,netdev=net,romfile=",
		"-device", "virtio-rng-pci",
	)

	program.Stdout = c.console
	program.Stderr = c.console
	require.NoError(t, program.Start())

	go func() {
		_ = program.Wait() // its end is the test's
		close(c.ended)
	}()

	t.Cleanup(func() {
		_ = program.Process.Kill()
		<-c.ended
	})

	return c
}

// until waits for something of the computer, and tells the end of its console when it does not come.
func (c *computer) until(what string, seen func() bool) time.Duration {
	c.Helper()
	deadline := time.After(bootWithin)
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()

	for !seen() {
		select {
		case <-deadline:
			require.FailNow(c,
				"no "+what,
				"in %s; the console ends with\n%s",
				bootWithin,
				c.console.tail(),
			)

		case <-c.ended:
			require.FailNow(c,
				"no "+what,
				"the computer is off; the console ends with\n%s",
				c.console.tail(),
			)

		case <-ticker.C:
		}
	}

	return time.Since(c.started)
}

func (c *computer) says(text string) func() bool {
	return func() bool {
		return strings.Contains(c.console.String(), text)
	}
}

// answers asks the agent how it is until it says so, and keeps its last answer.
func (c *computer) answers(want string, last *string) func() bool {
	client := &http.Client{Timeout: 5 * time.Second}
	return func() bool {
		answer, err := client.Get("http://" + c.health + "/healthz")
		if err != nil {
			return false
		}
		defer answer.Body.Close()

		text, _ := io.ReadAll(answer.Body)

		said := answer.Status + ": " + strings.TrimSpace(string(text))
		if said != *last {
			*last = said
			c.Logf("after %.0f s the node says %s", time.Since(c.started).Seconds(), said)
		}

		return strings.Contains(*last, want)
	}
}

// lonelyProxy is the document of a proxy that founds the peer set of a stack.
func lonelyProxy(t *testing.T) cloudinit.Node {
	t.Helper()
	authority, err := pki.NewCA("alone")
	require.NoError(t, err)

	pair, err := authority.Issue(pki.Name{
		Stack:       "alone",
		Role:        "proxy",
		Node:        "proxy-1",
		Incarnation: 1,
		Kind:        roles.Member,
	})
	require.NoError(t, err)

	return cloudinit.Node{
		Version:     cloudinit.Version,
		Stack:       "alone",
		Role:        "proxy",
		Node:        "proxy-1",
		Incarnation: 1,
		Found:       true,
		Expected: map[string][]string{
			"proxy": {"proxy-1"},
			"db":    {"db-1"},
		},
		Roles:    map[string]cloudinit.Rights{"proxy": {Peers: roles.Member, Driver: "haproxy"}},
		Settings: map[string]string{roles.SettingReservedIP: "", "haproxy_extra": ""},
		Secrets:  map[string]report.Secret{"proxy.stats_password": "word"},
		TLS: cloudinit.TLS{
			CA:          authority.Certificate,
			Certificate: pair.Certificate,
			Key:         pair.Key,
		},
	}
}

// configDrive makes the drive that DigitalOcean gives a Droplet of a custom image.
func configDrive(t *testing.T, node cloudinit.Node) string {
	t.Helper()
	userData, err := cloudinit.Encode(node)
	require.NoError(t, err)

	folder, drive := t.TempDir(), filepath.Join(t.TempDir(), "drive.iso")

	droplet := object{
		"droplet_id": 1,
		"hostname":   node.Node,
		"region":     "nyc3",
		"user_data":  string(userData),
		"interfaces": object{"private": []object{{
			"type": "private",
			"ipv4": object{"ip_address": guestAddress, "netmask": "255.255.255.0"},
		}}},
	}

	for name, content := range map[string]any{
		"digitalocean_meta_data.json":     droplet,
		"openstack/latest/meta_data.json": object{"uuid": "1", "hostname": node.Node},
	} {
		text, err := json.Marshal(content)
		require.NoError(t, err)

		writeFile(t, filepath.Join(folder, name), string(text))
	}

	writeFile(t, filepath.Join(folder, "openstack/latest/user_data"), string(userData))

	mkisofs := []string{
		"-as", "mkisofs", "-quiet", "-J", "-R", "-V", "config-2", "-o", drive, folder,
	}
	said, err := exec.Command("xorriso", mkisofs...).CombinedOutput()
	require.NoError(t, err, "%s", said)

	info, err := os.Stat(drive)
	require.NoError(t, err)
	require.NotZero(t, info.Size())

	return drive
}
