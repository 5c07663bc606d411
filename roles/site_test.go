package roles_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// edgeSites are two: one that says all that a site can, one that says nothing.
func edgeSites() []roles.Site {
	all := roles.Site{
		Names:       []string{"www.example.org", "example.org"},
		Role:        "web",
		Port:        80,
		Certificate: "site",
		Redirect:    true,
		HSTS:        300,
		Balance:     "leastconn",
		Affinity:    "cookie",
		Trusted:     []string{"10.108.0.0/20", "2001:db8::/32"},
		Timeout:     150,
		Tunnel:      3600,
	}

	all.SlowStart = 30
	all.Connections = 1000
	all.PerNode = 100
	all.Requests = 300
	all.Failures = 10
	all.Variants = []roles.Variant{
		{Header: map[string]string{"X-Canary": "yes"}},
		{
			Group:  "web-b",
			Header: map[string]string{"X-Variant": "b"},
			Cookie: map[string]string{"variant": "b", "ab": "2"},
		},
	}
	all.Brakes = []roles.Brake{{Path: "/wp-login.php", Failed: 200}, {Path: "/xmlrpc.php"}}

	little := roles.Site{
		Names:       []string{"shop.example.org"},
		Role:        "web",
		Groups:      []string{"shop"},
		Port:        8080,
		Certificate: roles.RenewedCertificate("shop.example.org"),
		HTTP1:       true,
		Redirect:    true,
		Balance:     "roundrobin",
		Timeout:     60,
		Tunnel:      60,
		SlowStart:   1,
	}

	little.Affinity = "application"
	little.Cookie = "SESSION"

	return []roles.Site{all, little}
}

func TestHAProxyAcceptsAnEdge(t *testing.T) {
	site := siteCertificate(t)
	facts := nodeFacts("edge", "debian-13")
	facts.Expected["web"] = append(facts.Expected["web"], "shop-1", "web-b-1")
	facts.Peers["edge"] = []roles.PeerFact{
		{Name: "edge-1", Address: "10.108.0.5"},
		{Name: "edge-2", Address: "10.108.0.6"},
	}
	facts.PKI = map[string]string{
		"ca":          site.Certificate,
		"certificate": site.Certificate,
		"key":         site.Key.Reveal(),
	}

	for _, name := range []string{"site", "site_shop"} {
		facts.Secrets[name+".certificate"] = report.Secret(site.Certificate)
		facts.Secrets[name+".key"] = site.Key
	}

	texts := render(t, "edge", facts)
	folder := t.TempDir()

	for path, text := range texts {
		for other := range texts {
			text = strings.ReplaceAll(text, other, filepath.Join(folder, filepath.Base(other)))
		}

		require.NoError(t, os.WriteFile(filepath.Join(folder, filepath.Base(path)), []byte(text), 0o600))
	}

	out, err := exec.Command("haproxy", "-c", "-f", filepath.Join(folder, "haproxy.cfg")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NotContains(t, string(out), "WARNING")
}

// The text of a site keeps its shape while nodes come: there are places for them.
func TestASiteHasPlacesForNodesToCome(t *testing.T) {
	places := func(facts roles.Facts) (names []string) {
		text := render(t, "edge", facts)["/etc/haproxy/haproxy.cfg"]

		for line := range strings.Lines(text) {
			// Those that are checked are nodes; the others are the edge's own.
			if fields := strings.Fields(line); slices.Contains(fields, "check") && fields[0] == "server" {
				names = append(names, fields[1])
			}
		}

		return names
	}

	facts := nodeFacts("edge", "debian-13")
	before := places(facts)
	require.Equal(t, []string{"web-1", "web-2", "web-3", "web-4", "web-5", "web-6", "web-7", "web-8"}, before[:8])
	require.Equal(t, before[:8], before[8:], "any of them may be a canary")

	facts.Peers["web"] = append(facts.Peers["web"], roles.PeerFact{Name: "web-4", Address: "10.108.0.34"})
	require.Equal(t, before, places(facts))

	// A node of a group that serves the other site.
	facts.Peers["web"] = append(facts.Peers["web"], roles.PeerFact{Name: "shop-1", Address: "10.108.0.41"})
	require.Len(t, places(facts), 5*8, "the first site has all groups, and its canary, too; the second one of them")

	// Those of a variant are none of the site's own, nor canaries.
	facts.Peers["web"] = append(facts.Peers["web"], roles.PeerFact{Name: "web-b-1", Address: "10.108.0.42"})
	require.Len(t, places(facts), 6*8)
}

// Behind an edge alone, nginx believes nobody else.
func TestNodesBehindAnEdgeBelieveItAlone(t *testing.T) {
	facts := nodeFacts("web", "debian-13")
	facts.Settings[roles.SettingFronts] = "edge"
	facts.Peers["edge"] = []roles.PeerFact{
		{Name: "edge-1", Address: "10.108.0.51"},
		{Name: "edge-2", Address: "10.108.0.52"},
	}

	text := render(t, "web", facts)["/etc/nginx/sites-enabled/hornero"]
	require.Contains(t, text, "set_real_ip_from 10.108.0.51;\n\tset_real_ip_from 10.108.0.52;")
	require.Contains(t, text, "\t10.108.0.51 1;\n\t10.108.0.52 1;")
	require.NotContains(t, text, "10.108.0.0/20")

	// None of them is there yet: that is no reason to believe all others.
	facts.Peers["edge"] = nil
	text = render(t, "web", facts)["/etc/nginx/sites-enabled/hornero"]
	require.NotContains(t, text, "set_real_ip_from")
	require.NotContains(t, text, "10.108.0.0/20 1")
}

func TestATemplateForEachCertificateHasAPlaceForItsName(t *testing.T) {
	for text, want := range map[string]string{
		"{source: text, path: /a, each: certificates}":  "templates[0].path: must have {each} in it",
		"{source: text, path: '/{each}'}":               "templates[0].path: {each} stands for nothing",
		"{source: text, path: '/{each}', each: apples}": `templates[0].each: must be certificates or left out`,
	} {
		files := map[string]string{"shop/role.yaml": shop("templates: [" + text + "]"), "shop/text": ""}
		_, err := roles.Load(folder(files), "shop")
		require.ErrorContains(t, err, want)
	}
}
