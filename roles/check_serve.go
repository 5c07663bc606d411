package roles

import (
	"fmt"
	"strings"

	"github.com/hornero/hornero/internal/report"
)

func (m *Manifest) checkServes(doc *report.Document) {
	for i, serve := range m.Serves {
		at := fmt.Sprintf("serves[%d]", i)
		checkPort(doc, at+".port", serve.Port)
		serve.checkProxyPort(doc, at+".proxy_port")
		serve.checkVisitors(doc, at)

		if serve.Name == "" {
			doc.Add(at+".name", "is missing; write what is served, as in name: http")
		}
		if serve.Protocol != "" && serve.Protocol != ProtocolHTTP && serve.Protocol != ProtocolTCP {
			doc.Add(at+".protocol", "must be %s or %s, got %q", ProtocolHTTP, ProtocolTCP, serve.Protocol)
		}
		if serve.Timeout != 0 && (serve.Timeout < minServeTimeout || serve.Timeout > maxServeTimeout) {
			doc.Add(at+".timeout", "must be from %s to %s, got %s", minServeTimeout, maxServeTimeout, serve.Timeout)
		}
		// It becomes a word of a command line.
		if serve.Counters != "" && !folderName.MatchString(serve.Counters) {
			doc.Add(at+".counters", "must be lower-case letters, digits and hyphens, got %q", serve.Counters)
		}
		if serve.Health != nil {
			serve.Health.check(doc, at+".health")
		}
		if serve.Ready.Path != "" && !strings.HasPrefix(serve.Ready.Path, "/") {
			doc.Add(at+".ready.path", "must begin with /, got %q", serve.Ready.Path)
		}
	}
}

// checkVisitors looks at what an edge is told of visitors: words of HAProxy's configuration.
func (s Serve) checkVisitors(doc *report.Document, at string) {
	if s.Sticky != "" && !cookieName.MatchString(s.Sticky) {
		doc.Add(at+".sticky", "must be a cookie's name of letters, digits, dots, hyphens and _, got %q", s.Sticky)
	}

	for k, brake := range s.Brake {
		brake.check(doc, fmt.Sprintf("%s.brake[%d]", at, k))
	}
}

func (s Serve) checkProxyPort(doc *report.Document, at string) {
	if s.ProxyPort == 0 {
		return
	}

	checkPort(doc, at, s.ProxyPort)

	if s.ProxyPort == s.Port {
		doc.Add(at, "must differ from port, where who comes begins without the PROXY protocol, "+
			"got %d for both", s.Port)
	}
}

func (h *Health) check(doc *report.Document, at string) {
	if h.Port != 0 {
		checkPort(doc, at+".port", h.Port)
	}
	if h.Path != "" && !strings.HasPrefix(h.Path, "/") {
		doc.Add(at+".path", "must begin with /, got %q", h.Path)
	}
	if h.First != "" && !strings.HasPrefix(h.First, "/") {
		doc.Add(at+".first", "must begin with /, got %q", h.First)
	}
}
