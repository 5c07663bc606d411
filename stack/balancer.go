package stack

import "slices"

// Balancer is a load balancer: what visitors reach.
type Balancer struct {
	Name  string `yaml:"name"`  // empty for the short form, load_balancer
	Nodes string `yaml:"nodes"` // the role of the nodes behind it
	// Serves names what of the role's `serves` it points at; empty: the first that speaks HTTP.
	Serves string `yaml:"serves"`
	HTTP   int    `yaml:"http"`  // 0: none
	HTTPS  int    `yaml:"https"` // 0: none
}

// AllBalancers returns the stack's load balancers in the order of the file; a stack may have none.
func (s *Stack) AllBalancers() []Balancer {
	if s.LoadBalancer != nil {
		return []Balancer{*s.LoadBalancer}
	}

	return slices.Clone(s.Balancers)
}
