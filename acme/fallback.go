package acme

import "time"

// Other is what is known of the authority that is not asked just now.
type Other struct {
	Asked bool      `json:"asked,omitempty"` // the second was, since the last certificate
	Order *Order    `json:"order,omitempty"`
	Until time.Time `json:"until,omitzero"` // it is not to be asked before
}

// choose turns to the second authority when the first gives nothing and an eighth of the certificate's life is left.
func (r *run) choose() {
	p := r.progress()

	// It may have gone from the configuration.
	if r.Config.Request.Fallback == nil {
		if p.Fallback {
			p.swap()
		}

		p.Other = Other{}

		return
	}

	if p.Other.Asked || !blames(p.Trouble) || !r.known.endsSoon(r.Now()) {
		return
	}

	r.log.Warn("turn to the second authority", "trouble", p.Trouble.Text)

	// It has failed nobody yet.
	p.swap()
	p.Other.Asked = true
	p.Next = time.Time{}
	p.Failures = 0
}

// alternates tells whether the other authority is the next to be asked after a problem.
func (r *run) alternates(problem Problem) bool {
	other := r.progress().Other
	return other.Asked && blames(&problem) && !other.Until.After(r.progress().Next)
}

// swap has the other authority asked from now on. An order stays with who took it.
func (p *Progress) swap() {
	before := Other{
		Asked: p.Other.Asked,
		Order: p.Order,
	}
	if p.Trouble != nil {
		before.Until = p.Trouble.Retry
	}

	p.Order = p.Other.Order
	p.Other = before
	p.Fallback = !p.Fallback
}

// blames tells whether a problem may be the authority's own. Where names do not lead here, no other gives more.
func blames(problem *Problem) bool { return problem != nil && problem.Kind != KindNames }

// endsSoon tells whether no more than an eighth of the certificate's life is left. Of none there is nothing to lose:
// what a site has meanwhile is the stack's own.
func (k known) endsSoon(now time.Time) bool {
	if k.certificate == nil {
		return false
	}

	leaf, err := leafOf(k.certificate.Chain)
	if err != nil {
		return false
	}

	return leaf.NotAfter.Sub(now) <= leaf.NotAfter.Sub(leaf.NotBefore)/alarmShare
}
