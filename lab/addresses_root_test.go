//go:build root

package lab_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

// at runs a command in whatever Droplet an address reaches.
func (b *bench) at(address, command string) string {
	return b.run(
		&godo.Droplet{Networks: &godo.Networks{V4: []godo.NetworkV4{{IPAddress: address, Type: "public"}}}},
		command,
	)
}

func TestReservedIPMovesBetweenDroplets(t *testing.T) {
	b := newBench(t)
	require := require.New(t)
	one := b.createDebian("one")
	two := b.createDebian("two")

	reserved, _, err := b.client.ReservedIPs.Create(
		t.Context(),
		&godo.ReservedIPCreateRequest{Region: "nyc3"},
	)
	require.NoError(err)
	const active = "curl -sf http://169.254.169.254/metadata/v1/reserved_ip/ipv4/active"
	b.run(two, "hostname") // sshd answers in both before the move is timed

	for _, holder := range []*godo.Droplet{one, two, one} {
		action, _, err := b.client.ReservedIPActions.Assign(
			t.Context(),
			reserved.IP,
			holder.ID,
		)
		require.NoError(err)
		b.done(action)

		moved := time.Now()
		require.Equal(holder.Name, b.at(reserved.IP, "hostname"))

		t.Logf(
			"the Droplet answers %s after the action's end",
			time.Since(moved).Round(time.Millisecond),
		)

		b.prints(holder, active, "true")

		seen := b.at(reserved.IP, `echo "${SSH_CONNECTION}" | cut -d " " -f 3`)
		require.Regexp(`^10\.10\.`, seen, "packets come to the anchor address")
	}

	b.prints(two, active, "false")
	b.leavesFromReserved(one, two, reserved.IP)
	b.passesNothingElse(two)

	require.Equal(
		"one",
		b.run(two,
			"ssh-keyscan -t ed25519 "+reserved.IP+" 2>/dev/null | grep -c ed25519 >/dev/null && echo one",
		),
		"another Droplet reaches it",
	)

	b.kill()
	require.Equal(
		"one",
		b.at(reserved.IP, "hostname"),
		"packets flow while the lab is down",
	)
	b.startAgain()
	require.Equal("one", b.at(reserved.IP, "hostname"))

	b.reboot(one)
	require.Equal("one", b.at(reserved.IP, "hostname"))

	b.delete(one)

	b.until(30*time.Second, "reserved IP free", func() error {
		now, _, err := b.client.ReservedIPs.Get(t.Context(), reserved.IP)
		if err == nil && now.Droplet != nil {
			err = errors.New("the Droplet has it still")
		}

		return err
	})
}

// tellWhoComes prints who the first is that connects.
const tellWhoComes = `import socket
s = socket.create_server(("", 7070))
print(s.accept()[1][0])
`

// leavesFromReserved sends by the anchor gateway, as DigitalOcean's documentation says one does, and asks another
// Droplet who came.
func (b *bench) leavesFromReserved(holder, witness *godo.Droplet, reserved string) {
	b.Helper()
	to := b.publicAddress(witness)

	b.run(witness, "nohup python3 -u -c '"+tellWhoComes+"' >/root/came 2>&1 </dev/null &")

	// Until its python listens, connections are refused.
	const anchor = "http://169.254.169.254/metadata/v1/interfaces/public/0/anchor_ipv4/"
	b.run(holder, "A=$(curl -sf "+anchor+"address) && ip rule add from $A lookup 100 && ip route add default "+
		"via $(curl -sf "+anchor+"gateway) dev eth0 table 100"+
		" && curl -s --retry 50 --retry-connrefused --retry-delay 1 --interface $A telnet://"+to+":7070 </dev/null")

	b.prints(witness, "cat /root/came", reserved)
	b.run(holder, "ip rule del lookup 100")
}

// passesNothingElse sends a packet for another region's VPC to the gateways of a Droplet: the lab routes for
// reserved IPs only.
func (b *bench) passesNothingElse(droplet *godo.Droplet) {
	b.Helper()

	far, _, err := b.client.Droplets.Create(b.Context(), &godo.DropletCreateRequest{
		Name:    "far",
		Region:  "fra1",
		Size:    "s-1vcpu-1gb",
		Image:   debian13,
		SSHKeys: []godo.DropletCreateSSHKey{{ID: b.key.ID}},
	})
	require.NoError(b, err)

	far = b.status(far.ID, "active")
	b.run(far, "hostname") // sshd answers

	private := b.privateAddress(far)
	own := b.privateAddress(droplet)
	vpc := netip.PrefixFrom(netip.MustParseAddr(own), 20).Masked().Addr().Next().String()
	for _, gateway := range []string{
		netip.MustParsePrefix(b.public).Addr().Next().String(),
		"10.10.0.1",
		vpc,
	} {
		require.Equal(b, "no way", b.run(droplet, "ip route replace "+private+" via "+gateway+
			" && { timeout 2 bash -c 'exec "+
			"3<>/dev/tcp/"+private+"/22' 2>/dev/null && echo reached || echo no way; }; ip route del "+private))
	}
}

func TestRebuildAndResize(t *testing.T) {
	b := newBench(t)
	droplet := b.createDebian("one")
	b.run(droplet, "echo lost > /root/lost")

	action, _, err := b.client.DropletActions.RebuildByImageSlug(
		t.Context(),
		droplet.ID,
		"debian-12-x64",
	)
	require.NoError(t, err)
	b.done(action)
	b.prints(droplet, `. /etc/os-release; echo "$VERSION_ID"`, "12")
	b.prints(droplet, "test -e /root/lost || echo gone", "gone")

	b.powerOff(droplet)

	action, _, err = b.client.DropletActions.Resize(
		t.Context(),
		droplet.ID,
		"s-1vcpu-2gb",
		false,
	)
	require.NoError(t, err)
	b.done(action)
	b.status(droplet.ID, "off")

	b.powerOn(droplet)

	b.prints(droplet, "sed -n 's/MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo", "2097152")
}
