package pause

// Bell wakes one loop, which waits for it with a receive. Rings that come before
// the loop has received one count as one.
type Bell chan struct{}

// NewBell makes a bell that has not rung.
func NewBell() Bell { return make(Bell, 1) }

// Ring rings it, and waits for nobody.
func (b Bell) Ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}
