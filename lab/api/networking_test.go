package api_test

import (
	"fmt"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func TestIPv6OfDroplets(t *testing.T) {
	w := newWorld(t)
	ask := request("six")
	ask.IPv6 = true
	droplet := w.create(ask)
	address, err := droplet.PublicIPv6()
	require.NoError(t, err)
	require.Regexp(t, `^2001:db8:c633:6400::[0-9a-f]+$`, address)
	require.Equal(t, 64, droplet.Networks.V6[0].Netmask)
	require.Equal(t, "2001:db8:c633:6400::1", droplet.Networks.V6[0].Gateway)

	require.Equal(
		t,
		address,
		w.machines.machine(droplet.ID).IPv6.String(),
	)

	plain := w.create(request("plain"))
	require.Empty(t, plain.Networks.V6)
	require.False(t, w.machines.machine(plain.ID).IPv6.IsValid())

	require.Equal(
		t,
		godo.ActionCompleted,
		w.did(w.DropletActions.EnableIPv6(t.Context(), plain.ID)).Status,
	)

	later, err := w.active(plain.ID).PublicIPv6()
	require.NoError(t, err)
	require.NotEqual(t, address, later)

	require.Equal(
		t,
		later,
		w.machines.machine(plain.ID).IPv6.String(),
	)
}

func TestDropletsWithTheirVPCOnly(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ask := `{"name":"db","region":"nyc3","size":"s-1vcpu-1gb","image":"debian-13-x64","public_networking":false`

	status, body, _ := w.raw("POST", "/v2/droplets", ask+`,"ipv6":true}`)
	require.Equal(t, 422, status, "%v", body)

	status, body, _ = w.raw("POST", "/v2/droplets", ask+`}`)
	require.Equal(t, 202, status, "%v", body)

	droplet := w.active(int(body["droplet"].(map[string]any)["id"].(float64)))
	require.Len(t, droplet.Networks.V4, 1)
	require.Equal(t, "private", droplet.Networks.V4[0].Type)

	public, err := droplet.PublicIPv4()
	require.NoError(t, err)
	require.Empty(t, public)
	require.False(t, w.machines.machine(droplet.ID).Public.IsValid())

	_, _, err = w.DropletActions.EnableIPv6(ctx, droplet.ID)
	refused(t, err, 422, "public networking")

	_, _, err = w.ReservedIPs.Create(
		ctx,
		&godo.ReservedIPCreateRequest{DropletID: droplet.ID},
	)
	refused(t, err, 422, "public networking")

	_, _, err = w.Firewalls.Create(ctx, &godo.FirewallRequest{
		Name:       "wall",
		DropletIDs: []int{droplet.ID},
		InboundRules: []godo.InboundRule{{
			Protocol:  "tcp",
			PortRange: "22",
			Sources:   &godo.Sources{DropletIDs: []int{droplet.ID}},
		}},
	})
	require.NoError(t, err)

	_, told, _ := w.raw("GET", "/lab/v1/status", "")
	require.NotContains(t, fmt.Sprint(body, told), "invalid IP")
}
