package roles

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hornero/hornero/internal/report"
)

// Egress is what a user's processes may reach outside of the stack's subnet, besides name servers: nothing, but the
// ports that stand here, of whatever host. A user without one may reach everything, as root may.
type Egress struct {
	User  string `yaml:"user"`  // of the image
	Ports []int  `yaml:"ports"` // TCP
	// Settings are more ports: of a number, of each word of a list, or that of an address. One that is empty or 0 adds
	// none.
	Settings []string `yaml:"settings"`
}

// egressTypes are the types of settings that a port can be read off.
var egressTypes = []string{TypeNumber, TypeList, TypeURL, TypeOrigin}

var userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

// Allowed are the ports that a node with these settings lets the user reach, sorted. A word that is no port adds none.
func (e Egress) Allowed(settings map[string]string) []int {
	ports := slices.Clone(e.Ports)

	for _, name := range e.Settings {
		for _, word := range strings.Fields(settings[name]) {
			if port := portOf(word); port > 0 {
				ports = append(ports, port)
			}
		}
	}

	slices.Sort(ports)

	return slices.Compact(ports)
}

// portOf is the port that a number or an address says; 0: none.
func portOf(word string) int {
	if address, err := url.Parse(word); err == nil && address.Host != "" {
		switch {
		case address.Port() != "":
			word = address.Port()
		case address.Scheme == "http":
			return 80
		case address.Scheme == "https":
			return 443
		}
	}

	port, err := strconv.ParseUint(word, 10, 16)
	if err != nil {
		return 0
	}

	return int(port)
}

func (m *Manifest) checkEgress(doc *report.Document) {
	seen := map[string]bool{}

	for i, egress := range m.Egress {
		at := fmt.Sprintf("egress[%d]", i)

		switch {
		case !userName.MatchString(egress.User) || egress.User == "root":
			doc.Add(at+".user", "must be a user of the image other than root, got %q", egress.User)
		case seen[egress.User]:
			doc.Add(at+".user", "the user %s stands twice", egress.User)
		}

		seen[egress.User] = true

		for j, port := range egress.Ports {
			checkPort(doc, fmt.Sprintf("%s.ports[%d]", at, j), port)
		}

	}
}

// checkEgressSettings looks at the whole manifest: a setting may be a piece's.
func (m *Manifest) checkEgressSettings(doc *report.Document, own *Manifest) {
	for i, egress := range m.Egress {
		for j, name := range egress.Settings {
			if slices.Contains(egressTypes, m.Settings[name].Type) {
				continue
			}

			doc.Add(
				standing("egress", i, len(m.Egress), len(own.Egress), fmt.Sprintf(".settings[%d]", j)),
				"must be a setting of the role, and its type one of %s, got %q", strings.Join(egressTypes, ", "), name,
			)
		}
	}
}
