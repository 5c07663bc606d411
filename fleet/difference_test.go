package fleet

// In the package itself: what is compared is no business of others, and a whole world for each row would be slow.

import (
	"strings"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/stack"
)

func testRules(certificate string) []godo.ForwardingRule {
	plain := godo.ForwardingRule{
		EntryProtocol:  "http",
		EntryPort:      80,
		TargetProtocol: "http",
		TargetPort:     8080,
	}

	tls := plain
	tls.EntryProtocol = "https"
	tls.EntryPort = 443
	tls.CertificateID = certificate

	return []godo.ForwardingRule{plain, tls}
}

// equals are a stack that is wanted, and a cloud that has just that.
func equals() (wanted, found) {
	idle := uint64(60)
	made := testSpec()
	image := &godo.Image{
		ID:   11,
		Name: "shop",
	}

	want := wanted{
		name:   "hornero-x",
		region: "fra1",
		nodes: []wantedNode{{
			Node: stack.Node{
				Name: "shop-1",
				Role: "shop",
				Size: "s-1vcpu-1gb",
			},
			image: image,
			spec:  made,
		}},
		key: "key",
		certificate: &siteCertificate{
			names: []string{"hornero-x-01234567", "hornero-x-0123456789abcdef"},
			sum:   "abcdef",
		},
		traffic:       map[string][]string{"shop": {"hornero:x:lb:shop"}},
		trafficPrefix: "hornero:x:lb:",
		balancers: []wantedBalancer{{
			name:   "hornero-x",
			called: "shop",
			request: &godo.LoadBalancerRequest{
				Tag:                          "hornero:x:lb:shop",
				ForwardingRules:              testRules(""),
				HealthCheck:                  balanced{}.healthCheck(),
				HTTPIdleTimeoutSeconds:       &idle,
				DisableLetsEncryptDNSRecords: godo.PtrTo(true),
			},
		}},
	}

	have := found{
		network: &godo.VPC{RegionSlug: "fra1"},
		members: []member{{
			Droplet: godo.Droplet{
				ID:       1,
				Name:     "x-shop-1",
				SizeSlug: "s-1vcpu-1gb",
				Region:   &godo.Region{Slug: "fra1"},
				Image:    image,
				Status:   "active",
				Tags:     []string{"hornero:x:role:shop", "hornero:x:lb:shop"},
			},
			Node:        "shop-1",
			Role:        "shop",
			Incarnation: 1,
			Made:        made.sum("key"),
		}},
		balancers: []godo.LoadBalancer{{
			ID:                     "b",
			Name:                   "hornero-x",
			Tag:                    "hornero:x:lb:shop",
			ForwardingRules:        testRules("c"),
			HealthCheck:            balanced{}.healthCheck(),
			HTTPIdleTimeoutSeconds: &idle,

			DisableLetsEncryptDNSRecords: godo.PtrTo(true),
		}},
		certificates: []godo.Certificate{{
			ID:              "c",
			Name:            "hornero-x-01234567",
			SHA1Fingerprint: "abcdef",
		}},
	}

	return want, have
}

// comparison is a change of equals, and what it makes of the plan.
type comparison struct {
	change func(*wanted, *found)
	want   []string // action, kind, name and reason
	by     string   // how that of the first begins
	all    bool     // and of all others
}

// nodeComparisons are of nodes and their Droplets.
func nodeComparisons() map[string]comparison {
	const up = "hornero up"

	return map[string]comparison{
		"a Droplet was resized, and stack.yaml says so, too": {
			change: func(want *wanted, have *found) {
				want.nodes[0].Size = "s-2vcpu-2gb"
				want.nodes[0].spec.Size = "s-2vcpu-2gb"
				have.members[0].Droplet.SizeSlug = "s-2vcpu-2gb"
			},
			want: []string{"replace node shop-1: settings, secrets or rights"},
			by:   up,
		},
		"it is to be a client": {
			change: func(want *wanted, _ *found) { want.nodes[0].spec.Peers = "client" },
			want:   []string{"replace node shop-1: peers: it becomes a client of the peer set"},
			by:     up,
		},
		"it is to be a client, with another setting": {
			change: func(want *wanted, _ *found) {
				want.nodes[0].spec.Peers = "client"
				want.nodes[0].spec.Settings["title"] = "another"
			},
			want: []string{"replace node shop-1: settings, secrets or rights"},
			by:   up,
		},
		"it was a client": {
			change: func(_ *wanted, have *found) {
				was := testSpec()
				was.Peers = "client"
				have.members[0].Made = was.sum("key")
			},
			want: []string{"replace node shop-1: peers: it becomes a member of the peer set"},
			by:   up,
		},
		"a Droplet was resized": {
			change: func(_ *wanted, have *found) { have.members[0].Droplet.SizeSlug = "s-2vcpu-2gb" },
			want:   []string{"replace node shop-1: size s-2vcpu-2gb -> s-1vcpu-1gb"},
			by:     up,
		},
		"all at once": {
			change: func(want *wanted, _ *found) {
				node := &want.nodes[0]
				node.Size = "s-2vcpu-2gb"
				node.image = &godo.Image{ID: 12, Name: "shop"}
				node.spec.Image, node.spec.Size = 12, node.Size
				node.spec.Settings["title"] = "another"
			},
			want: []string{"replace node shop-1: size s-1vcpu-1gb -> s-2vcpu-2gb; " +
				"image shop (11) -> shop (12); settings, secrets or rights"},
			by: up,
		},
		"of an earlier version, and of another size": {
			change: func(_ *wanted, have *found) {
				have.members[0].Made = ""
				have.members[0].Droplet.SizeSlug = "s-2vcpu-2gb"
			},
			want: []string{"replace node shop-1: size s-2vcpu-2gb -> s-1vcpu-1gb; " + notComparable},
			by:   up,
		},
		"of a later version": {
			change: func(_ *wanted, have *found) { have.members[0].Made = "10-0123456789ab" },
			want:   []string{"nothing node shop-1: " + notComparable},
			by:     "hornero replace shop-1",
		},
		"no image, and another setting": {
			change: func(want *wanted, _ *found) {
				want.unusable = []unusable{{kind: KindImage, name: "shop", reason: "no image"}}
				want.nodes[0].image = nil
				want.nodes[0].spec.Image = 0
				want.nodes[0].spec.Settings["title"] = "another"
			},
			want: []string{"nothing image shop: no image", "replace node shop-1: settings, secrets or rights"},
			by:   NothingYet,
		},
		"no image": {
			change: func(want *wanted, have *found) {
				want.nodes[0].image = nil
				have.members = nil
			},
			want: []string{"launch node shop-1: it has no Droplet"},
			by:   NothingYet + "there is no image",
		},
		"off, with an event under way": {
			change: func(_ *wanted, have *found) {
				have.members[0].Droplet.Status = "off"
				have.members[0].Droplet.Locked = true
			},
		},
		"off": {
			change: func(_ *wanted, have *found) { have.members[0].Droplet.Status = "off" },
			want:   []string{"turn on node shop-1: Droplet 1 is off"},
			by:     up,
		},
	}
}

// stackComparisons are of what the stack has one of.
func stackComparisons() map[string]comparison {
	const missing = "create load balancer hornero-x: it is not there"

	return map[string]comparison{
		"nothing": {
			change: func(*wanted, *found) {},
		},
		"another region": {
			change: func(want *wanted, have *found) {
				want.region = "nyc3"
				want.nodes[0].spec.Region = "nyc3"
				want.nodes[0].spec.Settings["title"] = "another"
				have.balancers = nil
			},
			want: []string{
				"replace network hornero-x: region fra1 -> nyc3",
				missing,
				"replace node shop-1: settings, secrets or rights",
			},
			by: NothingYet,
		},
		"in another region nothing can be made": {
			change: func(_ *wanted, have *found) {
				have.network.RegionSlug = "nyc3"
				have.members = nil
				have.balancers = nil
			},
			want: []string{
				"replace network hornero-x: region nyc3 -> fra1",
				missing,
				"launch node shop-1: it has no Droplet",
			},
			by:  NothingYet,
			all: true,
		},
		"what is there can be turned on in another region": {
			change: func(want *wanted, have *found) {
				want.region = "nyc3"
				want.nodes[0].spec.Region = "nyc3"
				have.members[0].Droplet.Status = "off"
			},
			want: []string{
				"replace network hornero-x: region fra1 -> nyc3",
				"turn on node shop-1: Droplet 1 is off",
			},
			by: NothingYet,
		},
		"a Droplet without its network": {
			change: func(_ *wanted, have *found) {
				have.network = nil
				have.members[0].Droplet.Region.Slug = "nyc3"
			},
			want: []string{
				"create network hornero-x: it is not there",
				"replace node shop-1: region nyc3 -> fra1",
			},
			by: up,
		},
		"a node of no group": {
			change: func(want *wanted, _ *found) { want.nodes = nil },
			want:   []string{"remove node shop-1: of no group of stack.yaml any more; it runs on and is paid for"},
			by:     up,
		},
		"strays and surplus": {
			change: func(_ *wanted, have *found) {
				other := have.members[0]
				other.Droplet.ID = 2
				other.Droplet.Name = "mine"
				have.surplus = []member{other}
				have.strays = []member{other}
			},
			want: []string{
				"remove node shop-1: Droplet 2 (incarnation 1) is surplus",
				"nothing Droplet mine: Droplet 2 has the stack's tag and is no node's",
			},
			by: up,
		},
		"a secret that the operator gives": {
			change: func(want *wanted, _ *found) {
				want.ungiven = []stack.Ungiven{{Name: "shop.token", Line: "the nodes of role shop need it"}}
				want.nodes[0].spec = nil
			},
			want: []string{"create secret shop.token: the nodes of role shop need it"},
			by:   "hornero secrets set shop.token",
		},
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()

	for _, table := range []map[string]comparison{
		nodeComparisons(),
		stackComparisons(),
		balancerComparisons(),
		certificateComparisons(),
	} {
		for name, c := range table {
			t.Run(name, c.run)
		}
	}
}

func (c comparison) run(t *testing.T) {
	want, have := equals()
	c.change(&want, &have)

	all := compare(want, have)

	var lines []string
	for _, one := range all {
		lines = append(lines, one.Action+" "+one.Kind+" "+one.Name+": "+one.Reason)
	}

	require.Equal(t, c.want, lines)

	for i, one := range all {
		if i == 0 || c.all {
			require.True(t, strings.HasPrefix(one.By, c.by), one.By)
		}
	}
}
