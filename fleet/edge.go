package fleet

import (
	"fmt"
	"strings"

	"github.com/hornero/hornero/internal/pki"
)

// SiteLine is a site of the stack's own edge.
type SiteLine struct {
	Names []string `json:"names"` // the first is its address
	Nodes string   `json:"nodes"` // the role behind it
	By    []string `json:"by"`    // nodes of the edge that serve it now
}

// siteLines are the sites of stack.yaml, with the nodes of its edge that are well.
func (f *Fleet) siteLines(nodes []NodeLine) []SiteLine {
	by := []string{}

	for _, node := range nodes {
		if f.manifest(node.Role).Sites && node.Healthy {
			by = append(by, node.Name)
		}
	}

	var lines []SiteLine

	for _, site := range f.Stack.Sites {
		lines = append(lines, SiteLine{
			Names: site.Names,
			Nodes: site.Nodes,
			By:    by,
		})
	}

	return lines
}

// uncertified are names of sites that their certificate is not for: browsers turn back.
func (f *Fleet) uncertified() []string {
	var all []string

	for _, site := range f.Stack.Sites {
		name := site.CertificateSecret()

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
