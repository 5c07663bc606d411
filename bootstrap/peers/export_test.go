package peers

import (
	"context"
	"database/sql"
	"errors"
	"net"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Crash ends a member without a word to the others.
func (s *Store) Crash() error {
	s.stop()
	s.done.Wait()

	closed := s.db.Close()
	s.listener.close()

	return errors.Join(closed, s.app.Close())
}

// Write runs a transaction as all that this member writes.
func (s *Store) Write(ctx context.Context, do func(context.Context, *sql.Tx) error) error {
	return s.write(ctx, do)
}

// Prepared are the names beside a member's folder.
var Prepared = []string{rebuilding, rebuilt, lost}

// Bound keeps a connection's last deadline until there is another.
func Bound(connection net.Conn) net.Conn { return bounded{connection} }

// Dial connects as a member that saw the peer set change from one snapshot to the next.
func Dial(
	ctx context.Context,
	config Config,
	endpoint string,
	was, now peerset.Snapshot,
) (net.Conn, error) {
	gone := &departed{addresses: map[string]bool{}}
	gone.note(was, now)
	return config.dialMembers(gone)(ctx, endpoint)
}

// ErrDeparted refuses to connect to a member that is gone.
var ErrDeparted = errDeparted
