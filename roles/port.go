package roles

// Doors are the ports of a role's nodes: those that its manifest declares, and what it only serves, which is for those
// who watch it and for load balancers.
func (m *Manifest) Doors() []Port {
	doors := m.Ports[:len(m.Ports):len(m.Ports)]

	for i := range m.Serves {
		serve := &m.Serves[i]

		for _, port := range [2]int{serve.Port, serve.ProxyPort} {
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
