package pause

// Bell wakes one loop, which waits for it with a receive. One that rings while the last ring was not heard yet
// rings once.
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
