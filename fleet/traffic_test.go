package fleet_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/do"
)

const webTraffic = "hornero:blog:lb:web"

// haveTraffic fails unless just these nodes bear a traffic tag.
func (w *world) haveTraffic(tag string, nodes ...string) {
	w.t.Helper()

	droplets, err := do.DropletsByTag(w.t.Context(), w.config.Client, tag)
	require.NoError(w.t, err)

	var names []string
	for _, droplet := range droplets {
		names = append(names, strings.TrimPrefix(droplet.Name, "blog-"))
	}

	slices.Sort(names)
	require.Equal(w.t, nodes, names)
}

func (w *world) sicken(node string) {
	w.set(func() {
		w.unhealthy[node] = true
	})
}

func (w *world) cure(node string) {
	w.set(func() {
		delete(w.unhealthy, node)
	})
}

// order fails unless the lines were said in that order.
func order(t *testing.T, said string, lines ...string) {
	t.Helper()

	rest := said
	for _, line := range lines {
		at := strings.Index(rest, line)
		require.GreaterOrEqual(t, at, 0, "%q is not said, or too early, in:\n%s", line, said)
		rest = rest[at+len(line):]
	}
}

// A load balancer's API does not tell when it begins to send to a node; the node tells who asked it.
func TestANodeThatWasFoundIsNotWaitedFor(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()
	w.config.Admission = time.Hour

	w.set(func() {
		w.checkers = map[string]map[string]int{"web-1": {
			"10.0.0.250": -3,
			"10.0.0.251": -1,
		}}
	})

	require.NoError(t, w.replace("web-1"))
	w.set(func() { require.GreaterOrEqual(t, w.checkers["web-1"]["10.0.0.250"], 2) })
}

func TestNodesGetTrafficWhenTheyAreHealthy(t *testing.T) {
	w := newWorld(t)
	w.config.Timeout = time.Second
	w.sicken("web-1")

	require.ErrorContains(t, w.up(), "web-1 is synced")
	w.haveTraffic(webTraffic, "web-2")

	w.cure("web-1")
	w.mustUp()
	w.haveTraffic(webTraffic, "web-1", "web-2")
}

// A stack of an earlier version sends by the role's tag, and has a certificate without digits in its name.
func TestAStackOfAnEarlierVersionIsTakenOver(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	w.useCertificate("hornero-blog")
	w.changeBalancer(func(request *godo.LoadBalancerRequest) {
		request.Tag = "hornero:blog:role:web"
	})
	_, err := w.config.Client.Tags.Delete(t.Context(), webTraffic)
	require.NoError(t, err)
	before := w.balancer()

	require.Contains(t, w.plan(), "change node web-2: no traffic: tag "+webTraffic+" is missing")

	// A node that is not healthy yet would leave the load balancer with fewer nodes than it has.
	w.config.Timeout = time.Second
	w.sicken("web-1")
	require.Error(t, w.up())
	require.Equal(t, before, w.balancer())

	w.config.Timeout = 20 * time.Second
	w.cure("web-1")
	said := w.hear()
	w.mustUp()
	order(t, said(),
		"web-1: gets traffic (tag "+webTraffic+")",
		"load balancer hornero-blog changed: target hornero:blog:role:web -> "+webTraffic,
		"load balancer: answers at",
		"certificate hornero-blog removed",
	)

	require.Equal(t, before.IP, w.balancer().IP)
	w.haveOneCertificate()
	w.nothingToDo()
}

func TestASuccessorGetsTrafficBeforeTheOldOneLeaves(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	said := w.hear()
	require.NoError(t, w.replace("web-1"))
	order(t, said(),
		"web-1: Droplet ",
		"web-1: gets traffic",
		"web-1: waits 1ms",
		"web-1: drains",
	)

	require.NoError(t, w.replace("db-1"))
	require.NotContains(t, said(), "db-1: gets traffic", "no load balancer sends to it")

	w.awaitDroplets(7)
	w.nothingToDo()
}

func TestAdmitAndWithhold(t *testing.T) {
	t.Parallel()

	w := newAPIWorld(t, apiText+twoBalancers)
	w.site.answer(answerReady)
	w.mustUp()

	const (
		pages = "hornero:blog:lb:pages"
		api   = "hornero:blog:lb:api"
	)

	everybody := []string{
		"api-1",
		"api-2",
		"late-1",
	}
	w.haveTraffic(pages, everybody...)
	w.haveTraffic(api, everybody...)

	f := w.fleet()
	require.NoError(t, f.Withhold(t.Context(), "api-1", "db-1", "late-1"))
	w.haveTraffic(pages, "api-2")
	w.haveTraffic(api, "api-2")
	require.NoError(t, f.Withhold(t.Context(), "api-1"), "and again")

	require.NoError(t, f.Admit(t.Context(), "api-1", "db-1", "api-2", "late-1"))
	w.haveTraffic(pages, everybody...)
	w.haveTraffic(api, everybody...)
	require.NoError(t, f.Admit(t.Context(), "late-1"), "and again")
}

// Twice the interval of the health check, one answer that takes its whole time, and a margin.
func TestTheWaitForTrafficIsThatOfTheHealthCheck(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.config.Admission = 0
	require.Equal(t, 12*time.Second, w.fleet().AdmissionWait("web"))
}
