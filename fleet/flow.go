package fleet

import (
	"context"
	"fmt"
	"time"
)

const (
	// badPause is what part of the time replication may stand still because a new database node lags behind.
	badPause = 0.10
	// leastFlow is for how long that is looked at before anything is said: a node that has just joined catches up.
	leastFlow = 10 * time.Second
)

// flow is what flow control has done so far: Galera stops all writers while a member is too far behind.
type flow struct {
	writer string        // on which node the pauses were measured
	paused time.Duration // since its server's start
	asked  int64         // how often the new node asked for a pause, since its server's start
}

// lag tells how a new database node holds the others up; "" when it does not.
func lag(sights []sight, done bool) string {
	last := sights[len(sights)-1]
	first := last

	// As long as the figures are those of the same two servers.
	for at := len(sights) - 1; at >= 0; at-- {
		one := sights[at]
		if one.flow.writer != last.flow.writer || last.at.Sub(one.at) > badHealth {
			break
		}

		first = one
	}

	elapsed := last.at.Sub(first.at)
	paused := last.flow.paused - first.flow.paused

	switch {
	case last.flow.writer == "", elapsed <= 0, elapsed < leastFlow && !done:
		return ""
	// Another member asks for the pauses, or nobody does.
	case last.flow.asked <= first.flow.asked:
		return ""
	case paused.Seconds() <= badPause*elapsed.Seconds():
		return ""
	}

	return fmt.Sprintf("it lags behind: the writer %s stood still for %.0f %% of %.0f s", last.flow.writer,
		100*paused.Seconds()/elapsed.Seconds(), elapsed.Seconds())
}

// flowOf measures flow control. Without a writer that answers nothing is known.
func (w *watching) flowOf(ctx context.Context, m member, asked int64) flow {
	if !w.fleet.isDatabase(m.Role) {
		return flow{}
	}

	for _, a := range w.fleet.askAll(ctx, w.named) {
		if a.err == nil && a.status.Writer {
			return flow{
				writer: a.member.Node,
				paused: time.Duration(a.status.Figures.PausedNanoseconds),
				asked:  asked,
			}
		}
	}

	return flow{}
}
