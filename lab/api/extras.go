package api

import (
	"net/http"
	"net/netip"
)

func (s *Server) labRoutes() map[string]handler {
	return map[string]handler{
		"GET /lab/v1/status":                   s.getLabStatus,
		"GET /lab/v1/published":                s.getPublished,
		"GET /lab/v1/authority":                s.getAuthority,
		"GET /lab/v1/faults":                   s.listFaults,
		"POST /lab/v1/faults":                  s.createFault,
		"DELETE /lab/v1/faults":                s.liftFaults,
		"GET /lab/v1/faults/{fault}":           s.getFault,
		"DELETE /lab/v1/faults/{fault}":        s.liftFault,
		"POST /lab/v1/droplets/{droplet}/kill": s.killDroplet,
	}
}

// Status is the lab as `hornero lab status` shows it. The lab's own facts (name, pid, url) are added by its caller.
type Status struct {
	PublicRange   string           `json:"public_range"`
	Droplets      []DropletStatus  `json:"droplets"`
	LoadBalancers []BalancerStatus `json:"load_balancers"`
}

// DropletStatus is one Droplet, with where it is to be found on this computer.
type DropletStatus struct {
	ID      int      `json:"id"`
	Name    string   `json:"name"`
	Status  string   `json:"status"`
	Locked  bool     `json:"locked"`
	Public  string   `json:"public"`
	Private string   `json:"private"`
	Image   string   `json:"image"`
	Tags    []string `json:"tags"`
	Inspection
}

// BalancerStatus is one load balancer, with where it is published.
type BalancerStatus struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	IP        string `json:"ip"`
	Status    string `json:"status"`
	Reason    string `json:"reason,omitempty"`
	Published string `json:"published"`
}

// Status tells what the lab holds now.
func (s *Server) Status() Status {
	d := s.Store.View()

	status := Status{
		PublicRange:   s.Public.String(),
		Droplets:      []DropletStatus{},
		LoadBalancers: []BalancerStatus{},
	}

	for _, droplet := range d.Droplets {
		shown := DropletStatus{
			ID:      droplet.ID,
			Name:    droplet.Name,
			Status:  s.status(droplet),
			Locked:  droplet.Locked,
			Public:  showAddress(droplet.Public),
			Private: droplet.Private.String(),
			Image:   droplet.Image.Name,
			Tags:    orEmpty(droplet.Tags),
		}

		// a Droplet that is being made has no machine yet
		shown.Inspection, _ = s.Machines.Inspect(droplet.ID)
		status.Droplets = append(status.Droplets, shown)
	}

	for _, balancer := range d.LoadBalancers {
		shown := BalancerStatus{
			ID:     balancer.ID,
			Name:   balancer.Name,
			IP:     balancer.Front().String(),
			Status: balancer.Status,
			Reason: balancer.Reason,
		}

		shown.Published, _ = s.Balancers.Published(balancer.Front())
		status.LoadBalancers = append(status.LoadBalancers, shown)
	}

	return status
}

func (s *Server) getLabStatus(*http.Request) (*reply, error) {
	return &reply{
		status: http.StatusOK,
		body:   s.Status(),
	}, nil
}

func (s *Server) getPublished(r *http.Request) (*reply, error) {
	address, err := netip.ParseAddr(r.URL.Query().Get("ip"))
	if err != nil {
		return nil, invalid("ip is no address: %v", err)
	}

	host, known := s.Balancers.Published(address)
	if !known {
		return nil, notFound()
	}

	return &reply{
		status: http.StatusOK,
		body: map[string]string{
			"ip":        address.String(),
			"published": host,
		},
	}, nil
}
