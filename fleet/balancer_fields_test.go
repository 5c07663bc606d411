package fleet_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/stack"
)

// optionChange sets one field of a load balancer by stack.yaml, changes it, and removes it.
type optionChange struct {
	set, change func(*stack.Balancer)
	plan        [3]string // what the plan says of each, without the load balancer's name
	why         string    // why there is no such change
	replaced    bool      // it is made anew for it
}

// optionChanges have a row for each field of the API's request.
func optionChanges() map[string]optionChange {
	const global = "for load balancers of type GLOBAL, which no stack has"

	all := map[string]optionChange{
		"Name":                  {why: "it is the handle; `balancers[].name` is another load balancer"},
		"Algorithm":             {why: "the API ignores it"},
		"Region":                {why: "that of the network, which a row of the keys of stack.yaml is about"},
		"SizeSlug":              {why: "the old name of SizeUnit, never beside it"},
		"DropletIDs":            {why: "the target is a tag"},
		"Tag":                   {why: "`nodes`: a row of the keys of stack.yaml"},
		"Tags":                  {why: "only in the request that makes it, and nothing needs them"},
		"VPCUUID":               {why: "always the stack's; a test of its own has it made anew in another"},
		"VPCSubnetUUID":         {why: "a preview at DigitalOcean"},
		"ValidateOnly":          {why: "no property: `up` asks by it"},
		"ProjectID":             {why: "left as it is: a test of its own"},
		"Domains":               {why: global},
		"GLBSettings":           {why: global},
		"TargetLoadBalancerIDs": {why: global},
		"IP":                    {why: "for address ranges of one's own, only in the request that makes it"},
	}

	for field, change := range trafficOptions() {
		all[field] = change
	}

	for field, change := range visitorOptions() {
		all[field] = change
	}

	return all
}

func trafficOptions() map[string]optionChange {
	rule := func(rules ...stack.Rule) func(*stack.Balancer) {
		return func(b *stack.Balancer) { b.Rules = rules }
	}

	return map[string]optionChange{
		"ForwardingRules": {
			set:    rule(stack.Rule{Protocol: "udp", Port: 5}),
			change: rule(stack.Rule{Protocol: "udp", Port: 5, TargetPort: 6}, stack.Rule{Protocol: "http3", Port: 7}),
			plan: [3]string{
				"-> [udp:5 to udp:5, ",
				"to udp:6, http3:7 to http:80, ",
				"rules [udp:5 to udp:6",
			},
		},
		"HealthCheck": {
			set: func(b *stack.Balancer) {
				b.Health = &stack.BalancerHealth{Interval: 5 * time.Second, Healthy: 3}
			},
			change: func(b *stack.Balancer) {
				b.Health = &stack.BalancerHealth{Protocol: "tcp", Port: 81}
			},
			plan: [3]string{
				"/healthz every 5 s",
				"-> tcp:81 every 3 s",
				"-> http:9200/healthz every 3 s",
			},
		},
		"StickySessions": {
			set: func(b *stack.Balancer) {
				b.Sticky = &stack.Sticky{Cookie: "node", TTL: time.Hour}
			},
			change: func(b *stack.Balancer) {
				b.Sticky = &stack.Sticky{Cookie: "NODE", TTL: time.Minute}
			},
			plan: [3]string{
				"sticky off -> cookie node for 3600 s",
				"-> cookie NODE for 60 s",
				"sticky cookie NODE for 60 s -> off",
			},
		},
		"EnableProxyProtocol": {
			set: func(b *stack.Balancer) {
				b.ProxyProtocol = true
			},
			change: func(b *stack.Balancer) {
				b.ProxyProtocol = true
			},
			plan: [3]string{
				"proxy_protocol off -> on",
				"",
				"proxy_protocol on -> off",
			},
		},
		"EnableBackendKeepalive": {
			set: func(b *stack.Balancer) {
				b.Keepalive = true
			},
			change: func(b *stack.Balancer) {
				b.Keepalive = true
			},
			plan: [3]string{
				"keepalive off -> on",
				"",
				"keepalive on -> off",
			},
		},
		"HTTPIdleTimeoutSeconds": {
			set: func(b *stack.Balancer) {
				b.Idle = 200 * time.Second
			},
			change: func(b *stack.Balancer) {
				b.Idle = 90 * time.Second
			},
			plan: [3]string{
				"idle time 150 s -> 200 s",
				"idle time 200 s -> 90 s",
				"idle time 90 s -> 150 s",
			},
		},
		"SizeUnit": {
			set: func(b *stack.Balancer) {
				b.Size = 2
			},
			change: func(b *stack.Balancer) {
				b.Size = 3
			},
			plan: [3]string{
				"size 1 -> 2",
				"size 2 -> 3",
				"size 3 -> 1",
			},
		},
	}
}

func visitorOptions() map[string]optionChange {
	issue := func(records bool) func(*stack.Balancer) {
		return func(b *stack.Balancer) {
			b.Certificate = &stack.BalancerCertificate{LetsEncrypt: []string{"www.example.org"}, DNSRecords: records}
		}
	}

	return map[string]optionChange{
		"RedirectHttpToHttps": {
			set: func(b *stack.Balancer) {
				b.Redirect = true
			},
			change: func(b *stack.Balancer) {
				b.Redirect = true
			},
			plan: [3]string{
				"redirect off -> on",
				"",
				"redirect on -> off",
			},
		},
		"Firewall": {
			set: func(b *stack.Balancer) {
				b.Deny = []string{"192.0.2.1"}
			},
			change: func(b *stack.Balancer) {
				b.Allow, b.Deny = []string{"0.0.0.0/0"}, nil
			},
			plan: [3]string{
				"firewall allows all, denies none -> allows all, denies ip:192.0.2.1",
				"-> allows cidr:0.0.0.0/0, denies none",
				"-> allows all, denies none",
			},
		},
		"TLSCipherPolicy": {
			set: func(b *stack.Balancer) {
				b.Ciphers = stack.CiphersStrong
			},
			change: func(b *stack.Balancer) {
				b.Ciphers = stack.CiphersDefault
			},
			plan: [3]string{
				"ciphers default -> strong",
				"ciphers strong -> default",
				"",
			},
		},
		"DisableLetsEncryptDNSRecords": {
			set:    issue(false),
			change: issue(true),
			plan: [3]string{
				"the certificate of port ",
				"certificate.dns_records off -> on",
				"certificate.dns_records on -> off",
			},
		},
		"Network": {
			set: func(b *stack.Balancer) {
				b.Network = stack.NetworkInternal
			},
			change: func(b *stack.Balancer) {
				b.Network = stack.NetworkExternal
			},
			plan: [3]string{
				"network external -> internal",
				"network internal -> external",
				"",
			},
			replaced: true,
		},
		"NetworkStack": {
			set: func(b *stack.Balancer) {
				b.DualStack = true
			},
			change: func(b *stack.Balancer) {
				b.DualStack = true
			},
			plan: [3]string{
				"dual_stack off -> on",
				"",
				"dual_stack on -> off",
			},
			replaced: true,
		},
		"Type": {
			set: func(b *stack.Balancer) {
				b.Type, b.HTTP, b.HTTPS = stack.TypeNetwork, 0, 0
				b.Rules = []stack.Rule{{Protocol: "udp", Port: 5}}
			},
			change: func(b *stack.Balancer) {
				b.Type = stack.TypeRegional
			},
			plan: [3]string{
				"type regional -> network",
				"type network -> regional",
				"rules [",
			},
			replaced: true,
		},
	}
}

// newOptionWorld has a stack whose load balancer may be resized at each up.
func newOptionWorld(t *testing.T) *world {
	w := newWorldOf(t, tlsText, nil)
	w.agree()

	_, _, err := w.config.Client.Domains.Create(t.Context(), &godo.DomainCreateRequest{Name: "example.org"})
	require.NoError(t, err)
	w.mustUp()

	return w
}

// option has the load balancer be as changed, checks the plan, and brings it about.
func (w *world) option(change func(*stack.Balancer), said string) {
	w.t.Helper()

	before := w.config.Stack
	next := *before
	balancer := *before.LoadBalancer
	change(&balancer)
	next.LoadBalancer = &balancer
	w.config.Stack = &next
	w.config.ReplaceBalancers = nil

	lines := strings.Join(w.plan(), "\n")
	if said == "" {
		require.Empty(w.t, lines)
		return
	}

	require.Contains(w.t, lines, said)

	if strings.Contains(lines, "replace load balancer hornero-blog: ") {
		require.ErrorIs(w.t, w.up(), fleet.ErrFixed)
		w.config.ReplaceBalancers = []string{"web"}
	}

	w.ahead.Add(int64(time.Hour)) // a size is changed once an hour
	w.mustUp()
	w.config.ReplaceBalancers = nil
	w.nothingToDo()
}

// Each field that the API takes has been thought of: it is set, changed and removed by stack.yaml, or a row says why
// not.
func TestEachFieldOfALoadBalancerIsSetChangedAndRemoved(t *testing.T) {
	t.Parallel()

	changes := optionChanges()
	w := newOptionWorld(t)
	plain := *w.config.Stack.LoadBalancer

	for field := range reflect.TypeFor[godo.LoadBalancerRequest]().Fields() {
		change, there := changes[field.Name]
		require.True(t, there, "%s has no row", field.Name)

		delete(changes, field.Name)

		if change.why != "" {
			continue
		}

		t.Run(field.Name, func(t *testing.T) {
			w.t = t
			id := w.balancer().ID

			w.option(change.set, change.plan[0])
			w.option(change.change, change.plan[1])
			w.option(func(b *stack.Balancer) { *b = plain }, change.plan[2])
			require.Equal(t, change.replaced, id != w.balancer().ID, "it keeps its address where it can")
		})
	}

	require.Empty(t, changes, "rows of no field")
}

// A size that has to wait holds nothing else up, and is told.
func TestASizeThatMustWaitHoldsNothingUp(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	w.config.Stack.LoadBalancer.Size = 3
	w.config.Stack.LoadBalancer.Keepalive = true
	said := w.hear()
	w.mustUp()

	require.Contains(t, said(), "load balancer hornero-blog changed: keepalive off -> on\n")
	require.Contains(t, said(), "load balancer hornero-blog keeps its size: ")
	require.Equal(t, []string{"change load balancer hornero-blog: size 1 -> 3"}, w.plan())

	w.ahead.Add(int64(time.Hour))
	w.mustUp()
	w.nothingToDo()
	require.EqualValues(t, 3, w.balancer().SizeUnit)
}

// A change that the API is too busy for is waited for.
func TestABusyLoadBalancerIsWaitedFor(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()
	w.lab.Delays.Balancer = 300 * time.Millisecond

	w.config.Stack.LoadBalancer.Keepalive = true
	w.config.Stack.LoadBalancer.Redirect = true
	w.mustUp()

	w.config.Stack.LoadBalancer.Redirect = false
	w.mustUp()
	w.nothingToDo()
}

// Let's Encrypt is asked by DigitalOcean's name servers.
func TestACertificateOfADomainThatIsElsewhereIsRefused(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.config.Stack.LoadBalancer.Certificate = &stack.BalancerCertificate{LetsEncrypt: []string{"*.shop.example.org"}}

	err := w.up()
	require.ErrorIs(t, err, fleet.ErrNoDomain)
	require.ErrorContains(t, err, "issued for *.shop.example.org: the account has not the domain; add it")
	require.Empty(t, w.names(), "nothing is made")

	_, _, err = w.config.Client.Domains.Create(t.Context(), &godo.DomainCreateRequest{Name: "example.org"})
	require.NoError(t, err)
	w.mustUp()
	w.nothingToDo()

	all, _, err := w.config.Client.Certificates.List(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Regexp(t, "^hornero-blog-le-[0-9a-f]{8}$", all[0].Name)

	records, _, err := w.config.Client.Domains.Records(t.Context(), "example.org", nil)
	require.NoError(t, err)

	for _, record := range records {
		require.NotEqual(t, "A", record.Type, "no name is pointed anywhere by itself")
	}
}

// UDP and the ports of rules of one's own are let in, for the load balancer alone.
func TestTheFirewallLetsInWhatALoadBalancerReaches(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.config.Stack.LoadBalancer.Rules = []stack.Rule{
		{Protocol: "udp", Port: 53},
		{Protocol: "udp", Port: 54, TargetPort: 5400},
	}
	w.config.Stack.LoadBalancer.Health = &stack.BalancerHealth{Port: 8088}
	w.mustUp()
	w.nothingToDo()

	id := w.balancer().ID
	firewalls, err := do.Firewalls(t.Context(), w.config.Client)
	require.NoError(t, err)

	let := map[string]bool{}

	for _, firewall := range firewalls {
		for _, rule := range firewall.InboundRules {
			if len(rule.Sources.LoadBalancerUIDs) > 0 {
				require.Equal(t, []string{id}, rule.Sources.LoadBalancerUIDs)
				let[rule.Protocol+":"+rule.PortRange] = true
			}
		}
	}

	for _, door := range []string{"udp:53", "udp:5400", "tcp:8088", "tcp:80"} {
		require.True(t, let[door], "%s is shut: %v", door, let)
	}
}

// What does not go with what the role says is told, and is no difference.
func TestThePlanWarnsOfOptionsThatDoNotFit(t *testing.T) {
	t.Parallel()

	own := strings.Replace(tlsText, "web: {", "web: {url: 'http://www.example.org', ", 1)
	w := newWorldOf(t, own, nil)
	w.config.Stack.LoadBalancer.Idle = time.Minute
	w.config.Stack.LoadBalancer.Redirect = true

	plan, err := fleet.ReadPlan(t.Context(), w.config)
	require.NoError(t, err)

	warnings := strings.Join(plan.Warnings, "\n")
	require.Contains(t, warnings, "load balancer cuts off what says nothing for 1m0s, and role web may take 2m30s for ")
	require.Contains(t, warnings, "load balancer sends visitors to https, and the address of role web is http://www.")
}
