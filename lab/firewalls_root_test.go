//go:build root

package lab_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

// opens tells whether a TCP connection from this computer to a port is made.
func opens(address string, port int) bool {
	connection, err := net.DialTimeout(
		"tcp",
		fmt.Sprintf("%s:%d", address, port),
		300*time.Millisecond,
	)
	if err == nil {
		connection.Close()
	}

	return err == nil
}

// opensFrom tells the same from one Droplet to an address.
func (b *bench) opensFrom(from *godo.Droplet, address string, port int) bool {
	return b.inside(from, fmt.Sprintf(
		"timeout 0.5 bash -c 'exec 3<>/dev/tcp/%s/%d' 2>/dev/null && echo yes || echo no",
		address,
		port,
	)) == "yes"
}

// createFirewall lets one Droplet in on port 80 of another, and everybody on port 81.
func (b *bench) createFirewall(web, db *godo.Droplet) *godo.Firewall {
	b.Helper()

	firewall, _, err := b.client.Firewalls.Create(b.Context(), &godo.FirewallRequest{
		Name:       "wall",
		DropletIDs: []int{db.ID},
		InboundRules: []godo.InboundRule{
			{
				Protocol:  "tcp",
				PortRange: "80",
				Sources:   &godo.Sources{DropletIDs: []int{web.ID}},
			},
			{
				Protocol:  "tcp",
				PortRange: "81",
				Sources:   &godo.Sources{Addresses: []string{"0.0.0.0/0"}},
			},
		},
	})
	require.NoError(b, err)

	return firewall
}

// inForce waits until the Droplets are held to a firewall as it is now.
func (b *bench) inForce(firewall *godo.Firewall) {
	b.Helper()

	b.until(10*time.Second, "firewall in force", func() error {
		now, _, err := b.client.Firewalls.Get(b.Context(), firewall.ID)
		if err == nil && now.Status != "succeeded" {
			err = fmt.Errorf("it is %s", now.Status)
		}

		return err
	})
}

func TestFirewallsStandOutsideOfTheDroplet(t *testing.T) {
	b := newBench(t)
	require := require.New(t)
	web := b.createDebian("web")
	db := b.createDebian("db")

	for _, one := range []*godo.Droplet{web, db} {
		b.run(one, "systemd-run python3 -m http.server 80; systemd-run python3 -m http.server 81")
	}

	public := b.publicAddress(db)
	private := b.privateAddress(db)

	b.until(20*time.Second, "both serve", func() error {
		if !opens(public, 80) || !b.opensFrom(web, private, 81) {
			return fmt.Errorf("not yet")
		}

		return nil
	})

	firewall := b.createFirewall(web, db)
	b.inForce(firewall)
	require.True(b.opensFrom(web, private, 80), "in the VPC, by Droplet")
	require.True(b.opensFrom(web, public, 80), "over the public network, too")
	require.False(opens(public, 80), "from elsewhere")
	require.True(opens(public, 81))
	require.False(opens(public, 22))

	webPrivate := b.privateAddress(web)
	require.False(b.opensFrom(db, webPrivate, 80), "nothing is let out")

	require.Equal(
		fmt.Sprint(db.ID),
		b.inside(db, "curl -sf http://169.254.169.254/metadata/v1/id"),
		"the metadata service is always there",
	)

	b.inside(db, "nft flush ruleset; iptables -F 2>/dev/null; true")
	require.False(opens(public, 80), "a guest's root lifts nothing")

	toTag := []godo.OutboundRule{{
		Protocol:     "tcp",
		PortRange:    "all",
		Destinations: &godo.Destinations{Tags: []string{"test"}},
	}}
	_, err := b.client.Firewalls.AddRules(
		t.Context(),
		firewall.ID,
		&godo.FirewallRulesRequest{OutboundRules: toTag},
	)
	require.NoError(err)
	b.inForce(firewall)
	require.True(b.opensFrom(db, webPrivate, 80), "to a tag")

	b.firewallHoldsForAReservedIP(db)

	b.kill()
	require.False(opens(public, 80), "it stands without its lab")
	b.startAgain()
	require.False(opens(public, 80))

	b.deletedFirewallOpens(firewall, public)
}

// deletedFirewallOpens waits until everybody reaches all ports of an address.
func (b *bench) deletedFirewallOpens(firewall *godo.Firewall, public string) {
	b.Helper()

	_, err := b.client.Firewalls.Delete(b.Context(), firewall.ID)
	require.NoError(b, err)

	b.until(10*time.Second, "open again", func() error {
		if !opens(public, 80) || !opens(public, 22) {
			return fmt.Errorf("still closed")
		}

		return nil
	})
}

// firewallHoldsForAReservedIP gives a Droplet that is open on port 81 only another address.
func (b *bench) firewallHoldsForAReservedIP(db *godo.Droplet) {
	b.Helper()

	reserved, answer, err := b.client.ReservedIPs.Create(
		b.Context(),
		&godo.ReservedIPCreateRequest{DropletID: db.ID},
	)
	require.NoError(b, err)

	b.done(&godo.Action{
		ID:   answer.Links.Actions[0].ID,
		Type: "assign_ip",
	})

	require.True(
		b,
		opens(reserved.IP, 81),
		"through the reserved IP",
	)
	require.False(b, opens(reserved.IP, 80))
}
