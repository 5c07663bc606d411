package media

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
)

// Daemon is a library with its store, its other nodes and its doors.
type Daemon struct {
	Config Config
	Log    *slog.Logger

	// Times that a test shortens.
	First   time.Duration
	Pause   time.Duration
	Slow    time.Duration
	Compare time.Duration
	Settle  time.Duration

	// Disk is the size of the files' disk and how much of it is taken, in bytes; the system's where nil.
	Disk func() (size, taken int64, err error)

	library *Library
	peers   *peers
	spaces  *spaces
	tls     *tls.Config
	bell    pause.Bell

	comparing sync.Mutex // held while all is compared

	mu       sync.Mutex
	room     roomTimes
	trouble  map[string]string // by what was tried
	compared bool              // with all nodes that have a daemon
}

// ErrScarce is a node that may not take another's place yet.
var ErrScarce = errors.New("not all files are on two nodes yet")

// Ready tells whether the node may count as one more that has the files: the next one may be taken away after it. A
// Space has them whatever becomes of the nodes.
func (d *Daemon) Ready() error {
	if d.Config.Store != StoreReplicated {
		return nil
	}

	d.mu.Lock()
	compared := d.compared
	d.mu.Unlock()

	if !compared {
		return fmt.Errorf("%w: it is not known which there are", ErrScarce)
	}

	if count := d.library.scarce(); count > 0 {
		return fmt.Errorf("%w: %d are on one other node alone", ErrScarce, count)
	}

	return nil
}

// Open prepares the daemon: its folders and its library.
func (d *Daemon) Open() error {
	if err := d.Config.check(); err != nil {
		return err
	}

	owner, err := d.Config.owner()
	if err != nil {
		return err
	}

	if err := os.MkdirAll(filepath.Join(d.Config.State, "aside"), 0o700); err != nil {
		return fmt.Errorf("open the library: %w", err)
	}

	d.library, err = Open(Settings{
		Node:   d.Config.Node,
		Folder: d.Config.Folder,
		State:  d.Config.State,
		Owner:  owner,
		Log:    d.Log,
		First:  d.First,
		Pause:  d.Pause,
	})
	if err != nil {
		return err
	}

	d.bell, d.trouble = pause.NewBell(), map[string]string{}

	if d.Config.CA != "" {
		if d.tls, err = d.Config.tls(); err != nil {
			return err
		}
	}

	d.peers = newPeers(d.Config.Node, d.tls, d.Config.Port)
	d.peers.set(d.Config.Peers, d.Config.Expected)

	return nil
}

// tls is the node's own certificate, towards nodes of the same role.
func (c Config) tls() (*tls.Config, error) {
	var texts [3]string

	for i, path := range []string{c.CA, c.Certificate, c.PrivateKey} {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the node's certificate: %w", err)
		}

		texts[i] = string(data)
	}

	certificate, err := pki.ParseCertificate(texts[1])
	if err != nil {
		return nil, err
	}

	own, err := pki.NameOf(certificate)
	if err != nil {
		return nil, err
	}

	sameRole := func(other pki.Name) error {
		if other.Role != own.Role {
			return fmt.Errorf(
				"%w: it is of role %s",
				pki.ErrStranger,
				other.Role,
			)
		}

		return nil
	}

	return pki.PeerTLS(
		texts[0],
		pki.Pair{Certificate: texts[1], Key: report.Secret(texts[2])},
		c.Stack,
		sameRole,
	)
}

func (d *Daemon) store() Store {
	switch d.Config.Store {
	case StoreSpaces:
		d.spaces = newSpaces(d.Config, d.peers)
		return d.spaces

	case StoreReplicated:
		slow := d.Slow
		if slow == 0 {
			slow = DefaultSlow
		}

		return replicas{peers: d.peers, slow: slow, newer: d.hear}
	}

	return alone{}
}

// hear takes over a newer version that another node told.
func (d *Daemon) hear(entry Entry) {
	if _, err := d.library.Apply("", entry, nil); err != nil {
		d.Log.Warn(
			"take over a newer version",
			"path",
			entry.Path,
			"err",
			err,
		)
	}

	d.bell.Ring()
}

// Run keeps the library until ctx ends.
func (d *Daemon) Run(ctx context.Context) error {
	if err := d.library.Start(ctx, d.store()); err != nil {
		return err
	}

	d.begin(ctx)

	for ctx.Err() == nil {
		d.compare(ctx)

		next, cancel := context.WithTimeout(ctx, d.every())

		select {
		case <-d.bell:
		case <-next.Done():
		}

		cancel()
	}

	return d.library.Wait()
}

// every is how long until all is compared again: sooner after something went wrong.
func (d *Daemon) every() time.Duration {
	every := d.Compare
	if every == 0 {
		every = DefaultCompare
	}

	switch {
	case !d.troubled():
	case d.Config.Store == StoreReplicated:
		return min(every, askEvery)
	default:
		return min(every, tryEvery)
	}

	return every
}

// begin looks whether the Space does what is asked of it.
func (d *Daemon) begin(ctx context.Context) {
	if d.spaces == nil {
		return
	}

	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	err := d.spaces.try(ctx, d.Config.Node)
	if err == nil {
		err = d.spaces.mark(ctx, d.Config.Stack)
	}

	d.note("try the Space", err)
}

// note remembers what went wrong, or that it does no more.
func (d *Daemon) note(what string, err error) {
	if err != nil {
		d.Log.Warn(what, "err", err)
	}

	d.mu.Lock()
	defer d.mu.Unlock()

	delete(d.trouble, what)

	if err != nil {
		d.trouble[what] = err.Error()
	}
}

func (d *Daemon) troubled() bool {
	d.mu.Lock()
	defer d.mu.Unlock()

	return len(d.trouble) > 0
}

// compare compares all paths, with the Space and with the other nodes, and makes room.
func (d *Daemon) compare(ctx context.Context) {
	if d.Config.Store == StoreLocal {
		return
	}

	d.comparing.Lock()
	defer d.comparing.Unlock()

	others := d.library.comparePeers(ctx, d.peers)
	d.note("compare with the other nodes", others)

	d.mu.Lock()
	d.compared = d.compared || others == nil || onlyRefused(others)
	d.mu.Unlock()

	if d.spaces == nil {
		d.library.sendMissing(d.peers)
		d.library.fetchMissing(ctx)

		return
	}

	err := d.library.compareSpace(ctx, d.spaces)
	if errors.Is(err, ErrMarker) {
		d.begin(ctx)
	}

	d.note("compare with the Space", err)
	d.makeRoom()
}

// Reload takes over other peers. All that waits tries again.
func (d *Daemon) Reload(config Config) {
	d.peers.set(config.Peers, config.Expected)
	d.library.jobs.retry()
	d.bell.Ring()
}

// Status is the node's account of its library.
func (d *Daemon) Status() Status {
	s := d.library.status()
	s.Store, s.Peers = d.Config.Store, []string{}

	for _, peer := range d.peers.live() {
		s.Peers = append(s.Peers, peer.Name)
	}

	s.Alone = s.Store != StoreSpaces && len(s.Peers) == 0

	d.mu.Lock()
	defer d.mu.Unlock()

	for what, why := range d.trouble {
		s.Trouble = append(s.Trouble, what+": "+why)
	}

	return s
}
