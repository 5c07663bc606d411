package loadbalancer_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/loadbalancer"
)

func TestDatagramChains(t *testing.T) {
	b := resolver()
	both := []netip.Addr{b.Targets[0].Address, b.Targets[1].Address}
	golden(t, "resolver.nft", loadbalancer.DatagramChains(b, both))
	require.NotContains(t, loadbalancer.DatagramChains(b, nil), "dnat to", "nobody is healthy")
	require.Empty(t, loadbalancer.DatagramChains(site(), both), "no rule is for datagrams")

	b.At.Public = netip.Addr{}

	require.Contains(t,
		loadbalancer.DatagramChains(b, both),
		"ip daddr 10.108.15.234 udp dport 53",
		"an internal one listens in its VPC",
	)
}

func TestHealthyTargets(t *testing.T) {
	states := "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state ...\n" +
		"2 health 100007 droplet-100007 10.108.0.7 2 0 1 1 9 15 3 4 6 0 0 1 - 9200 - 0 0 - - 0\n" +
		"2 health 100008 droplet-100008 10.108.0.8 0 0 1 1 9 15 3 4 6 0 0 1 - 9200 - 0 0 - - 0\n" +
		"2 health 100009 droplet-100009 10.108.0.9 2 0 1 1 9 15 3 4 6 0 0 1 - 9200 - 0 0 - - 0\n"

	require.Equal(t, []netip.Addr{netip.MustParseAddr("10.108.0.7")}, loadbalancer.HealthyTargets(
		site(),
		states,
	),
		"the second is down, and the third no target any more")

	require.Empty(t, loadbalancer.HealthyTargets(site(), ""))
}
