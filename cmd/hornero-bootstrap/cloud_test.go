package main

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/cloud"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/lab/state"
)

// machines pretend to run Droplets; the API in front of them is the lab's own.
type machines struct{ api.Machines }

func (machines) EnsureImage(context.Context, string) error {
	return nil
}

func (machines) Create(context.Context, api.Machine) error {
	return nil
}

func (machines) SetReserved(context.Context, map[netip.Addr]int) error {
	return nil
}

func (machines) SetFirewalls(context.Context, []api.DropletFirewall) error {
	return nil
}

func (machines) SetNetworkFaults(context.Context, []api.NetworkFault) error {
	return nil
}

func (machines) SetDelays(context.Context, []api.LinkDelay) error {
	return nil
}

func (machines) SetClocks(context.Context, map[int]time.Duration) error {
	return nil
}

func (machines) SetFills(context.Context, map[int]int64) error {
	return nil
}

func (machines) Running(int) bool {
	return true
}

func (machines) List() ([]int, error) {
	return nil, nil
}

func (machines) Images() ([]string, error) {
	return nil, nil
}

type balancers struct{ api.Balancers }

func (balancers) List() ([]string, error) {
	return nil, nil
}

type volumes struct{ api.Volumes }

func (volumes) RemoveAllBut(context.Context, []string, []string) error {
	return nil
}

// lab starts the API, and returns its address and a client of godo's for what an operator does.
func lab(t *testing.T) (string, *godo.Client) {
	store, err := state.Open(filepath.Join(t.TempDir(), "state.json"), api.Fresh(time.Now()))
	require.NoError(t, err)

	server := api.New(api.Options{
		Token:     "token",
		Store:     store,
		Machines:  machines{},
		Balancers: balancers{},
		Volumes:   volumes{},
		Public:    netip.MustParsePrefix("198.51.100.0/24"),
		Logger:    slog.New(slog.DiscardHandler),
		Delays:    api.Delays{Action: 300 * time.Millisecond},
	})
	require.NoError(t, server.Start(t.Context()))

	web := httptest.NewServer(server.Handler())
	t.Cleanup(func() {
		web.Close()
		server.Close()
	})

	operator, err := do.NewClient(web.URL, "token", "test")
	require.NoError(t, err)

	return web.URL, operator
}

func droplet(t *testing.T, operator *godo.Client, name string) int {
	made, _, err := operator.Droplets.Create(t.Context(), &godo.DropletCreateRequest{
		Name:   name,
		Region: "nyc3",
		Size:   "s-1vcpu-1gb",
		Image:  godo.DropletCreateImage{Slug: "debian-13-x64"},
	})
	require.NoError(t, err)

	_, err = do.WaitDropletActive(t.Context(), operator, made.ID, do.WaitOptions{})
	require.NoError(t, err)

	return made.ID
}

// reserve makes a reserved IP, and returns a client of ours for it. The client has a token that may do no more than
// the one that docs/reserved-ip.md says how to make.
func reserve(t *testing.T, url string, operator *godo.Client) cloud.Client {
	request := &godo.ReservedIPCreateRequest{Region: "nyc3"}
	reserved, _, err := operator.ReservedIPs.Create(t.Context(), request)
	require.NoError(t, err)

	return cloud.Client{
		Endpoint: url,
		Token:    updateToken(),
		Address:  reserved.IP,
		Agent:    "test",
	}
}

// updateToken is a token that may only move reserved IPs.
func updateToken() report.Secret {
	return report.Secret(api.ScopedToken("token", "reserved_ip:update"))
}

func TestTheClientAssignsAReservedIP(t *testing.T) {
	url, operator := lab(t)
	client := reserve(t, url, operator)
	one, two := droplet(t, operator, "one"), droplet(t, operator, "two")
	ctx := t.Context()

	holder, locked, err := client.Holder(ctx)
	require.NoError(t, err)
	require.Zero(t, holder)
	require.False(t, locked)

	for _, wanted := range []int{one, two} {
		action, err := client.Assign(ctx, wanted)
		require.NoError(t, err)
		require.Equal(t, "in-progress", action.Status)

		_, locked, err = client.Holder(ctx)
		require.NoError(t, err)
		require.True(t, locked)

		// The lab's actions take 300 ms: this one is still under way.
		_, err = client.Assign(ctx, one)
		require.ErrorIs(t, err, cloud.ErrBusy)
		require.ErrorContains(t, err, "422 The reserved IP already has a pending event.")

		require.Eventually(t, func() bool {
			action, err = client.Follow(ctx, action.ID)
			require.NoError(t, err)

			return action.Status == cloud.ActionCompleted
		}, 10*time.Second, 10*time.Millisecond)

		holder, _, err = client.Holder(ctx)
		require.NoError(t, err)
		require.Equal(t, wanted, holder)
	}
}

func TestTheClientTellsRefusalsApart(t *testing.T) {
	url, operator := lab(t)
	client := reserve(t, url, operator)
	ctx := t.Context()

	_, err := client.Follow(ctx, 1<<30)
	require.ErrorIs(t, err, cloud.ErrMissing)

	broad, err := client.Broad(ctx)
	require.NoError(t, err)
	require.False(t, broad)

	client.Token = "token"
	broad, err = client.Broad(ctx)
	require.NoError(t, err)
	require.True(t, broad, "the lab's own token does everything")

	client.Token = "another"
	_, _, err = client.Holder(ctx)
	require.ErrorIs(t, err, cloud.ErrRefused)

	_, err = client.Broad(ctx)
	require.ErrorIs(t, err, cloud.ErrRefused)

	client.Token, client.Address = "token", "198.51.100.250"
	_, _, err = client.Holder(ctx)
	require.ErrorIs(t, err, cloud.ErrMissing)
}
