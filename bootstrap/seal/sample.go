package seal

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"

	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// sample is a node that a role's texts are tried for.
type sample struct {
	name  string
	facts roles.Facts
}

// The sample's addresses are loopback's, so that a checker that binds what it reads can do so in the image.
const (
	sampleAddress = "127.0.0.2"
	sampleAnchor  = "127.0.0.3"
	sampleNetwork = "127.0.0.0/8"
	samplePeers   = 3
	// an address of documentation (RFC 5737)
	sampleReservedIP = "192.0.2.9"
)

// sampleDatabase is one that another role has this one keep.
var sampleDatabase = roles.Database{
	Name:   "sample",
	User:   "sample",
	Secret: "sample.password",
	Grants: roles.AllPrivileges,
}

// pemSecrets are the secrets that programs read as PEM, and which part of the sample's identity stands for each.
var pemSecrets = map[string]string{"site.certificate": "certificate", "site.key": "key"}

// sampleSites are of every kind: each that a text tells apart.
func sampleSites(role string) []roles.Site {
	plain := roles.Site{
		Names:       []string{"sample.example.org"},
		Role:        role,
		Port:        80,
		Certificate: "site",
		Balance:     "leastconn",
		Timeout:     60,
		Tunnel:      3600,
		SlowStart:   30,
	}

	full := plain
	full.Names = []string{"www.example.org", "example.org"}
	full.Certificate = roles.RenewedCertificate("www.example.org")
	full.Balance = "roundrobin"
	full.Affinity = "cookie"
	full.Redirect = true
	full.HSTS = 300
	full.Trusted = []string{sampleNetwork, "2001:db8::/32"}
	full.Connections = 1000
	full.PerNode = 100
	full.Requests = 100
	full.Variants = []roles.Variant{
		{Cookie: map[string]string{"canary": "yes"}},
		{Group: "other", Header: map[string]string{"X-Variant": "b"}},
	}

	return []roles.Site{plain, full}
}

// samples makes two nodes of the role, with an authority, keys and secrets of this moment: one of a whole
// stack, and one that is the first to start and knows nobody yet, on the smallest Droplet.
func (i *Image) samples() ([]sample, error) {
	// The role's manifest comes after common's.
	role := i.manifests[len(i.manifests)-1]
	identity, err := samplePKI(role.Name)
	if err != nil {
		return nil, err
	}

	whole := roles.Facts{
		Stack:       "sample",
		Node:        role.Name + "-1",
		Role:        role.Name,
		Release:     i.record.Release,
		Incarnation: 1,
		Address:     sampleAddress,
		Network:     sampleNetwork,
		Anchor:      sampleAnchor,
		Memory:      4 << 30,
		CPUs:        2,
		Writers:     map[string]string{},
		Leases:      map[string]map[string]string{role.Name: role.Leases},
		Databases:   []roles.Database{sampleDatabase},
		Settings:    map[string]string{},
		Secrets:     map[string]report.Secret{sampleDatabase.Secret: sampleSecret()},
		PKI:         identity,
		Peers:       map[string][]roles.PeerFact{},
		Expected:    map[string][]string{},
	}

	for _, manifest := range i.manifests {
		addSettings(whole.Settings, manifest)
		addSecrets(whole.Secrets, manifest)
	}

	// Programs parse these: a random text would fail every check.
	for name, part := range pemSecrets {
		if _, asked := whole.Secrets[name]; asked {
			whole.Secrets[name] = report.Secret(identity[part])
		}
	}

	for at, peer := range watched(role) {
		whole.Expected[peer], whole.Peers[peer] = nil, nil
		whole.Writers[peer] = peer + "-1"

		for k := range samplePeers {
			name := fmt.Sprintf("%s-%d", peer, k+1)
			whole.Expected[peer] = append(whole.Expected[peer], name)

			// The second peer is not healthy: templates must render that case, too.
			whole.Peers[peer] = append(whole.Peers[peer], roles.PeerFact{
				Name:        name,
				Address:     fmt.Sprintf("127.0.%d.%d", at+1, k+1),
				Incarnation: 1,
				Healthy:     k != 1,
			})
		}
	}

	// The first node has its settings and secrets, and knows no peer yet.
	alone := whole
	alone.Peers = nil
	alone.Writers = nil
	alone.Network = ""
	alone.Memory = 512 << 20
	alone.CPUs = 1

	return []sample{
		{"a node of a whole stack", whole},
		{"the first node of a stack", alone},
	}, nil
}

// watched are the roles whose peers the role's templates may read, its own first.
func watched(role *roles.Manifest) []string {
	others := slices.Sorted(maps.Values(role.Watches))
	others = slices.DeleteFunc(slices.Compact(others), func(other string) bool { return other == role.Name })

	return append([]string{role.Name}, others...)
}

// addSettings gives the sample what its document would say.
func addSettings(settings map[string]string, manifest *roles.Manifest) {
	settings[roles.SettingDrift] = "report"
	settings[roles.SettingDriftEvery] = "5m0s"

	for name, setting := range manifest.Settings {
		settings[name] = setting.SampleValue()
	}

	if manifest.ReservedIP != nil {
		settings[roles.SettingReservedIP] = sampleReservedIP
	}
	if manifest.Sites {
		settings[roles.SettingSites] = roles.SitesText(sampleSites(manifest.Name))
		settings[roles.SettingAccount] = rand.Text()
	}
}

func addSecrets(secrets map[string]report.Secret, manifest *roles.Manifest) {
	for name, rule := range manifest.Secrets {
		secrets[name] = report.Secret(rule.Sample)
		if rule.Sample == "" {
			secrets[name] = sampleSecret()
		}
	}

	if manifest.Sites {
		for name := range pemSecrets {
			secrets[name] = report.Secret(rand.Text())
		}
	}

	if manifest.ReservedIP != nil {
		for _, name := range manifest.ReservedIP.Secrets {
			secrets[name] = report.Secret(rand.Text())
		}
	}
}

// sampleSecret has what is special to most programs: a template that does not quote its secrets fails its check.
func sampleSecret() report.Secret {
	return report.Secret(rand.Text() + ` it's "$1" \ #`)
}

func samplePKI(role string) (map[string]string, error) {
	authority, err := pki.NewCA("sample")
	if err != nil {
		return nil, err
	}

	pair, err := authority.Issue(pki.Name{
		Stack:       "sample",
		Role:        role,
		Node:        role + "-1",
		Incarnation: 1,
	})
	if err != nil {
		return nil, err
	}

	return map[string]string{
		"ca":          authority.Certificate,
		"certificate": pair.Certificate,
		"key":         pair.Key.Reveal(),
	}, nil
}
