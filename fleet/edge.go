package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hornero/hornero/internal/certificates"
	"github.com/hornero/hornero/internal/pki"
)

// SiteLine is a site of the stack's own edge.
type SiteLine struct {
	Names []string `json:"names"` // the first is its address
	Nodes string   `json:"nodes"` // the role behind it
	By    []string `json:"by"`    // nodes of the edge that serve it now
	// Certificate is what is told of one that renews itself; nil: it does not, or nobody told yet.
	Certificate *certificates.Told `json:"certificate,omitempty"`
}

// siteLines are the sites of stack.yaml, with the nodes of its edge that are well.
func (f *Fleet) siteLines(nodes []NodeLine, answers []answer) []SiteLine {
	by := []string{}

	for _, node := range nodes {
		if f.manifest(node.Role).Sites && node.Healthy {
			by = append(by, node.Name)
		}
	}

	var lines []SiteLine

	for _, site := range f.Stack.Sites {
		line := SiteLine{
			Names: site.Names,
			Nodes: site.Nodes,
			By:    by,
		}

		if site.Renewed() {
			line.Certificate = toldOf(site.Names[0], answers)
		}

		lines = append(lines, line)
	}

	return lines
}

// toldOf is what the best informed node says of a certificate that renews itself; nil when none says anything.
func toldOf(name string, answers []answer) *certificates.Told {
	var said []answer
	for _, one := range answers {
		if _, told := one.status.Certificates[name]; told && one.err == nil {
			said = append(said, one)
		}
	}

	if len(said) == 0 {
		return nil
	}

	best := slices.MaxFunc(said, func(a, b answer) int {
		switch {
		case newer(a.status.PeerSet, b.status.PeerSet):
			return 1
		case newer(b.status.PeerSet, a.status.PeerSet):
			return -1
		}

		return 0
	})
	told := best.status.Certificates[name]

	return &told
}

// uncertified are names of sites that their certificate is not for: browsers turn back.
func (f *Fleet) uncertified() []string {
	var all []string

	for _, site := range f.Stack.Sites {
		name := site.CertificateSecret()

		// An authority gives it another.
		if site.Renewed() {
			continue
		}

		// One that is not there yet is made, or asked for, by the next `hornero up`.
		text, err := f.Secrets.Get(name)
		if err != nil {
			continue
		}

		certificate, err := pki.ParseCertificate(text.Reveal())
		if err != nil {
			continue
		}

		var without []string

		for _, host := range site.Names {
			if certificate.VerifyHostname(host) != nil {
				without = append(without, host)
			}
		}

		if len(without) > 0 {
			all = append(all, fmt.Sprintf("secret %s is not for %s: browsers turn back; `hornero secrets set` takes "+
				"another, `hornero secrets rotate site.certificate` makes the stack's own anew",
				name, strings.Join(without, ", ")))
		}
	}

	return all
}
