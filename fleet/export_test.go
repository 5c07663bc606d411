package fleet

import (
	"net/netip"

	"github.com/hornero/hornero/internal/status"
)

// Newest is what is believed of what nodes say, in their order.
func Newest(said ...status.PeerSet) status.PeerSet {
	var answers []answer
	for _, set := range said {
		answers = append(answers, answer{status: status.Status{PeerSet: set}})
	}

	return newest(answers)
}

// FreeRange is a free range for a network of a name.
func FreeRange(name string, taken ...netip.Prefix) (netip.Prefix, bool) {
	return freeRange(name, taken)
}
