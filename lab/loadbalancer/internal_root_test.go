//go:build root

package loadbalancer_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/lab/loadbalancer"
)

func TestInternalBalancer(t *testing.T) {
	f := newFarm(t)
	f.site.At.Private, f.site.At.Public = netip.MustParseAddr("10.108.0.20"), netip.Addr{}
	f.site.Targets, f.site.Health = []loadbalancer.Target{f.kind(t, "http", 41, 80)}, checked(80)
	f.site.Rules = f.site.Rules[:1]
	require.NoError(t, f.Apply(t.Context(), f.site))

	neighbour, stranger := f.at(51), f.at(52)
	stranger.VPC, stranger.VPCRange = "another", netip.MustParsePrefix("10.109.0.0/20")
	stranger.Private = netip.MustParseAddr("10.109.0.52")
	require.NoError(t, f.host.Attach("neighbour", neighbour))
	require.NoError(t, f.host.Attach("stranger", stranger))

	from := func(place string) (string, error) {
		return command.Run(t.Context(), command.Command{Args: []string{"nsenter", "--net=/run/netns/" +
			f.host.Namespace(place), "--",
			"curl", "-sS", "-m", "1", "http://10.108.0.20/"}})
	}

	require.EventuallyWithT(t, func(c *assert.CollectT) {
		body, err := from("neighbour")
		require.NoError(c, err)
		require.Contains(c, body, `"X-Forwarded-For":["10.108.0.51"]`)
	}, 10*time.Second, 50*time.Millisecond)

	_, err := from("stranger")
	require.Error(t, err, "another VPC does not reach it")

	_, err = command.Run(
		t.Context(),
		command.Command{Args: []string{"ip", "route", "get", "10.108.0.20"}},
	)

	require.ErrorContains(t,
		err,
		"Invalid argument",
		"this computer has no way there but the blackhole",
	)

	addresses, err := command.Run(
		t.Context(),
		command.Command{Args: []string{
			"ip",
			"-n",
			f.host.Namespace("lb-" + f.site.ID),
			"-4",
			"-o",
			"address",
		}},
	)
	require.NoError(t, err)
	publicNetwork := strings.TrimSuffix(f.inPublic(0).String(), "0")
	require.NotContains(t, addresses, publicNetwork, "nothing of it is in the public network")
	require.Contains(t, addresses, "10.108.0.20/20")

	_, published := f.Published(f.site.At.Private)
	require.False(t, published)
	require.NoError(t, f.Remove(t.Context(), f.site.ID))

	_, err = from("neighbour")
	require.Error(t, err)
}
