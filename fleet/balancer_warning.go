package fleet

import "fmt"

// balancerWarnings are options of load balancers that do not go with what the role behind them says.
func (f *Fleet) balancerWarnings() []string {
	wanted, err := f.allBalanced()
	if err != nil {
		return nil // whoever makes them tells
	}

	var all []string

	for _, b := range wanted {
		if b.Idle != 0 && b.Idle < b.serve.Timeout {
			all = append(all, fmt.Sprintf(
				"%s cuts off what says nothing for %s, and role %s may take %s for an answer; "+
					"write a longer idle, or none",
				b,
				b.Idle,
				b.Nodes,
				b.serve.Timeout,
			))
		}

		if b.Redirect && b.visited.Scheme == "http" {
			all = append(all, fmt.Sprintf(
				"%s sends visitors to https, and the address of role %s is %s: "+
					"they may be sent in circles; give it an https address",
				b,
				b.Nodes,
				b.visited,
			))
		}
	}

	return all
}
