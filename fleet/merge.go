package fleet

import (
	"cmp"
	"container/heap"
	"context"
	"time"
)

// streamRoom is how many lines of one node wait for their turn; then the node waits.
const streamRoom = 1000

// merge puts the lines of several nodes in the order of their times. While it follows, a line waits no longer than
// patience for those of slower nodes.
type merge struct {
	arrivals chan arrival
	room     []chan struct{} // of each stream
	patience time.Duration   // 0: the end of each stream is waited for

	waiting  lineHeap
	pending  []int  // lines of each stream that wait
	open     []bool // the stream may send more
	starting []bool // it has neither begun nor failed yet
	begun    time.Time
}

// arrival is a line of a stream, or without one a change of it.
type arrival struct {
	stream int
	line   *LogLine
	ended  bool // else it has begun, or could not yet
	at     time.Time
}

func newMerge(streams int, patience time.Duration) *merge {
	m := &merge{
		arrivals: make(chan arrival),
		patience: patience,
		pending:  make([]int, streams),
	}

	for range streams {
		m.room = append(m.room, make(chan struct{}, streamRoom))
		m.open = append(m.open, true)
		m.starting = append(m.starting, true)
	}

	return m
}

// send hands a line of a stream in, and waits while too many of it wait.
func (m *merge) send(ctx context.Context, stream int, line LogLine) error {
	select {
	case m.room[stream] <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}

	return m.arrive(ctx, arrival{stream: stream, line: &line})
}

func (m *merge) arrive(ctx context.Context, a arrival) error {
	a.at = time.Now()

	select {
	case m.arrivals <- a:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run hands the lines over in order until every stream has ended, or ctx.
func (m *merge) run(ctx context.Context, each func(LogLine) error) error {
	for {
		for m.mayPass(time.Now()) {
			if err := each(m.pop()); err != nil {
				return err
			}
		}

		if m.waiting.Len() == 0 && !m.anyOf(m.open) {
			return nil
		}

		timer := time.NewTimer(m.due())

		select {
		case a := <-m.arrivals:
			m.take(a)
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return m.rest(each)
		}

		timer.Stop()
	}
}

// rest hands over what waits when nothing more is waited for.
func (m *merge) rest(each func(LogLine) error) error {
	for m.waiting.Len() > 0 {
		if err := each(m.pop()); err != nil {
			return err
		}
	}

	return nil
}

func (m *merge) take(a arrival) {
	if m.starting[a.stream] {
		m.starting[a.stream] = false
		m.begun = a.at
	}

	switch {
	case a.line != nil:
		m.pending[a.stream]++
		heap.Push(&m.waiting, a)
	case a.ended:
		m.open[a.stream] = false
	}
}

// mayPass tells whether the earliest line can be handed over: no stream can still send an earlier one, or enough was
// waited for those that could.
func (m *merge) mayPass(now time.Time) bool {
	if m.waiting.Len() == 0 {
		return false
	}

	blocked := false
	for stream, open := range m.open {
		blocked = blocked || open && m.pending[stream] == 0
	}

	if !blocked {
		return true
	}

	return m.patience > 0 && !m.anyOf(m.starting) && !now.Before(m.passesAt())
}

// passesAt is when the earliest line was waited with for long enough. At the start the past of all nodes comes at once,
// as soon as they are connected.
func (m *merge) passesAt() time.Time {
	from := m.waiting[0].at
	if m.begun.After(from) {
		from = m.begun
	}

	return from.Add(m.patience)
}

// due is how long nothing but an arrival changes anything.
func (m *merge) due() time.Duration {
	if m.waiting.Len() == 0 || m.patience == 0 || m.anyOf(m.starting) {
		return time.Hour
	}

	return time.Until(m.passesAt())
}

func (m *merge) anyOf(streams []bool) bool {
	for _, is := range streams {
		if is {
			return true
		}
	}

	return false
}

func (m *merge) pop() LogLine {
	first := heap.Pop(&m.waiting).(arrival)
	m.pending[first.stream]--
	<-m.room[first.stream]

	return *first.line
}

// lineHeap has the earliest line on top; of one time the earlier stream's, and of one stream what came first.
type lineHeap []arrival

func (h lineHeap) Len() int { return len(h) }

func (h lineHeap) Less(i, j int) bool {
	return cmp.Or(
		h[i].line.Time.Compare(h[j].line.Time),
		cmp.Compare(h[i].stream, h[j].stream),
		h[i].at.Compare(h[j].at),
	) < 0
}

func (h lineHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *lineHeap) Push(a any) { *h = append(*h, a.(arrival)) }

func (h *lineHeap) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	*h = (*h)[:last]

	return a
}
