package status

// Follower hands each event over once. The ids of events grow, but begin anew from what the survivor had when
// the peer set was rebuilt.
type Follower struct {
	After int64 // the id to ask for more from
	era   int
	begun bool
	seen  map[Event]bool // without their ids
	order []Event        // of what was seen, oldest first
}

// remembered is how many events a follower knows again: as many as the peer set keeps.
const remembered = 1000

// In tells of which era the peer set is that is asked next.
func (f *Follower) In(era int) {
	// In a later era ids begin anew, and may be lower than the last one seen.
	if f.begun && era > f.era {
		f.After = 0
	}

	f.era, f.begun = max(era, f.era), true
}

// Fresh returns what was not handed over before.
func (f *Follower) Fresh(events []Event) []Event {
	if f.seen == nil {
		f.seen = map[Event]bool{}
	}

	var fresh []Event

	for _, event := range events {
		// The same event has another id in the next era: without it the two are equal.
		f.After = max(f.After, event.ID)
		known := event
		known.ID = 0

		if f.seen[known] {
			continue
		}

		f.seen[known] = true
		f.order = append(f.order, known)
		fresh = append(fresh, event)
	}

	// A follower may run for months.
	for len(f.order) > remembered {
		delete(f.seen, f.order[0])
		f.order = f.order[1:]
	}

	return fresh
}
