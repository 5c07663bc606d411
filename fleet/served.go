package fleet

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/roles"
)

// The limits of what a new node's answers may be beside those of the old ones. With fewer requests twice the errors
// come about by chance.
const (
	leastRequests = 300
	leastErrors   = 5
	badErrors     = 0.01 // of all requests
	badFactor     = 2.0  // times the errors of the old nodes
	badSlowness   = 1.5  // times the seconds of the old nodes
	// windows is how many parts a watch has. A node is slow when it is in so many of them one after the other.
	windows = 3
	// longestWatch is how many times as long a watch may get, for enough requests to be sure.
	longestWatch = 5
	// countTimeout bounds the counting on one node: journalctl looks through gigabytes in a few seconds.
	countTimeout = 20 * time.Second
)

// served is what nodes answered in a time.
type served struct {
	requests int
	errors   int             // answers 500 to 599
	seconds  map[float64]int // how many requests took so long, to two digits
}

func (s served) rate() float64 { return float64(s.errors) / float64(max(1, s.requests)) }

// slow is how long all but the slowest twentieth of the requests took at most, in seconds.
func (s served) slow() float64 {
	rest := s.requests / 20
	longestFirst := func(a, b float64) int { return cmp.Compare(b, a) }

	for _, seconds := range slices.SortedFunc(maps.Keys(s.seconds), longestFirst) {
		if rest -= s.seconds[seconds]; rest < 0 {
			return seconds
		}
	}

	return 0
}

func (s *served) add(other served) {
	if s.seconds == nil {
		s.seconds = map[float64]int{}
	}

	s.requests += other.requests
	s.errors += other.errors

	for seconds, number := range other.seconds {
		s.seconds[seconds] += number
	}
}

func (s served) String() string {
	return fmt.Sprintf("%d requests, %.1f %% errors, 95 %% within %.2g s", s.requests, 100*s.rate(), s.slow())
}

// window is what new and old nodes served in the same time.
type window struct{ fresh, old served }

// worse tells how the new nodes answer worse than the old ones; "" when they do not, or when that is not sure.
func worse(seen []window) string {
	var fresh, old served

	for _, one := range seen {
		fresh.add(one.fresh)
		old.add(one.old)
	}

	if !enough(seen) {
		return ""
	}

	limit := max(badErrors, badFactor*old.rate())
	if fresh.errors >= leastErrors && fresh.rate() > limit {
		return fmt.Sprintf("it answers with more errors than the old nodes: %s; they: %s", fresh, old)
	}

	if len(seen) < windows {
		return ""
	}

	for _, one := range seen[len(seen)-windows:] {
		few := min(one.fresh.requests, one.old.requests) < leastRequests/windows
		if few || one.fresh.slow() <= badSlowness*one.old.slow() {
			return ""
		}
	}

	return fmt.Sprintf("it answers slower than the old nodes: %s; they: %s", fresh, old)
}

// enough tells whether there were requests enough to compare.
func enough(seen []window) bool {
	fresh, old := 0, 0

	for _, one := range seen {
		fresh += one.fresh.requests
		old += one.old.requests
	}

	return min(fresh, old) >= leastRequests
}

// promising tells whether a longer watch would see requests enough.
func promising(seen []window) bool {
	fresh, old := 0, 0

	for _, one := range seen {
		fresh += one.fresh.requests
		old += one.old.requests
	}

	longest := windows * longestWatch
	return len(seen) < longest && min(fresh, old)*longest >= leastRequests*len(seen)
}

// countAnswers makes of a journal's lines that end in a status and a time how many there were of each: how many, the
// status' first digit, the seconds to two digits.
const countAnswers = `awk 'NF > 1 && $(NF-1) ~ /^status=[1-5][0-9][0-9]$/ && $NF ~ /^seconds=[0-9.]+$/ ` +
	`{ n[substr($(NF-1), 8, 1) " " sprintf("%.2g", substr($NF, 9))]++ } END { for (k in n) print n[k], k }'`

// countCommand counts on a node what was answered in the time until now. What a time is goes by the node's clock.
func countCommand(names []string, since time.Duration) string {
	command := "journalctl --quiet --no-pager --output=cat"
	for _, name := range names {
		command += " --identifier=" + name
	}

	return fmt.Sprintf("%s --since=-%dms | %s", command, since.Milliseconds(), countAnswers)
}

// counters are the names under which servers of a role write what they answered into the journal.
func counters(manifest *roles.Manifest) []string {
	var names []string

	for _, serve := range manifest.Serves {
		if serve.Counters != "" && !slices.Contains(names, serve.Counters) {
			names = append(names, serve.Counters)
		}
	}

	return names
}

// served is what nodes of one role answered in the time until now, as far as they say.
func (f *Fleet) served(ctx context.Context, members []member, since time.Duration) served {
	var all served

	for _, m := range members {
		names := counters(f.manifest(m.Role))
		if len(names) == 0 {
			continue
		}

		all.add(f.servedBy(ctx, m, countCommand(names, since)))
	}

	return all
}

func (f *Fleet) servedBy(ctx context.Context, m member, command string) served {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()

	var said bytes.Buffer

	code, err := f.shell.run(ctx, m, command, nil, &said, nil)
	if err != nil || code != 0 {
		return served{}
	}

	return readServed(said.String())
}

// readServed reads what countAnswers printed.
func readServed(text string) served {
	one := served{seconds: map[float64]int{}}

	for line := range strings.Lines(text) {
		var number, class int
		var seconds float64

		if n, _ := fmt.Sscan(line, &number, &class, &seconds); n != 3 {
			continue
		}

		one.requests += number
		one.seconds[seconds] += number

		if class == 5 {
			one.errors += number
		}
	}

	return one
}
