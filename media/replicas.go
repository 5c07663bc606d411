package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// DefaultSlow is how long a writer waits for all live nodes. Then those that are needed are enough.
const DefaultSlow = 5 * time.Second

// replicas is the store of the other nodes: each keeps all files.
type replicas struct {
	peers *peers
	slow  time.Duration
	newer func(Entry) // what a node knows better
}

// Keep sends a version to all live nodes.
func (r replicas) Keep(ctx context.Context, entry Entry, open func() (io.ReadCloser, error)) ([]string, error) {
	return r.spread(ctx, entry, open)
}

// Remove sends a deletion to all live nodes.
func (r replicas) Remove(ctx context.Context, entry Entry) ([]string, error) {
	return r.spread(ctx, entry, func() (io.ReadCloser, error) { return nil, nil })
}

// receipt is what became of a version at a node.
type receipt struct {
	node string
	now  Entry
	err  error
}

func (r replicas) spread(
	ctx context.Context,
	entry Entry,
	open func() (io.ReadCloser, error),
) ([]string, error) {
	live, needed := r.peers.live(), r.peers.needed()
	receipts := make(chan receipt, len(live))

	for _, peer := range live {
		// Past the writer's patience, for those that are slow: they shall have it, too.
		go func() { receipts <- r.send(context.WithoutCancel(ctx), peer, entry, open) }()
	}

	slow := time.NewTimer(r.slow)
	defer slow.Stop()

	var (
		holders []string
		failed  []error
		late    bool
	)

	for len(holders)+len(failed) < len(live) && !(late && len(holders) >= max(needed, 1)) {
		select {
		case got := <-receipts:
			holders, failed = r.count(
				entry,
				got,
				holders,
				failed,
			)
		case <-slow.C:
			late = true
		case <-ctx.Done():
			return nil, r.few(holders, needed, errors.Join(append(failed, ctx.Err())...))
		}
	}

	if len(holders) < needed {
		return nil, r.few(holders, needed, errors.Join(failed...))
	}

	slices.Sort(holders)

	return holders, nil
}

func (r replicas) send(ctx context.Context, to Peer, entry Entry, open func() (io.ReadCloser, error)) receipt {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()

	body, err := open()
	if err != nil {
		return receipt{node: to.Name, err: err}
	}

	now, err := r.peers.push(ctx, to, entry, body)

	return receipt{node: to.Name, now: now, err: err}
}

func (r replicas) count(entry Entry, got receipt, holders []string, failed []error) ([]string, []error) {
	if got.err != nil {
		return holders, append(failed, got.err)
	}

	// It has a newer one: this one is kept aside there.
	if got.now.Version.Compare(entry.Version) > 0 {
		r.newer(got.now)
	}

	return append(holders, got.node), failed
}

func (r replicas) few(holders []string, needed int, why error) error {
	text := strings.ReplaceAll(fmt.Sprint(why), "\n", "; ")
	return fmt.Errorf(
		"%d of %d other nodes have it: %s",
		len(holders),
		needed,
		text,
	)
}

// Fetch opens a file at a node that has it.
func (r replicas) Fetch(ctx context.Context, path string, _ Entry) (Entry, io.ReadCloser, error) {
	entry, body, away, err := r.peers.find(ctx, path)
	if err != nil && away {
		// Not a word about the file: a node that could not be asked may have it.
		return Entry{}, nil, fmt.Errorf("fetch %s: a node that may have it does not answer", path)
	}

	return entry, body, err
}
