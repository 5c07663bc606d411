//go:build root

package lab_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/crypto/ssh"
	"golang.org/x/oauth2"
	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/lab"
	"github.com/hornero/hornero/lab/machine"
)

// TestMain lets the test's own program be the lab and the launcher of its Droplets.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		var err error
		switch os.Args[1] {
		case "serve-lab":
			options := lab.Options{
				Name:     os.Args[2],
				Pace:     lab.Pace{Profile: "instant"},
				Launcher: []string{os.Args[0], "launch-droplet"},
			}
			if len(os.Args) > 3 {
				options.Public = netip.MustParsePrefix(os.Args[3])
			}

			err = lab.ServeForeground(
				context.Background(),
				options,
				os.Stderr,
				func(lab.Endpoint) {},
			)

		case "launch-droplet":
			err = machine.Launch(os.Args[2])
		default:
			os.Exit(m.Run())
		}

		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}

		os.Exit(0)
	}

	os.Exit(m.Run())
}

// testLab is this run's own: two runs on one computer do not meet.
var testLab = fmt.Sprintf("p%d-root", os.Getpid())

// debian13 is the image of most Droplets here.
var debian13 = godo.DropletCreateImage{Slug: "debian-13-x64"}

const bootWithin = 5 * time.Minute // a cold cache makes a base image first, beside other work perhaps

// bench is a lab of real parts.
type bench struct {
	*testing.T
	client *godo.Client
	public string
	metric int // of its routes: other labs have others
	signer ssh.Signer
	key    *godo.Key
}

func newBench(t *testing.T) *bench {
	require := require.New(t)
	b := &bench{T: t}
	t.Setenv(lab.FolderVariable, filepath.Join(t.TempDir(), "labs"))

	t.Cleanup(func() {
		require.NoError(lab.Reset(
			context.Background(),
			testLab,
			slog.New(slog.NewTextHandler(t.Output(), nil)),
		))

		nothingLeft(t, b.metric)
	})

	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(err)

	b.signer, err = ssh.NewSignerFromSigner(private)
	require.NoError(err)
	b.startAgain()

	status := b.labStatus()
	b.public = status.PublicRange
	b.metric = metricOf(t, b.public)

	b.key, _, err = b.client.Keys.Create(t.Context(), &godo.KeyCreateRequest{
		Name:      "test",
		PublicKey: string(ssh.MarshalAuthorizedKey(b.signer.PublicKey())),
	})
	require.NoError(err)

	return b
}

// metricOf is the priority of the blackhole route that shows whose a range is.
func metricOf(t *testing.T, public string) int {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	require.NoError(t, err)

	for _, route := range routes {
		if route.Type == unix.RTN_BLACKHOLE && route.Dst.String() == public {
			return route.Priority
		}
	}

	require.Fail(t, "the lab's range is not claimed", public)

	return 0
}

func (b *bench) start() bool {
	b.Helper()
	program, err := os.Executable()
	require.NoError(b, err)

	endpoint, started, err := lab.Start(
		b.Context(),
		testLab,
		[]string{program, "serve-lab", testLab},
	)
	require.NoError(b, err, "%s", labLog())

	b.client, err = godo.New(
		oauth2.NewClient(
			b.Context(),
			oauth2.StaticTokenSource(&oauth2.Token{AccessToken: endpoint.Token}),
		),
		godo.SetBaseURL(endpoint.URL),
	)
	require.NoError(b, err)

	return started
}

// startAgain starts a lab that does not run.
func (b *bench) startAgain() {
	b.Helper()

	started := b.start()
	require.True(b, started)
}

func labLog() string {
	log, _ := os.ReadFile(lab.FolderOf(testLab).LogFile())
	return string(log)
}

// until asks again until there is no error.
func (b *bench) until(within time.Duration, what string, ask func() error) {
	b.Helper()
	deadline := time.Now().Add(within)

	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			require.NoError(b, err, "%s\n%s", what, labLog())
		}

		time.Sleep(50 * time.Millisecond)
	}
}

func (b *bench) create(name string, image godo.DropletCreateImage, userData string) *godo.Droplet {
	b.Helper()

	droplet, _, err := b.client.Droplets.Create(b.Context(), &godo.DropletCreateRequest{
		Name:     name,
		Region:   "nyc3",
		Size:     "s-1vcpu-1gb",
		Image:    image,
		SSHKeys:  []godo.DropletCreateSSHKey{{ID: b.key.ID}},
		UserData: userData,
		Tags:     []string{"test"},
	})
	require.NoError(b, err)

	return b.status(droplet.ID, "active")
}

// createDebian makes a Droplet without user-data.
func (b *bench) createDebian(name string) *godo.Droplet {
	b.Helper()

	return b.create(name, debian13, "")
}

func (b *bench) status(id int, status string) *godo.Droplet {
	b.Helper()
	var droplet *godo.Droplet
	b.until(bootWithin, fmt.Sprintf("droplet %d %s", id, status), func() (err error) {
		droplet, _, err = b.client.Droplets.Get(b.Context(), id)
		if err == nil && (droplet.Status != status || droplet.Locked) {
			err = fmt.Errorf("it is %s, locked=%t", droplet.Status, droplet.Locked)
		}

		return err
	})

	return droplet
}

func (b *bench) done(action *godo.Action) {
	b.Helper()

	b.until(bootWithin, action.Type, func() error {
		got, _, err := b.client.Actions.Get(b.Context(), action.ID)
		if err == nil && got.Status != godo.ActionCompleted {
			err = errors.New(got.Status)
		}

		return err
	})
}

// act does something to a Droplet and waits until it is done.
func (b *bench) act(action *godo.Action, _ *godo.Response, err error) {
	b.Helper()
	require.NoError(b, err)
	b.done(action)
}

func (b *bench) reboot(droplet *godo.Droplet) {
	b.Helper()
	b.act(b.client.DropletActions.Reboot(b.Context(), droplet.ID))
}

func (b *bench) powerOff(droplet *godo.Droplet) {
	b.Helper()
	b.act(b.client.DropletActions.PowerOff(b.Context(), droplet.ID))
}

func (b *bench) powerOn(droplet *godo.Droplet) {
	b.Helper()
	b.act(b.client.DropletActions.PowerOn(b.Context(), droplet.ID))
}

func (b *bench) delete(droplet *godo.Droplet) {
	b.Helper()

	_, err := b.client.Droplets.Delete(b.Context(), droplet.ID)
	require.NoError(b, err)
}

// snapshotOf is the one snapshot that is made of a Droplet.
func (b *bench) snapshotOf(droplet *godo.Droplet) godo.DropletCreateImage {
	b.Helper()
	b.act(b.client.DropletActions.Snapshot(b.Context(), droplet.ID, "snap"))

	snapshots, _, err := b.client.Droplets.Snapshots(
		b.Context(),
		droplet.ID,
		nil,
	)
	require.NoError(b, err)
	require.Len(b, snapshots, 1)

	return godo.DropletCreateImage{ID: snapshots[0].ID}
}

// endpoint is where the lab that runs answers.
func (b *bench) endpoint() lab.Endpoint {
	b.Helper()

	endpoint, err := lab.Locate(testLab)
	require.NoError(b, err)

	return endpoint
}

func (b *bench) labStatus() lab.Status {
	b.Helper()

	status, err := lab.StatusOf(b.Context(), testLab)
	require.NoError(b, err)

	return status
}

func (b *bench) publicAddress(droplet *godo.Droplet) string {
	b.Helper()

	address, err := droplet.PublicIPv4()
	require.NoError(b, err)

	return address
}

func (b *bench) privateAddress(droplet *godo.Droplet) string {
	b.Helper()

	address, err := droplet.PrivateIPv4()
	require.NoError(b, err)

	return address
}

// prints wants a command in a Droplet to print just this.
func (b *bench) prints(droplet *godo.Droplet, command, want string) {
	b.Helper()

	got := b.run(droplet, command)
	require.Equal(b, want, got)
}

// run runs a command in a Droplet over SSH, waiting for sshd and for the key.
func (b *bench) run(droplet *godo.Droplet, command string) string {
	b.Helper()
	address := b.publicAddress(droplet)
	var output []byte
	b.until(30*time.Second, "ssh "+address+" "+command, func() error {
		client, err := ssh.Dial("tcp", address+":22", &ssh.ClientConfig{
			User:            "root",
			Auth:            []ssh.AuthMethod{ssh.PublicKeys(b.signer)},
			HostKeyCallback: ssh.InsecureIgnoreHostKey(),
			Timeout:         2 * time.Second,
		})
		if err != nil {
			return err
		}
		defer client.Close()

		session, err := client.NewSession()
		if err != nil {
			return err
		}

		output, err = session.CombinedOutput(command)
		if err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}

		return nil
	})

	return strings.TrimSpace(string(output))
}

// nothingLeft looks for anything of the lab on this computer.
func nothingLeft(t *testing.T, metric int) {
	require := require.New(t)
	folder := os.Getenv(lab.FolderVariable)
	require.NoDirExists(folder)

	for _, pattern := range []string{
		"/run/netns/hornero-" + testLab + "*",
		"/sys/fs/cgroup/*/hornero*" + testLab + "*",
		"/sys/fs/cgroup/*/hornero*/" + testLab + "*",
	} {
		found, err := filepath.Glob(pattern)
		require.NoError(err)
		require.Empty(found)
	}

	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(err)
	require.NotContains(string(mounts), folder)
	require.NotContains(loops(), folder, "a loop device is left")

	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	require.NoError(err)

	for _, route := range routes {
		require.NotEqual(metric, route.Priority, route)
	}

	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(err)

	for _, process := range processes {
		line, _ := os.ReadFile(process)
		require.NotContains(string(line), folder, process)
		require.NotContains(string(line), "serve-lab\x00"+testLab, process)
	}
}

// kill ends the lab's process as a crash does, and waits until it is known to be gone.
func (b *bench) kill() {
	b.Helper()
	status := b.labStatus()
	require.NoError(b, syscall.Kill(status.PID, syscall.SIGKILL))

	b.until(10*time.Second, "lab dead", func() error {
		if _, err := lab.Locate(testLab); !errors.Is(err, lab.ErrNotRunning) {
			return errors.New("it still runs")
		}

		return nil
	})
}
