package limit

import "slices"

// pool holds open connections by their address, each address' oldest first.
type pool struct {
	bounds Bounds
	all    int
	hosts  map[string][]*Conn
}

func newPool(bounds Bounds) *pool {
	return &pool{
		bounds: bounds,
		hosts:  map[string][]*Conn{},
	}
}

// add takes a connection in, and returns the one that has to go for it; nil when there is room.
func (p *pool) add(c *Conn) *Conn {
	p.hosts[c.host] = append(p.hosts[c.host], c)
	p.all++

	over := ""

	switch {
	case len(p.hosts[c.host]) > p.bounds.Each:
		over = c.host
	case p.all > p.bounds.All:
		over = p.greediest()
	default:
		return nil
	}

	oldest := p.hosts[over][0]
	p.remove(oldest)

	return oldest
}

// remove takes a connection out.
func (p *pool) remove(c *Conn) {
	c.in = nil
	left := slices.DeleteFunc(p.hosts[c.host], func(other *Conn) bool { return other == c })
	p.all--

	// Addresses that have gone are not kept: there may be many.
	if len(left) == 0 {
		delete(p.hosts, c.host)
		return
	}

	p.hosts[c.host] = left
}

// greediest is the address with the most connections; of equals the first by name.
func (p *pool) greediest() string {
	most := ""

	for host, conns := range p.hosts {
		more := len(conns) - len(p.hosts[most])

		if more > 0 || more == 0 && host < most {
			most = host
		}
	}

	return most
}
