package fleet

import "github.com/hornero/hornero/internal/status"

// Newest is what is believed of what nodes say, in their order.
func Newest(said ...status.PeerSet) status.PeerSet {
	var answers []answer
	for _, set := range said {
		answers = append(answers, answer{status: status.Status{PeerSet: set}})
	}

	return newest(answers)
}
