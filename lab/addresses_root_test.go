//go:build root

package lab_test

import (
	"errors"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

// at runs a command in whatever Droplet an address reaches.
func (b *bench) at(address, command string) string {
	return b.run(&godo.Droplet{Networks: &godo.Networks{V4: []godo.NetworkV4{{IPAddress: address, Type: "public"}}}}, command)
}

func TestReservedIPMovesBetweenDroplets(t *testing.T) {
	b := newBench(t)
	one := b.create("one", godo.DropletCreateImage{Slug: "debian-13-x64"}, "")
	two := b.create("two", godo.DropletCreateImage{Slug: "debian-13-x64"}, "")
	reserved, _, err := b.client.ReservedIPs.Create(t.Context(), &godo.ReservedIPCreateRequest{Region: "nyc3"})
	require.NoError(t, err)
	const active = "curl -sf http://169.254.169.254/metadata/v1/reserved_ip/ipv4/active"
	b.run(two, "hostname") // sshd answers in both before the move is timed
	for _, holder := range []*godo.Droplet{one, two, one} {
		action, _, err := b.client.ReservedIPActions.Assign(t.Context(), reserved.IP, holder.ID)
		require.NoError(t, err)
		b.done(action)
		moved := time.Now()
		require.Equal(t, holder.Name, b.at(reserved.IP, "hostname"))
		t.Logf("the Droplet answers %s after the action's end", time.Since(moved).Round(time.Millisecond))
		require.Equal(t, "true", b.run(holder, active))
		seen := b.at(reserved.IP, `echo "${SSH_CONNECTION}" | cut -d " " -f 3`)
		require.Regexp(t, `^10\.10\.`, seen, "packets come to the anchor address")
	}
	require.Equal(t, "false", b.run(two, active))
	require.Equal(t, "one", b.run(two, "ssh-keyscan -t ed25519 "+reserved.IP+" 2>/dev/null | grep -c ed25519 >/dev/null && echo one"), "another Droplet reaches it")

	b.kill()
	require.True(t, b.start())
	require.Equal(t, "one", b.at(reserved.IP, "hostname"))

	action, _, err := b.client.DropletActions.Reboot(t.Context(), one.ID)
	require.NoError(t, err)
	b.done(action)
	require.Equal(t, "one", b.at(reserved.IP, "hostname"))
	_, err = b.client.Droplets.Delete(t.Context(), one.ID)
	require.NoError(t, err)
	b.until(30*time.Second, "reserved IP free", func() error {
		now, _, err := b.client.ReservedIPs.Get(t.Context(), reserved.IP)
		if err == nil && now.Droplet != nil {
			err = errors.New("the Droplet has it still")
		}
		return err
	})
}

func TestRebuildAndResize(t *testing.T) {
	b := newBench(t)
	droplet := b.create("one", godo.DropletCreateImage{Slug: "debian-13-x64"}, "")
	b.run(droplet, "echo lost > /root/lost")
	action, _, err := b.client.DropletActions.RebuildByImageSlug(t.Context(), droplet.ID, "debian-12-x64")
	require.NoError(t, err)
	b.done(action)
	require.Equal(t, "12", b.run(droplet, `. /etc/os-release; echo "$VERSION_ID"`))
	require.Equal(t, "gone", b.run(droplet, "test -e /root/lost || echo gone"))

	action, _, err = b.client.DropletActions.PowerOff(t.Context(), droplet.ID)
	require.NoError(t, err)
	b.done(action)
	action, _, err = b.client.DropletActions.Resize(t.Context(), droplet.ID, "s-1vcpu-2gb", false)
	require.NoError(t, err)
	b.done(action)
	b.status(droplet.ID, "off")
	action, _, err = b.client.DropletActions.PowerOn(t.Context(), droplet.ID)
	require.NoError(t, err)
	b.done(action)
	require.Equal(t, "2097152", b.run(droplet, "sed -n 's/MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"))
}
