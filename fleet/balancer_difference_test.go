package fleet

import (
	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/stack"
)

// balancerComparisons are of load balancers.
func balancerComparisons() map[string]comparison {
	const balancer = "change load balancer hornero-x: "

	return map[string]comparison{
		"the API fills in and writes as it likes": {
			change: func(_ *wanted, have *found) {
				no := false
				is := &have.balancers[0]
				is.HTTPIdleTimeoutSeconds = nil
				is.Type, is.Network, is.NetworkStack = "REGIONAL", "EXTERNAL", "IPV4"
				is.TLSCipherPolicy, is.SizeSlug = "DEFAULT", "lb-small"
				is.StickySessions = &godo.StickySessions{Type: "none"}
				is.Firewall = &godo.LBFirewall{Allow: []string{}}
				is.HealthCheck.ProxyProtocol = &no
				is.ForwardingRules[0], is.ForwardingRules[1] = is.ForwardingRules[1], is.ForwardingRules[0]
				have.certificates[0].SHA1Fingerprint = "AB:CD:EF"
			},
		},
		"another certificate at the load balancer": {
			change: func(_ *wanted, have *found) { have.balancers[0].ForwardingRules[1].CertificateID = "mine" },
			want:   []string{balancer + "the certificate of port 443 is another than the secrets file's"},
			by:     up,
		},
		"another target, and another check": {
			change: func(_ *wanted, have *found) {
				have.balancers[0].Tag = ""
				have.balancers[0].HealthCheck.Path = "/"
			},
			want: []string{balancer + "target none -> hornero:x:lb:shop; " +
				"health check http:9200/ every 3 s (waits 3 s, bad after 2, good after 2) -> " +
				"http:9200/healthz every 3 s (waits 3 s, bad after 2, good after 2)"},
			by: up,
		},
		"other rules": {
			change: func(_ *wanted, have *found) {
				have.balancers[0].ForwardingRules = have.balancers[0].ForwardingRules[:1]
			},
			want: []string{balancer + "rules [http:80 to http:8080] -> " +
				"[http:80 to http:8080, https:443 to http:8080]"},
			by: up,
		},
		"another network": {
			change: func(_ *wanted, have *found) {
				have.balancers[0].VPCUUID = "mine"
				have.network.ID = "x"
			},
			want: []string{"replace load balancer hornero-x: VPC mine -> x"},
			by:   "hornero up --replace-balancer shop",
		},
		"what the API never changes": {
			change: func(_ *wanted, have *found) {
				is := &have.balancers[0]
				is.Type = "REGIONAL_NETWORK"
				is.Network = "INTERNAL"
				is.NetworkStack = "DUALSTACK"
				is.EnableBackendKeepalive = true
			},
			want: []string{"replace load balancer hornero-x: keepalive on -> off; type network -> regional; " +
				"network internal -> external; dual_stack on -> off"},
			by: "hornero up --replace-balancer shop",
		},
		"what somebody set by hand": {
			change: func(_ *wanted, have *found) {
				is := &have.balancers[0]
				is.SizeUnit = 3
				is.Firewall = &godo.LBFirewall{Deny: []string{"ip:192.0.2.2", "cidr:198.51.100.0/24"}}
				is.StickySessions = &godo.StickySessions{Type: "cookies", CookieName: "node", CookieTtlSeconds: 60}
				is.DisableLetsEncryptDNSRecords = nil
			},
			want: []string{balancer + "sticky cookie node for 60 s -> off; size 3 -> 1; firewall allows all, denies " +
				"cidr:198.51.100.0/24 ip:192.0.2.2 -> allows all, denies none; certificate.dns_records on -> off"},
			by: up,
		},
		"two load balancers of a name": {
			change: func(_ *wanted, have *found) {
				other := have.balancers[0]
				other.ID = "c"
				have.balancers = append(have.balancers, other)
			},
			want: []string{
				"remove load balancer hornero-x: c is not in stack.yaml, or the name is there twice; it is paid for",
			},
			by: up,
		},
		"a node without traffic, and with that of another role": {
			change: func(_ *wanted, have *found) {
				have.members[0].Droplet.Tags = []string{"hornero:x:lb:blog", "hornero:x:role:shop"}
			},
			want: []string{"change node shop-1: no traffic: tag hornero:x:lb:shop is missing; " +
				"tag hornero:x:lb:blog is of no load balancer of its role"},
			by: up,
		},
	}
}

// certificateComparisons are of the site's certificate.
func certificateComparisons() map[string]comparison {
	const (
		balancer = "change load balancer hornero-x: "
		missing  = "create certificate hornero-x-01234567: it is not there"
		another  = balancer + "the certificate of port 443 is another than the secrets file's"
	)

	return map[string]comparison{
		"none": {
			change: func(_ *wanted, have *found) { have.certificates = nil },
			want:   []string{missing, another},
			by:     up,
			all:    true,
		},
		"none, and no load balancer": {
			change: func(_ *wanted, have *found) {
				have.certificates = nil
				have.balancers = nil
			},
			want: []string{missing, "create load balancer hornero-x: it is not there"},
			by:   up,
		},
		"that of an earlier version": {
			change: func(_ *wanted, have *found) { have.certificates[0].Name = "hornero-x" },
			want:   []string{missing, "remove certificate hornero-x: not the one in the secrets file", another},
			by:     up,
			all:    true,
		},
		"another one under its name": {
			change: func(_ *wanted, have *found) { have.certificates[0].SHA1Fingerprint = "123456" },
			want: []string{
				"create certificate hornero-x-0123456789abcdef: it is not there",
				"remove certificate hornero-x-01234567: not the one in the secrets file",
				another,
			},
			by:  up,
			all: true,
		},
		"one that an Up could not delete yet": {
			change: func(_ *wanted, have *found) {
				have.certificates = append(have.certificates, godo.Certificate{ID: "d", Name: "hornero-x-deadbeef"})
			},
			want: []string{"remove certificate hornero-x-deadbeef: not the one in the secrets file"},
			by:   up,
		},
		"none is wanted": {
			change: func(want *wanted, have *found) {
				want.certificate = nil
				want.balancers = nil
				want.traffic = nil
				have.balancers = nil
				have.members[0].Droplet.Tags = nil
			},
			want: []string{"remove certificate hornero-x-01234567: no load balancer is to use one"},
			by:   up,
		},
		"one that Let's Encrypt is to issue": {
			change: func(want *wanted, _ *found) {
				want.certificate = nil
				want.balancers[0].issued = issuedFor("www.example.org")
			},
			want: []string{
				"create certificate hornero-x-le-01234567: Let's Encrypt is to issue it for www.example.org",
				"remove certificate hornero-x-01234567: no load balancer is to use one",
				balancer + "the certificate of port 443 is another than that of Let's Encrypt",
			},
			by:  up,
			all: true,
		},
		"one that Let's Encrypt issued, and was renewed": {
			change: func(want *wanted, have *found) {
				want.certificate = nil
				want.balancers[0].issued = issuedFor("www.example.org")
				have.certificates[0] = godo.Certificate{
					ID:              "renewed",
					Name:            "hornero-x-le-01234567",
					Type:            issuedType,
					SHA1Fingerprint: "fedcba",
				}
				have.balancers[0].ForwardingRules[1].CertificateID = "renewed"
			},
		},
		"it is not made yet": {
			change: func(want *wanted, _ *found) {
				want.certificate = nil
				want.unmade = []string{stack.SiteCertificate}
			},
			want: []string{
				"create secret site.certificate: the secrets file has none; what depends on it is not compared",
			},
			by: up,
		},
	}
}

func issuedFor(names ...string) *siteCertificate {
	return &siteCertificate{
		names:  []string{"hornero-x-le-01234567"},
		issued: names,
	}
}
