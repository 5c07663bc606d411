package fleet_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

// withBalancers is the text of a stack with other load balancers.
func withBalancers(text, balancers string) string {
	before, _, _ := strings.Cut(text, "load_balancer:")
	return before + balancers + "\n"
}

// balancers are the names of all load balancers of the account, sorted.
func (w *world) balancers() []string {
	all, _, err := w.config.Client.LoadBalancers.List(w.t.Context(), nil)
	require.NoError(w.t, err)

	var names []string
	for _, balancer := range all {
		names = append(names, balancer.Name)
	}

	slices.Sort(names)

	return names
}

// mustDestroy removes the stack.
func (w *world) mustDestroy() {
	w.t.Helper()
	require.NoError(w.t, w.fleet().Destroy(w.t.Context()))
}

// haveBalancers fails unless the account has load balancers of just these names.
func (w *world) haveBalancers(names ...string) {
	w.t.Helper()
	require.Equal(w.t, names, w.balancers())
}

// createBalancer makes one behind the fleet's back.
func (w *world) createBalancer(name, tag string) {
	_, _, err := w.config.Client.LoadBalancers.Create(w.t.Context(), &godo.LoadBalancerRequest{
		Name:   name,
		Region: "fra1",
		Tag:    tag,
		ForwardingRules: []godo.ForwardingRule{{
			EntryProtocol:  "http",
			EntryPort:      80,
			TargetProtocol: "http",
			TargetPort:     80,
		}},
	})
	require.NoError(w.t, err)
}

const twoBalancers = `balancers:
  - {name: pages, nodes: api, serves: pages, http: PORT}
  - {name: api, nodes: api, http: PORT, https: TLSPORT}
`

func TestEachLoadBalancerOfTheStackIsMade(t *testing.T) {
	t.Parallel()

	w := newAPIWorld(t, apiText+twoBalancers)
	w.site.answer(answerReady)

	url, _, err := w.fleet().Up(t.Context())
	require.NoError(t, err)
	require.Equal(t, w.site.plain.String()+"/", url, "that of the first")

	all, _, err := w.config.Client.LoadBalancers.List(t.Context(), nil)
	require.NoError(t, err)

	ports := map[string][]int{}

	for _, balancer := range all {
		require.Equal(t, "hornero:blog:lb:"+strings.TrimPrefix(balancer.Name, "hornero-blog-"), balancer.Tag)

		for _, rule := range balancer.ForwardingRules {
			ports[balancer.Name] = append(ports[balancer.Name], rule.TargetPort)
		}
	}

	require.Equal(t, map[string][]int{
		"hornero-blog-pages": {8090},
		"hornero-blog-api":   {8080, 8080},
	}, ports)

	w.mustUp()
	require.Len(t, w.balancers(), 2, "the second up changes nothing")

	lines := w.status().Balancers
	require.Len(t, lines, 2)
	require.Equal(t, "pages", lines[0].Name)
	require.Equal(t, "api", lines[1].Nodes)
	require.Equal(t, lines[0], w.status().LoadBalancer)
	require.NotEqual(t, lines[0].IP, lines[1].IP)
}

// answerReady answers as both things do that role api serves.
func answerReady(out http.ResponseWriter, request *http.Request) {
	if request.URL.Path == "/ready" {
		out.WriteHeader(http.StatusNoContent)
	}
}

func TestDestroyLeavesNothingButImages(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	w.mustDestroy()
	require.NoError(t, w.fleet().Destroy(t.Context()), "what is gone is no error")

	droplets, _, err := w.config.Client.Droplets.List(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, droplets)
	w.haveBalancers()
}

func TestDestroyRemovesEachLoadBalancerOfTheStackAndNoOther(t *testing.T) {
	t.Parallel()

	w := newAPIWorld(t, apiText+twoBalancers)
	w.site.answer(answerReady)
	w.mustUp()

	w.createBalancer("hornero-blog-once", "hornero:blog:role:web") // stack.yaml named it once
	w.createBalancer("hornero-blog", "hornero:blog:role:web")      // and had one without a name before that
	w.createBalancer("hornero-blog-2", "hornero:blog-2:role:web")  // another stack's only one
	w.createBalancer("hornero-blog-2-pages", "hornero:blog-2:role:web")
	w.createBalancer("inside", "hornero:blog:role:web") // the operator's own
	w.createBalancer("hornero-blogger", "hornero:blog:role:web")
	w.createBalancer("hornero-blog-now", "hornero:blog:lb:now")

	w.mustDestroy()
	w.haveBalancers(
		"hornero-blog-2",
		"hornero-blog-2-pages",
		"hornero-blogger",
		"inside",
	)
}

// Names of load balancers may meet: balancer edge of stack blog, and the only one of stack blog-edge. The API takes no
// two of a name.
func TestTheLoadBalancerOfAnotherStackIsNotOurs(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, withBalancers(text, `balancers: [{name: edge, nodes: web, http: PORT}]`), nil)
	w.createBalancer("hornero-blog-edge", "hornero:blog-edge:role:web")

	require.Contains(t, strings.Join(w.plan(), "\n"), "nothing load balancer hornero-blog-edge: ")

	err := w.up()
	require.ErrorIs(t, err, fleet.ErrNameTaken)
	require.ErrorContains(t, err, "sends to hornero:blog-edge:role:web; write another name into stack.yaml")
	require.Empty(t, w.names(), "nothing is launched")

	w.config.Stack.Balancers[0].Name = "front"
	w.mustUp()
	w.haveBalancers("hornero-blog-edge", "hornero-blog-front")

	w.mustDestroy()
	w.haveBalancers("hornero-blog-edge")
}

func TestUpOfAStackWithoutALoadBalancerEndsWhenAllNodesAreHealthy(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, withBalancers(text, ""), nil)
	url, took, err := w.fleet().Up(t.Context())
	require.NoError(t, err)
	require.Empty(t, url)
	require.Zero(t, took.First)
	require.NotZero(t, took.Healthy)
	w.haveBalancers()
	require.Empty(t, w.status().URL)
	require.Equal(t, []fleet.BalancerLine{}, w.status().Balancers)

	w.config.Timeout = time.Second
	w.set(func() { w.unhealthy["web-1"] = true })
	require.ErrorContains(t, w.up(), "web-1 is synced")
}

// An editor may call the blog what he likes.
func TestUpDoesNotLookAtWhatThePageSays(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.site.answer(func(out http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(out, "<title>Ann, at last</title>")
	})

	url, took, err := w.fleet().Up(t.Context())
	require.NoError(t, err)
	require.Equal(t, w.site.plain.String()+"/", url)
	require.NotZero(t, took.First)
}

// A site with an https address sends every visitor there who comes by http.
func TestUpAsksASiteAsItsVisitorsDo(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		url   string
		ports string
		asked string
		plain bool // the address that Up returns is that without TLS
	}{
		"by https": {
			url:   "https://www.example.org",
			ports: "http: PORT, https: TLSPORT",
			asked: "https www.example.org www.example.org/",
		},
		"by https, which is not there": {
			url:   "https://www.example.org",
			ports: "http: PORT",
			asked: "http www.example.org/",
			plain: true,
		},
		"by http, which is not there": {
			url:   "http://www.example.org:8000",
			ports: "https: TLSPORT",
			asked: "https www.example.org www.example.org:8000/",
		},
		"by http": {
			url:   "http://www.example.org",
			ports: "http: PORT, https: TLSPORT",
			asked: "http www.example.org/",
			plain: true,
		},
	} {
		balancer := "load_balancer: {nodes: web, " + c.ports + "}"
		own := strings.Replace(withBalancers(text, balancer), "web: {", "web: {url: '"+c.url+"', ", 1)
		w := newWorldOf(t, own, nil)

		w.site.answer(func(out http.ResponseWriter, request *http.Request) {
			if request.TLS == nil && strings.HasPrefix(c.url, "https:") {
				http.Redirect(out, request, c.url+"/", http.StatusMovedPermanently)
			}
		})

		url, _, err := w.fleet().Up(t.Context())
		require.NoError(t, err, name)
		require.Equal(t, c.asked, w.site.lastAsked(), name)

		want := w.site.tls
		if c.plain {
			want = w.site.plain
		}

		require.Equal(t, want.Scheme+"://127.0.0.1:"+want.Port()+"/", url, name)
	}
}

// Without an address of its own a site is asked under the load balancer's.
func TestUpAsksASiteWithoutANameUnderTheLoadBalancersAddress(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	require.Equal(t, "http "+w.site.plain.Host+"/", w.site.lastAsked())
}

func TestUpWaitsForWhatARoleServes(t *testing.T) {
	const balancer = "balancers: [{name: front, nodes: api, http: PORT}]\n"
	w := newAPIWorld(t, apiText+balancer)
	w.config.Timeout = time.Second

	for name, c := range map[string]struct {
		serves string
		status int
		want   string // "" where up ends
	}{
		"what it is to be": {
			serves: "api",
			status: 204,
		},
		"another success": {
			serves: "api",
			status: 200,
			want:   "/ready answers 200 OK",
		},
		"any success": {
			serves: "pages",
			status: 201,
		},
		"a redirect": {
			serves: "pages",
			status: 302,
		},
		"it is not there": {
			serves: "pages",
			status: 404,
			want:   "/ answers 404 Not Found",
		},
		"nobody is behind it": {
			serves: "pages",
			status: 503,
			want:   "load balancer front: http",
		},
	} {
		w.config.Stack.Balancers[0].Serves = c.serves
		w.site.answer(func(out http.ResponseWriter, _ *http.Request) { out.WriteHeader(c.status) })

		err := w.up()
		if c.want == "" {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, c.want, name)
		}
	}
}

// Of several, each is waited for, and named.
func TestUpWaitsForEachLoadBalancer(t *testing.T) {
	t.Parallel()

	w := newAPIWorld(t, apiText+twoBalancers)
	w.config.Timeout = 2 * time.Second

	said := w.hear()

	w.site.answer(func(out http.ResponseWriter, request *http.Request) {
		if request.URL.Path == "/ready" {
			out.WriteHeader(http.StatusBadGateway)
		}
	})

	_, took, err := w.fleet().Up(t.Context())
	require.ErrorContains(t, err, "load balancer api: "+w.site.plain.String()+"/ready answers 502 Bad Gateway")
	require.NotContains(t, err.Error(), "pages")
	require.Zero(t, took.First)
	require.Contains(t, said(), "load balancer pages: answers at "+w.site.plain.String()+"/ after ")
}
