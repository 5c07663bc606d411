package fleet_test

import (
	"net/netip"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/do"
)

func TestTheRangeOfAStacksNetwork(t *testing.T) {
	t.Parallel()

	first, ok := fleet.FreeRange("hornero-blog")
	require.True(t, ok)
	require.Equal(t, 24, first.Bits())

	again, _ := fleet.FreeRange("hornero-blog")
	require.Equal(t, first, again)

	other, _ := fleet.FreeRange("hornero-shop")
	require.NotEqual(t, first, other, "two stacks that are launched at once")

	next, _ := fleet.FreeRange("hornero-blog", first, other)
	require.False(t, next.Overlaps(first))

	// All but one /24 are taken: of 10.50.0.0/16 the lower half, of its upper half the lower half, and so on.
	taken := []netip.Prefix{
		netip.MustParsePrefix("10.50.0.0/17"),
		netip.MustParsePrefix("10.50.128.0/18"),
		netip.MustParsePrefix("10.50.192.0/19"),
		netip.MustParsePrefix("10.50.224.0/20"),
		netip.MustParsePrefix("10.50.240.0/21"),
		netip.MustParsePrefix("10.50.248.0/22"),
		netip.MustParsePrefix("10.50.252.0/23"),
		netip.MustParsePrefix("10.50.254.0/24"),
	}

	for second := 16; second < 100; second++ {
		if second != 50 {
			taken = append(taken, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(second), 0, 0}), 16))
		}
	}

	last, ok := fleet.FreeRange("hornero-blog", taken...)
	require.True(t, ok)
	require.Equal(t, "10.50.255.0/24", last.String())

	_, ok = fleet.FreeRange("hornero-blog", append(taken, last)...)
	require.False(t, ok)
}

func TestUpMakesANetworkThatIsFree(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	wanted, _ := fleet.FreeRange("hornero-blog")

	// Somebody else has what would be taken.
	_, _, err := w.config.Client.VPCs.Create(t.Context(), &godo.VPCCreateRequest{
		Name:       "another",
		RegionSlug: "fra1",
		IPRange:    netip.PrefixFrom(wanted.Addr(), 20).Masked().String(),
	})
	require.NoError(t, err)
	w.mustUp()

	vpcs, err := do.VPCs(t.Context(), w.config.Client)
	require.NoError(t, err)

	for _, vpc := range vpcs {
		if vpc.Name == "hornero-blog" {
			require.Regexp(t, `^10\.[1-9][0-9]\.[0-9]+\.0/24$`, vpc.IPRange)
			require.NotEqual(t, wanted.String(), vpc.IPRange)
		}
	}
}
