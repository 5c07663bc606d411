package galera

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Strangers are the members of Galera's view that the peer set does not know: addresses of database nodes that are no
// peer's, those that two members name, and arbitrators above the number of those that there are. Sorted.
func Strangers(in Input) []string {
	w := in.Local.Wsrep

	// Without a view nobody is in it.
	if in.Local.Process != ProcessRunning || !w.primary() {
		return nil
	}

	var known []string
	for _, peer := range in.Peers.Role(in.Role) {
		known = append(known, peer.Address)
	}

	var strange []string

	for _, address := range w.Incoming {
		at := slices.Index(known, address)
		if at < 0 {
			strange = append(strange, address)
			continue
		}

		// Each peer is one member: who names the address of another is none.
		known = slices.Delete(known, at, at+1)
	}

	arbiters := 0
	for _, role := range in.Arbitrators {
		arbiters += len(in.Peers.Role(role))
	}

	if more := w.Arbiters - arbiters; more > 0 {
		strange = append(strange, fmt.Sprintf("%d without an address", more))
	}

	slices.Sort(strange)

	return strange
}

// observation is who is strange, and since when. Only the loop touches it.
type observation struct {
	who   string
	since time.Time
	told  bool
}

// observeStrangers keeps who has been strange for a while: a node that is replaced stays in the view for a moment.
func (d *Driver) observeStrangers(in Input) string {
	who := strings.Join(Strangers(in), ", ")
	if who != d.observed.who {
		d.observed = observation{who: who, since: time.Now()}
	}

	if who == "" || time.Since(d.observed.since) < d.Times.Stranger {
		return ""
	}

	if !d.observed.told {
		d.observed.told = true
		d.Log.Error("Galera's view has a member that the peer set does not know", "members", who)
	}

	return who
}
