package bootstrap

import (
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

const (
	// maxCheckers bounds who is remembered: everybody in the VPC may ask.
	maxCheckers = 64
	// checkerLife is longer than any load balancer's pause between two checks.
	checkerLife = 30 * time.Second
)

// checkers are those who ask whether this node serves, by address. A load balancer's API does not tell when it begins
// to send to a node; the node knows who has asked it.
type checkers struct {
	mu    sync.Mutex
	asked map[string]checker
}

type checker struct {
	good int // answers in a row that said that the node serves
	last time.Time
}

// note keeps what somebody was told.
func (c *checkers) note(r *http.Request, healthy bool) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return
	}

	c.mu.Lock()
	defer c.mu.Unlock()

	if c.asked == nil {
		c.asked = map[string]checker{}
	}

	one, known := c.asked[host]
	if !known && len(c.asked) >= maxCheckers {
		return
	}

	one.last = time.Now()
	one.good++

	if !healthy {
		one.good = 0
	}

	c.asked[host] = one
}

// others are those who asked lately and are no nodes of the stack, with the good answers that they got in a row.
func (c *checkers) others(peers []peerset.Peer) map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()

	for host, one := range c.asked {
		if time.Since(one.last) > checkerLife {
			delete(c.asked, host)
		}
	}

	good := map[string]int{}
	for host, one := range c.asked {
		good[host] = one.good
	}

	for _, peer := range peers {
		delete(good, peer.Address)
	}

	return good
}
