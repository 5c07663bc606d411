// Package peers is the peer set on embedded dqlite: members, leases and settings in consensus. It is the only
// importer of go-dqlite. It knows names, incarnations and epochs, and nothing of what a role does with them.
package peers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/canonical/go-dqlite/v2/app"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
)

// Store is a member of the peer set. It implements peerset.Registry.
type Store struct {
	config   Config
	app      *app.App
	listener *listener
	departed *departed
	db       *sql.DB
	stop     context.CancelFunc
	done     sync.WaitGroup

	// Only watch touches these.
	readTimeout time.Duration
	leads       leadership

	// writing has room for one: the transaction under way.
	writing chan struct{}

	// Only the transaction under way touches these.
	bumped   bool // it makes a new generation
	migrated bool // the schema is this version's, or a newer one's

	refreshNow pause.Bell // the peer set changed
	received   pause.Bell // another member sent heartbeats

	mu       sync.Mutex
	snapshot peerset.Snapshot
	changed  chan struct{}
	fresh    time.Time
	beats    map[string]sighting       // by peer and incarnation
	renewals map[string]sighting       // by lease and epoch
	reported map[string]peerset.Report // by node: what it reported last to this member
	pending  map[string]int            // incarnations by name: their heartbeats are not written down yet
}

// sighting is a counter and when this process first saw it at that value, on its own monotonic clock.
type sighting struct {
	value int64
	since time.Time
	moved bool // it was seen to change: a counter that only stands there says nothing of life
}

// Open founds (no Join, empty Dir), joins, or comes back as a member, and returns once this node is one.
func Open(ctx context.Context, config Config) (*Store, error) {
	config.defaults()

	// A rebuilt peer set goes in place first: prepare removes what is no member's folder.
	if err := install(config.Dir); err != nil {
		return nil, fmt.Errorf("open peer set: %w", err)
	}

	if err := prepare(config.Dir); err != nil {
		return nil, fmt.Errorf("open peer set: %w", err)
	}

	founding, err := config.founds()
	if err != nil {
		return nil, fmt.Errorf("open peer set: %w", err)
	}

	if config.Era, err = config.enterEra(); err != nil {
		return nil, fmt.Errorf("open peer set: %w", err)
	}

	s := newStore(config)

	if err := s.connect(ctx, founding); err != nil {
		return nil, err
	}

	// Nobody can be let in before Open returns, so a founder that dies here just goes on when it is back.
	if founding {
		if err := s.found(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("found peer set: %w", err), s.disconnect())
		}
	}

	s.run(ctx)

	return s, nil
}

func newStore(config Config) *Store {
	s := &Store{
		config:     config,
		departed:   &departed{addresses: map[string]bool{}},
		writing:    make(chan struct{}, 1),
		refreshNow: pause.NewBell(),
		received:   pause.NewBell(),
		changed:    make(chan struct{}),
		pending:    map[string]int{},
		reported:   map[string]peerset.Report{},
		beats:      map[string]sighting{},
		renewals:   map[string]sighting{},
		snapshot:   peerset.Snapshot{Stack: config.Stack},
	}
	s.config.out = s.out

	return s
}

// out tells why an incarnation is in the peer set no longer.
func (s *Store) out(who peerset.Identity) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.snapshot.Out(who)
}

// connect starts dqlite and the listener before it, and opens the store.
func (s *Store) connect(ctx context.Context, founding bool) error {
	listener, err := s.config.listen()
	if err != nil {
		return fmt.Errorf("open peer set: %w", err)
	}

	dial := s.config.dialMembers(s.departed)

	node, err := app.New(s.config.Dir, s.config.options(dial, listener.socket)...)
	if err != nil {
		listener.close()
		return fmt.Errorf("open peer set: %w", err)
	}

	s.listener, s.app = listener, node

	// Only now is dqlite's own socket there.
	listener.serve()

	// A member that comes back does not wait for a leader: it may be the first of those that make a quorum.
	if !known(s.config.Dir) || founding {
		if err := node.Ready(ctx); err != nil {
			return errors.Join(fmt.Errorf("join peer set: %w", err), s.disconnect())
		}
	}

	s.db, err = s.config.database(dial)
	if err != nil {
		return errors.Join(fmt.Errorf("open peer set: %w", err), s.disconnect())
	}

	return nil
}

// disconnect takes back what connect did, before anybody used it.
func (s *Store) disconnect() error {
	s.listener.close()
	return s.app.Close()
}

// found writes the founding down, and then that it is.
func (s *Store) found(ctx context.Context) error {
	if err := s.writeFounding(ctx); err != nil {
		return err
	}

	return os.Remove(filepath.Join(s.config.Dir, foundingFile))
}

// run starts what goes on until Close.
func (s *Store) run(ctx context.Context) {
	// The context of Open bounds only the joining.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))

	s.stop = stop
	s.done.Go(func() { s.watch(running) })
	s.done.Go(func() { s.keepHeartbeats(running) })

	if s.config.Era > 0 {
		s.done.Go(func() {
			s.declareEra(running, s.config.Era)
		})
	}
}

// Close hands this member's duties over and leaves the consensus' data on disk.
func (s *Store) Close(ctx context.Context) error {
	s.stop()
	s.done.Wait()

	// The others must still reach this member while it hands over.
	handover := s.app.Handover(ctx)
	closed := s.db.Close()
	s.listener.close()

	return errors.Join(handover, closed, s.app.Close())
}

// Snapshot returns the last known snapshot.
func (s *Store) Snapshot() peerset.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()

	snapshot := s.snapshot.Clone()

	// Nothing is published when the quorum is lost, so its loss shows by the snapshot's age.
	snapshot.Quorum = time.Since(s.fresh) < s.config.QuorumFor

	return snapshot
}

// Changed returns a channel that is closed when there is a newer snapshot.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}
