package fleet_test

import (
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/stack"
)

// asksFor reserves an address in a region and has the stack ask for it.
func (w *world) asksFor(region string) string {
	request := &godo.ReservedIPCreateRequest{Region: region}
	reserved, _, err := w.config.Client.ReservedIPs.Create(w.t.Context(), request)
	require.NoError(w.t, err)

	w.config.Stack.ReservedIP = &stack.ReservedIP{Nodes: "proxy", Address: reserved.IP}

	return reserved.IP
}

// assign gives an address to a Droplet, or unassigns it for 0, and waits until that is so.
func (w *world) assign(address string, droplet int) {
	client := w.config.Client
	var err error

	if droplet == 0 {
		_, _, err = client.ReservedIPActions.Unassign(w.t.Context(), address)
	} else {
		_, _, err = client.ReservedIPActions.Assign(w.t.Context(), address, droplet)
	}

	require.NoError(w.t, err)

	// The API does it in an action: until that ends the address is locked.
	assigned := func() bool {
		got, _, err := client.ReservedIPs.Get(w.t.Context(), address)
		require.NoError(w.t, err)

		return !got.Locked && (got.Droplet == nil) == (droplet == 0)
	}
	require.Eventually(w.t, assigned, waitLimit, waitTick)
}

func (w *world) giveToken() {
	err := w.config.Secrets.Set("digitalocean.reserved_ip_token", "token-of-the-proxies")
	require.NoError(w.t, err)
}

// launchStranger launches a Droplet that is not of the stack.
func (w *world) launchStranger() int {
	client := w.config.Client
	images, _, err := client.Images.ListByTag(w.t.Context(), "hornero:role:db", nil)
	require.NoError(w.t, err)

	stranger, _, err := client.Droplets.Create(w.t.Context(), &godo.DropletCreateRequest{
		Name:   "mine",
		Region: "fra1",
		Size:   "s-1vcpu-1gb",
		Image:  godo.DropletCreateImage{ID: images[0].ID},
	})
	require.NoError(w.t, err)

	active := func() bool {
		got, _, err := client.Droplets.Get(w.t.Context(), stranger.ID)
		require.NoError(w.t, err)

		return got.Status == "active"
	}
	require.Eventually(w.t, active, waitLimit, waitTick)

	return stranger.ID
}

func TestUpWantsTheReservedIPToBeRight(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	address := w.asksFor("nyc3")
	require.ErrorContains(t, w.up(), "`hornero secrets set digitalocean.reserved_ip_token`")
	w.giveToken()

	require.EqualError(t, w.up(), "the reserved IP cannot be used: "+address+" is in another region than the "+
		"stack, which is in fra1; `hornero reserved-ip create` reserves one there")

	w.config.Stack.ReservedIP.Address = "198.51.100.250"
	err := w.up()
	require.ErrorIs(t, err, fleet.ErrReserved)
	require.ErrorContains(t, err, "the account has no 198.51.100.250")

	stranger := w.launchStranger()
	address = w.asksFor("fra1")
	w.assign(address, stranger)
	require.ErrorContains(t, w.up(), "(mine), which is not of this stack; unassign it first")
	require.ErrorIs(t, w.fleet().Unreserve(t.Context()), fleet.ErrReserved)

	droplets, _, err := w.config.Client.Droplets.List(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, droplets, 1, "nothing is made")
}

const apiInside = "http://198.51.100.1:8080"

// upWithReservedIP reserves an address, has the proxies hold it, and launches the stack.
func (w *world) upWithReservedIP() string {
	address, err := w.fleet().Reserve(w.t.Context())
	require.NoError(w.t, err)

	w.config.Stack.ReservedIP = &stack.ReservedIP{Nodes: "proxy", Address: address}
	w.config.APIInside = apiInside
	w.giveToken()
	require.NoError(w.t, w.up())

	return address
}

func TestOnlyProxiesGetTheReservedIPsToken(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	address := w.upWithReservedIP()

	for _, document := range w.documents() {
		token, given := document.Secrets["digitalocean.reserved_ip_token"]
		_, key := document.Secrets["site.key"]
		require.Equal(t, document.Role == "proxy", given, document.Node)
		require.Equal(t, given, key, document.Node)

		if given {
			require.Equal(t, "token-of-the-proxies", token.Reveal())
			require.Equal(t, address, document.Settings["reserved_ip.address"])
			require.Equal(t, apiInside, document.Settings["reserved_ip.api"])
		} else {
			require.NotContains(t, document.Settings, "reserved_ip.api", document.Node)
		}
	}
}

func TestStatusTellsWhereTheReservedIPIs(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	address := w.upWithReservedIP()

	proxies := map[string]int{}
	for id, document := range w.documents() {
		if document.Role == "proxy" {
			proxies[document.Node] = id
		}
	}

	shown := func() fleet.ReservedLine { return *w.status().ReservedIP }
	require.Equal(t, fleet.ReservedLine{Address: address, Problem: "no node holds it"}, shown())

	w.set(func() {
		w.holder = "proxy-2"
		w.problems = map[string]string{"proxy-1": "401 Unable to authenticate you"}
	})
	w.assign(address, proxies["proxy-1"])

	want := fleet.ReservedLine{
		Address:    address,
		Holder:     "proxy-2",
		AssignedTo: "proxy-1",
		Problem:    "it is not where its holder is",
	}
	require.Equal(t, want, shown())

	w.assign(address, 0)
	w.assign(address, proxies["proxy-2"])

	want = fleet.ReservedLine{
		Address:    address,
		Holder:     "proxy-2",
		AssignedTo: "proxy-2",
	}
	require.Equal(t, want, shown())

	report := w.status()
	require.Equal(t, "reserved IP: 401 Unable to authenticate you", report.Nodes[3].Note)
	require.True(t, report.Healthy(), "the node serves all the same")
}

func TestTheReservedIPOutlivesTheStack(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	address := w.upWithReservedIP()

	_, err := w.fleet().Reserve(t.Context())
	require.ErrorContains(t, err, "names the reserved IP "+address+" already")

	said := w.hear()
	require.NoError(t, w.fleet().Destroy(t.Context()))

	require.Contains(t, said(), "reserved IP "+address+" is kept, and is paid for while no Droplet has it; "+
		"`hornero reserved-ip release --yes` gives it back")

	require.NoError(t, w.fleet().Unreserve(t.Context()))
	require.ErrorIs(t, w.fleet().Unreserve(t.Context()), fleet.ErrReserved)

	left, _, err := w.config.Client.ReservedIPs.List(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, left)
}

// A stack that ran before it asked for an address has proxies that were launched without it.
func TestNodesLaunchedBeforeTheReservedIPDoNotKnowIt(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	const hint = "`hornero secrets set digitalocean.reserved_ip_token`"
	address := w.asksFor("fra1")

	err := w.replace("proxy-1")
	require.ErrorContains(t, err, hint)
	require.Contains(t, w.names(), "proxy-1/1", "the node that is there is left alone")

	_, err = w.fleet().Preview(t.Context(), stack.Node{Name: "proxy-1", Role: "proxy"})
	require.ErrorContains(t, err, hint)

	w.giveToken()

	want := fleet.ReservedLine{
		Address: address,
		Problem: "no node that runs was launched with it; `hornero replace` each node of role proxy",
	}
	require.Equal(t, want, *w.status().ReservedIP)
}
