package loadbalancer_test

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/lab/loadbalancer"
	"github.com/hornero/hornero/lab/machine"
)

var update = flag.Bool("update", false, "rewrite the golden files and fail")

// site is the load balancer of the stack that the golden files show.
func site() loadbalancer.Balancer {
	return loadbalancer.Balancer{
		ID: "4de7ac8b-495b-4884-9a69-1050c6793cd6",
		At: machine.Attachment{
			Public:   netip.MustParseAddr("198.51.100.20"),
			Private:  netip.MustParseAddr("10.108.15.234"),
			VPC:      "vpc",
			VPCRange: netip.MustParsePrefix("10.108.0.0/20"),
		},

		Rules: []loadbalancer.Rule{
			{
				EntryProtocol:  "http",
				EntryPort:      80,
				TargetProtocol: "http",
				TargetPort:     80,
			},
			{
				EntryProtocol:  "https",
				EntryPort:      443,
				TargetProtocol: "http",
				TargetPort:     80,
				Certificate:    "PEM",
			},
		},
		Health: loadbalancer.Health{
			Protocol:  "http",
			Port:      9200,
			Path:      "/readyz",
			Interval:  3 * time.Second,
			Timeout:   2 * time.Second,
			Healthy:   2,
			Unhealthy: 2,
		},
		Targets: []loadbalancer.Target{
			{
				ID:      100007,
				Address: netip.MustParseAddr("10.108.0.7"),
			},
			{
				ID:      100008,
				Address: netip.MustParseAddr("10.108.0.8"),
			},
		},
	}
}

// everything is a load balancer with all that can be asked for.
func everything() loadbalancer.Balancer {
	b := site()
	b.Rules = []loadbalancer.Rule{
		{
			EntryProtocol:  "http",
			EntryPort:      80,
			TargetProtocol: "http",
			TargetPort:     8080,
		},
		{
			EntryProtocol:  "http2",
			EntryPort:      443,
			TargetProtocol: "https",
			TargetPort:     8443,
			Certificate:    "PEM",
		},
		{
			EntryProtocol:  "https",
			EntryPort:      444,
			TargetProtocol: "https",
			TargetPort:     444,
			TLSPassthrough: true,
		},
		{
			EntryProtocol:  "tcp",
			EntryPort:      3306,
			TargetProtocol: "tcp",
			TargetPort:     3306,
		},
	}

	b.Health = loadbalancer.Health{Protocol: "tcp", Port: 3306}

	b.Sticky = loadbalancer.Sticky{
		Cookie: "DO-LB",
		TTL:    300 * time.Second,
	}

	b.RedirectToHTTPS = true
	b.ProxyProtocol = true
	b.BackendKeepalive = true
	b.IdleTimeout = 90 * time.Second
	b.Allow = []string{"cidr:198.51.100.0/24"}
	b.Deny = []string{"ip:198.51.100.66"}
	b.StrongCiphers = true

	return b
}

// internal is a load balancer in a VPC only, whose checks go without the PROXY protocol that its traffic has.
func internal() loadbalancer.Balancer {
	b := site()
	no := false
	b.At.Public = netip.Addr{}
	b.ProxyProtocol = true
	b.Health.ProxyProtocol = &no
	b.Health.Protocol = "https"

	return b
}

// resolver is a load balancer of datagrams, and has a rule for the same port of TCP.
func resolver() loadbalancer.Balancer {
	b := site()
	b.Rules = []loadbalancer.Rule{
		{
			EntryProtocol:  "udp",
			EntryPort:      53,
			TargetProtocol: "udp",
			TargetPort:     5353,
		},
		{
			EntryProtocol:  "tcp",
			EntryPort:      53,
			TargetProtocol: "tcp",
			TargetPort:     5353,
		},
	}

	b.Allow = []string{"cidr:198.51.100.0/24", "ip:2001:db8::1"}
	b.Deny = []string{"ip:198.51.100.66"}

	return b
}

func TestConfig(t *testing.T) {
	balancers := map[string]loadbalancer.Balancer{
		"site":       site(),
		"everything": everything(),
		"internal":   internal(),
		"resolver":   resolver(),
		"no-target": func() loadbalancer.Balancer {
			b := site()
			b.Targets = nil
			return b
		}(),
	}

	for name, balancer := range balancers {
		t.Run(name, func(t *testing.T) {
			text, digest, err := loadbalancer.Config(balancer)
			require.NoError(t, err)
			require.Contains(t, text, "description "+digest+"\n")
			golden(t, name+".cfg", text)
			accept(t, text)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		t.Errorf("%s is written anew", path)
		return
	}

	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// accept asks HAProxy itself whether it can read the text.
func accept(t *testing.T, text string) {
	t.Helper()
	folder := t.TempDir()
	certificate, _ := selfSigned(t)

	for file := range strings.FieldsSeq(text) {
		if strings.HasSuffix(file, ".pem") {
			require.NoError(t, os.WriteFile(
				filepath.Join(folder, file),
				[]byte(certificate),
				0o600,
			))
		}
	}

	require.NoError(t, os.WriteFile(
		filepath.Join(folder, "haproxy.cfg"),
		[]byte(text),
		0o600,
	))

	require.NoError(t, os.WriteFile(
		filepath.Join(folder, "servers.state"),
		[]byte("1\n"),
		0o600,
	))

	_, err := command.Run(
		t.Context(),
		command.Command{Args: []string{"haproxy", "-c", "-C", folder, "-f", "haproxy.cfg"}},
	)
	require.NoError(t, err)
}

func TestADifferentCertificateIsADifferentConfiguration(t *testing.T) {
	_, before, err := loadbalancer.Config(site())
	require.NoError(t, err)

	b := site()
	b.Rules[1].Certificate = "another"
	_, after, err := loadbalancer.Config(b)
	require.NoError(t, err)
	require.NotEqual(t, before, after)
}

func TestWrongBalancersAreRefused(t *testing.T) {
	refused := map[string]func(*loadbalancer.Balancer){
		"there is no forwarding rule": func(b *loadbalancer.Balancer) {
			b.Rules = nil
		},
		"port 443: a certificate is needed": func(b *loadbalancer.Balancer) {
			b.Rules[1].Certificate = ""
		},
		`port 80: protocol "http3": the lab has http`: func(b *loadbalancer.Balancer) {
			b.Rules[0].EntryProtocol = "http3"
		},
		"port 80: udp goes to udp only": func(b *loadbalancer.Balancer) {
			b.Rules[0].EntryProtocol = "udp"
		},
		"there is no address to listen on": func(b *loadbalancer.Balancer) {
			b.At = machine.Attachment{}
		},
		"port 80: tcp goes to tcp only": func(b *loadbalancer.Balancer) {
			b.Rules[0].EntryProtocol = "tcp"
		},
		"port 70000: ports are 1 to 65535": func(b *loadbalancer.Balancer) {
			b.Rules[0].EntryPort = 70000
		},
		`"/x\n    stats enable": spaces`: func(b *loadbalancer.Balancer) {
			b.Health.Path = "/x\n    stats enable"
		},
		`id "../x"`: func(b *loadbalancer.Balancer) {
			b.ID = "../x"
		},
	}

	for want, change := range refused {
		b := site()
		change(&b)
		_, _, err := loadbalancer.Config(b)
		require.ErrorContains(t, err, want)
	}
}

func TestPrivateAddress(t *testing.T) {
	for vpc, want := range map[string]string{
		"10.108.0.0/20": "10.108.15.234",
		"10.1.2.0/24":   "10.1.2.234",
		"10.1.2.0/28":   "10.1.2.10",
	} {
		got := loadbalancer.PrivateAddress(
			netip.MustParsePrefix(vpc),
			netip.MustParseAddr("198.51.100.20"),
		)
		require.Equal(t, want, got.String(), vpc)
	}
}

func TestLoopback(t *testing.T) {
	require.Equal(t,
		"127.51.100.20",
		loadbalancer.Loopback(netip.MustParseAddr("198.51.100.20")).String(),
	)

	require.Equal(t,
		"127.18.77.20",
		loadbalancer.Loopback(netip.MustParseAddr("198.18.77.20")).String(),
	)

	require.Equal(t,
		"http://127.51.100.20/",
		loadbalancer.URL("http", netip.MustParseAddr("198.51.100.20"), 80),
	)

	require.Equal(t,
		"https://127.51.100.20:8443/",
		loadbalancer.URL("https", netip.MustParseAddr("198.51.100.20"), 8443),
	)
}
