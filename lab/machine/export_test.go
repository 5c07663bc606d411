package machine

// Metric is the priority of the lab's routes, by which tests tell them from other labs'.
func (h *Host) Metric() int { return h.metric() }

// HostLink is the name of the lab's interface on this computer.
func (h *Host) HostLink() string { return h.hostLink() }

// Elsewhere is where another lab of that name keeps its Droplets, by what the labs that are up have written down.
func Elsewhere(up map[string]string, name, state string) string {
	return raised{States: up}.elsewhere(name, state)
}

// MakeNamespace makes a named network namespace.
func MakeNamespace(name string) error { return makeNamespace(name) }

// RemoveNamespace takes its name away.
func RemoveNamespace(name string) error { return removeNamespace(name) }

// WriteResolver tells a Droplet whose disk is at root whom it asks for names.
func (h *Host) WriteResolver(root string, droplet Droplet) error {
	return h.writeResolver(root, droplet)
}

// FinishLayer makes a folder a layer.
func (h *Host) FinishLayer(folder, layer string) error { return h.finishLayer(folder, layer) }
