//go:build root

package lab_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab"
)

func TestLifeOfALab(t *testing.T) {
	b := newBench(t)
	require.False(t, b.start(), "a lab that runs is found")

	userData := "#cloud-config\nwrite_files:\n- path: /root/told\n  content: by user-data\n"
	one := b.create("one", debian13, userData)
	b.prints(one, "hostname", "one")
	b.prints(one, "cat /root/told", "by user-data")

	b.prints(
		one,
		"curl -sf http://169.254.169.254/metadata/v1/id",
		fmt.Sprint(one.ID),
	)

	b.prints(one, "curl -sf http://169.254.169.254/metadata/v1/tags/", "test")
	b.run(one,
		"apt-get -qq update && apt-get install -y -qq --no-install-recommends hello && hello",
	)
	b.run(one, "echo kept > /root/kept && sync")
	b.namesAreFound(one)

	two := b.snapshotBecomesADroplet(one)
	b.dropletsOutliveTheLab(one)
	b.dropletIsPowered(two)
	b.labIsStoppedAndStarted(one, two)

	_, err := b.client.Droplets.DeleteByTag(t.Context(), "test")
	require.NoError(t, err)

	b.until(30*time.Second, "droplets gone", func() error {
		all, _, err := b.client.Droplets.List(t.Context(), nil)
		if err == nil && len(all) > 0 {
			err = fmt.Errorf("%d are left", len(all))
		}

		return err
	})
}

// namesAreFound adds a domain to the account, and asks for names of it in a Droplet that booted before.
func (b *bench) namesAreFound(one *godo.Droplet) {
	b.Helper()

	_, _, err := b.client.Domains.Create(b.Context(), &godo.DomainCreateRequest{
		Name:      "example.test",
		IPAddress: "198.51.100.77",
	})
	require.NoError(b, err)
	b.prints(one, "getent ahostsv4 example.test | awk '/STREAM/ {print $1}'", "198.51.100.77")
	b.prints(one, "getent hosts www.example.test || echo none", "none")

	// It is asked for anew each time: nobody keeps that there was none.
	_, _, err = b.client.Domains.CreateRecord(b.Context(), "example.test", &godo.DomainRecordEditRequest{
		Type: "CNAME",
		Name: "www",
		Data: "@",
		TTL:  30,
	})
	require.NoError(b, err)
	b.prints(one, "getent ahostsv4 www.example.test | awk '/STREAM/ {print $1}'", "198.51.100.77")

	// Nothing beyond the account is known, and nobody waits for it.
	b.prints(one, "timeout 3 getent hosts www.example.com; echo $?", "2")

	gateway := netip.MustParsePrefix(b.public).Addr().Next().String()
	b.prints(one, "curl -sf http://169.254.169.254/metadata/v1/dns/nameservers", gateway)
}

func (b *bench) snapshotBecomesADroplet(one *godo.Droplet) *godo.Droplet {
	b.Helper()

	image := b.snapshotOf(one)

	two := b.create("two", image, "")
	b.prints(two, "cat /root/kept", "kept")
	b.prints(two, "hostname", "two")

	private := b.privateAddress(one)
	b.run(two, "bash -c 'exec 3<>/dev/tcp/"+private+"/22'")

	return two
}

func (b *bench) dropletsOutliveTheLab(one *godo.Droplet) {
	b.Helper()
	require := require.New(b)
	b.Log("killing the lab's process")

	before, err := lab.StatusOf(b.Context(), testLab)
	require.NoError(err)
	b.kill()
	b.prints(one, "hostname", "one")
	b.startAgain()

	after, err := lab.StatusOf(b.Context(), testLab)
	require.NoError(err)
	require.Equal(before.Droplets, after.Droplets)
	require.Equal(before.URL, after.URL)
}

func (b *bench) dropletIsPowered(two *godo.Droplet) {
	b.Helper()
	b.Log("power")

	action, _, err := b.client.DropletActions.Shutdown(b.Context(), two.ID)
	require.NoError(b, err)
	b.done(action)
	b.status(two.ID, "off")

	b.powerOn(two)
	b.run(two, "systemd-run --no-block systemctl poweroff")
	b.status(two.ID, "off") // a guest that powers itself off is off

	b.powerOn(two)
	b.prints(two, "cat /root/kept", "kept")

	endpoint := b.endpoint()
	require.NoError(b, endpoint.Kill(b.Context(), two.ID))
	b.status(two.ID, "off")
}

func (b *bench) labIsStoppedAndStarted(one, two *godo.Droplet) {
	b.Helper()
	require := require.New(b)
	b.Log("stop and start")

	ended, err := lab.Stop(
		b.Context(),
		testLab,
		slog.New(slog.DiscardHandler),
	)
	require.NoError(err)
	require.True(ended)

	left, err := filepath.Glob("/run/netns/hornero-" + testLab + "*")
	require.NoError(err)
	require.Empty(left)
	b.startAgain()
	b.status(one.ID, "active")
	b.prints(one, "cat /root/told", "by user-data")
	b.status(two.ID, "off")
}

func TestLoadBalancerOutlivesTheLab(t *testing.T) {
	b := newBench(t)
	require := require.New(t)
	droplet := b.createDebian("web")
	b.run(
		droplet,
		"echo served > /srv/index.html && systemd-run python3 -m http.server 80 --directory /srv",
	)

	balancer, _, err := b.client.LoadBalancers.Create(t.Context(), &godo.LoadBalancerRequest{
		Name:   "site",
		Region: "nyc3",
		Tag:    "test",
		ForwardingRules: []godo.ForwardingRule{{
			EntryProtocol:  "http",
			EntryPort:      80,
			TargetProtocol: "http",
			TargetPort:     80,
		}},
		HealthCheck: &godo.HealthCheck{
			Protocol:               "http",
			Port:                   80,
			Path:                   "/",
			CheckIntervalSeconds:   3,
			ResponseTimeoutSeconds: 3,
			HealthyThreshold:       2,
			UnhealthyThreshold:     2,
		},
	})
	require.NoError(err)

	b.until(bootWithin, "load balancer active", func() (err error) {
		balancer, _, err = b.client.LoadBalancers.Get(t.Context(), balancer.ID)
		if err == nil && balancer.Status != "active" {
			err = errors.New(balancer.Status)
		}

		return err
	})

	b.until(time.Minute, "served", func() error {
		return served("http://" + balancer.IP + "/")
	})

	endpoint := b.endpoint()
	published, err := endpoint.Published(t.Context(), balancer.IP)
	require.NoError(err)
	require.NoError(served("http://" + published + "/"))

	_, err = endpoint.Published(t.Context(), "198.18.255.9")
	require.ErrorIs(err, lab.ErrNotPublished)

	b.kill()
	require.NoError(served("http://"+balancer.IP+"/"), "a load balancer runs on without its lab")
	b.startAgain()
	b.until(time.Minute, "published again", func() error {
		return served("http://" + published + "/")
	})

	_, err = b.client.LoadBalancers.Delete(t.Context(), balancer.ID)
	require.NoError(err)

	b.until(time.Minute, "no longer published", func() error {
		if served("http://"+published+"/") == nil {
			return errors.New("it is served")
		}

		return nil
	})
}

// served tells whether a page comes from the Droplet.
func served(url string) error {
	response, err := (&http.Client{Timeout: 2 * time.Second}).Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	if err == nil && strings.TrimSpace(string(body)) != "served" {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}

	return err
}

func TestResetOfACrashedLab(t *testing.T) {
	b := newBench(t)
	b.createDebian("one")
	b.kill()
	// The rest is the clean-up's: a reset, and nothing left.
}

func TestTwoStartsAtOnce(t *testing.T) {
	b := newBench(t)
	_, err := lab.Stop(
		t.Context(),
		testLab,
		slog.New(slog.DiscardHandler),
	)
	require.NoError(t, err)

	program, err := os.Executable()
	require.NoError(t, err)

	started := make(chan bool, 2)

	for range 2 {
		go func() {
			_, did, err := lab.Start(
				b.Context(),
				testLab,
				[]string{program, "serve-lab", testLab},
			)
			if err != nil {
				t.Error(err)
			}

			started <- did
		}()
	}

	require.NotEqual(t, <-started, <-started, "one starts the lab, the other finds it")
}

// TestPitfall3ActiveIsNotReady looks at a Droplet in the moment that it is active: its sshd and its cloud-init
// come later.
func TestPitfall3ActiveIsNotReady(t *testing.T) {
	b := newBench(t)
	droplet := b.create(
		"one",
		debian13,
		"#cloud-config\nwrite_files:\n- path: /root/told\n  content: late\n",
	)

	address := b.publicAddress(droplet)

	_, err := net.DialTimeout(
		"tcp",
		address+":22",
		time.Second,
	)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	b.prints(droplet, "cat /root/told", "late")
}
