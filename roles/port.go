package roles

import (
	"fmt"

	"github.com/hornero/hornero/internal/report"
)

// Who may reach a port besides the nodes of a role.
const (
	FromSelf         = "self"
	FromWatchers     = "watchers"
	FromLoadBalancer = "load_balancer"
	FromOperator     = "operator"
	FromPeers        = "peers"
	// FromReservedIP is anybody who comes by the stack's reserved IP.
	FromReservedIP = "reserved_ip"
	// FromVisitors is anybody, or the load balancer that stands before the role.
	FromVisitors = "visitors"
	// FromProxies and FromArbitrators are the watchers that are run by a driver: they need of a database node what no
	// other watcher of it does.
	FromProxies     = "proxies"
	FromArbitrators = "arbitrators"
	// FromClients is who comes from stack.yaml's client_addresses.
	FromClients = "clients"
)

// DriverOf is the driver of the watchers that a word of `from` names; "" for other words.
func DriverOf(from string) string {
	switch from {
	case FromProxies:
		return DriverHAProxy
	case FromArbitrators:
		return DriverArbitrator
	}

	return ""
}

var anybody = []string{
	FromSelf,
	FromWatchers,
	FromLoadBalancer,
	FromOperator,
	FromPeers,
	FromReservedIP,
	FromVisitors,
	FromProxies,
	FromArbitrators,
	FromClients,
}

// Doors are the ports of a role's nodes: those that its manifest declares, and what it only serves, which is for those
// who watch it and for load balancers.
func (m *Manifest) Doors() []Port {
	doors := m.Ports[:len(m.Ports):len(m.Ports)]

	for i := range m.Serves {
		serve := &m.Serves[i]

		for _, port := range serve.Listens() {
			if port != 0 && !m.declares(port) {
				doors = append(doors, Port{
					Port: port,
					From: []string{FromWatchers, FromLoadBalancer},
					Name: serve.Name,
				})
			}
		}
	}

	return doors
}

func (m *Manifest) declares(port int) bool {
	for i := range m.Ports {
		if m.Ports[i].Port == port {
			return true
		}
	}

	return false
}

func (m *Manifest) checkPorts(doc *report.Document) {
	for i, port := range m.Ports {
		at := fmt.Sprintf("ports[%d]", i)
		checkPort(doc, at+".port", port.Port)

		if port.Name == "" {
			doc.Add(at+".name", "is missing; write what it is for, as in name: http")
		}
		if port.Connections < 0 {
			doc.Add(at+".connections", "must be 1 or more, or left out, got %d", port.Connections)
		}
	}
}
