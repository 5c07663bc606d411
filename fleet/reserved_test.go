package fleet_test

import (
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/stack"
)

// asksFor reserves an address in a region and has the stack ask for it.
func (w *world) asksFor(region string) string {
	reserved, _, err := w.config.Client.ReservedIPs.Create(
		w.t.Context(),
		&godo.ReservedIPCreateRequest{Region: region},
	)
	require.NoError(w.t, err)

	w.config.Stack.ReservedIP = &stack.ReservedIP{Nodes: "proxy", Address: reserved.IP}

	return reserved.IP
}

// assign gives an address to a Droplet, or takes it away from whom it has for 0, and waits until that is so.
func (w *world) assign(address string, droplet int) {
	var err error
	if droplet == 0 {
		_, _, err = w.config.Client.ReservedIPActions.Unassign(w.t.Context(), address)
	} else {
		_, _, err = w.config.Client.ReservedIPActions.Assign(w.t.Context(), address, droplet)
	}

	require.NoError(w.t, err)

	require.Eventually(w.t, func() bool {
		got, _, err := w.config.Client.ReservedIPs.Get(w.t.Context(), address)
		require.NoError(w.t, err)
		return !got.Locked && (got.Droplet == nil) == (droplet == 0)
	}, 10*time.Second, 10*time.Millisecond)
}

func (w *world) giveToken() {
	require.NoError(w.t, w.config.Secrets.Set(
		"digitalocean.reserved_ip_token",
		"token-of-the-proxies",
	))
}

func TestUpWantsTheReservedIPToBeRight(t *testing.T) {
	w := newWorld(t)
	address := w.asksFor("nyc3")
	require.ErrorContains(t, w.up(), "`hornero secrets set digitalocean.reserved_ip_token`")
	w.giveToken()

	require.EqualError(t,
		w.up(),
		"the reserved IP cannot be used: "+address+
			" is in another region than the stack, which is in fra1; `hornero reserved-ip create` reserves "+
			"one there",
	)

	w.config.Stack.ReservedIP.Address = "198.51.100.250"
	err := w.up()
	require.ErrorIs(t, err, fleet.ErrReserved)
	require.ErrorContains(t, err, "the account has no 198.51.100.250")

	images, _, err := w.config.Client.Images.ListByTag(t.Context(), "hornero:role:db", nil)
	require.NoError(t, err)

	stranger, _, err := w.config.Client.Droplets.Create(t.Context(), &godo.DropletCreateRequest{
		Name:   "mine",
		Region: "fra1",
		Size:   "s-1vcpu-1gb",
		Image:  godo.DropletCreateImage{ID: images[0].ID},
	})
	require.NoError(t, err)

	address = w.asksFor("fra1")

	require.Eventually(t, func() bool {
		got, _, err := w.config.Client.Droplets.Get(t.Context(), stranger.ID)
		require.NoError(t, err)
		return got.Status == "active"
	}, 10*time.Second, 10*time.Millisecond)

	w.assign(address, stranger.ID)
	require.ErrorContains(t, w.up(), "(mine), which is not of this stack; unassign it first")

	require.ErrorIs(t,
		w.fleet().Unreserve(t.Context()),
		fleet.ErrReserved,
	)

	droplets, _, err := w.config.Client.Droplets.List(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, droplets, 1, "nothing is made")
}

func TestTheReservedIPIsTheProxiesAndTheOperators(t *testing.T) {
	w := newWorld(t)
	address, err := w.fleet().Reserve(t.Context())
	require.NoError(t, err)

	w.config.Stack.ReservedIP, w.config.Inside = &stack.ReservedIP{Nodes: "proxy", Address: address}, "http://198.51.100.1:8080"
	w.giveToken()

	_, err = w.fleet().Reserve(t.Context())
	require.ErrorContains(t, err, "names the reserved IP "+address+" already")
	require.NoError(t, w.up())

	proxies := map[string]int{}

	for id, document := range w.documents() {
		token, given := document.Secrets["digitalocean.reserved_ip_token"]
		_, key := document.Secrets["site.key"]
		require.Equal(t, document.Role == "proxy", given, document.Node)
		require.Equal(t, given, key, document.Node)

		if given {
			proxies[document.Node] = id
			require.Equal(t, "token-of-the-proxies", token.Reveal())
			require.Equal(t, address, document.Settings["reserved_ip.address"])
			require.Equal(t, "http://198.51.100.1:8080", document.Settings["reserved_ip.api"])
		} else {
			require.NotContains(t, document.Settings, "reserved_ip.api", document.Node)
		}
	}

	shown := func() fleet.ReservedLine {
		report, err := w.fleet().Status(t.Context())
		require.NoError(t, err)
		return *report.ReservedIP
	}
	require.Equal(t, fleet.ReservedLine{Address: address, Problem: "no node holds it"}, shown())
	w.mutex.Lock()
	w.holder = "proxy-2"
	w.problems = map[string]string{"proxy-1": "401 Unable to authenticate you"}
	w.mutex.Unlock()
	w.assign(address, proxies["proxy-1"])

	require.Equal(t,
		fleet.ReservedLine{
			Address:    address,
			Holder:     "proxy-2",
			AssignedTo: "proxy-1",
			Problem:    "it is not where its holder is",
		},
		shown(),
	)

	w.assign(address, 0)
	w.assign(address, proxies["proxy-2"])

	require.Equal(t,
		fleet.ReservedLine{
			Address:    address,
			Holder:     "proxy-2",
			AssignedTo: "proxy-2",
		},
		shown(),
	)

	report, err := w.fleet().Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, "reserved IP: 401 Unable to authenticate you", report.Nodes[3].Note)
	require.True(t, report.Healthy(), "the node serves all the same")

	var said []string
	w.config.Progress = func(line string) { said = append(said, line) }
	require.NoError(t, w.fleet().Destroy(t.Context()))

	require.Contains(t,
		said,
		"reserved IP "+address+
			" is kept, and is paid for while no Droplet has it; `hornero reserved-ip release --yes` gives it back",
	)

	require.NoError(t, w.fleet().Unreserve(t.Context()))

	require.ErrorIs(t,
		w.fleet().Unreserve(t.Context()),
		fleet.ErrReserved,
	)

	left, _, err := w.config.Client.ReservedIPs.List(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, left)
}

// A stack that ran before it asked for an address: its proxies were launched without.
func TestNodesOfEarlierKnowNothingOfTheReservedIP(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.up())

	address := w.asksFor("fra1")

	require.ErrorContains(t,
		w.fleet().Replace(t.Context(), "proxy-1"),
		"`hornero secrets set digitalocean.reserved_ip_token`",
	)

	require.Contains(t, w.names(), "proxy-1/1", "the node that is there is left alone")

	_, err := w.fleet().Preview(t.Context(), stack.Node{Name: "proxy-1", Role: "proxy"})
	require.ErrorContains(t, err, "`hornero secrets set digitalocean.reserved_ip_token`")
	w.giveToken()

	report, err := w.fleet().Status(t.Context())
	require.NoError(t, err)

	require.Equal(t,
		fleet.ReservedLine{
			Address: address,
			Problem: "no node that runs was launched with it; `hornero " +
				"replace` each node of role proxy",
		},
		*report.ReservedIP,
	)
}
