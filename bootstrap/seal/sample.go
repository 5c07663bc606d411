package seal

import (
	"cmp"
	"crypto/rand"
	"fmt"
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
)

// pemSecrets are the secrets that programs read as PEM, and which part of the sample's identity stands for each.
var pemSecrets = map[string]string{"site.certificate": "certificate", "site.key": "key"}

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
		Writer:      "db-1",
		Settings:    map[string]string{},
		Secrets:     map[string]report.Secret{},
		PKI:         identity,
		Peers:       map[string][]roles.PeerFact{},
		Expected:    map[string][]string{},
	}

	for _, manifest := range i.manifests {
		for _, name := range manifest.Settings {
			whole.Settings[name] = cmp.Or(manifest.Samples[name], "sample")
		}

		for _, name := range manifest.Secrets {
			// With what is special to most programs: a template that does not quote its secrets fails its check.
			whole.Secrets[name] = report.Secret(rand.Text() + ` it's "$1" \ #`)
		}

		if manifest.ReservedIP != nil {
			for _, name := range manifest.ReservedIP.Secrets {
				whole.Secrets[name] = report.Secret(rand.Text())
			}
		}
	}

	// Programs parse these: a random text would fail every check.
	for name, part := range pemSecrets {
		if _, asked := whole.Secrets[name]; asked {
			whole.Secrets[name] = report.Secret(identity[part])
		}
	}

	for at, peer := range slices.Concat([]string{role.Name}, role.Watches) {
		whole.Expected[peer], whole.Peers[peer] = nil, nil

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
	alone.Writer = ""
	alone.Network = ""
	alone.Memory = 512 << 20
	alone.CPUs = 1

	return []sample{
		{"a node of a whole stack", whole},
		{"the first node of a stack", alone},
	}, nil
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
