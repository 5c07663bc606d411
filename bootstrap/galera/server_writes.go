package galera

import (
	"context"
	"fmt"
	"slices"
)

// TakeWrites lets clients write.
func (s *Server) TakeWrites(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()

	if _, err := s.db.ExecContext(ctx, "SET GLOBAL read_only = OFF"); err != nil {
		return fmt.Errorf("let clients write: %w", err)
	}

	return nil
}

// RefuseWrites makes clients only read. What Galera applies and what root does goes on. While a client is in a
// transaction it does nothing, unless it is to cut such clients off.
func (s *Server) RefuseWrites(ctx context.Context, cutOff bool) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()

	var refuses bool
	if err := s.db.QueryRowContext(ctx, "SELECT @@GLOBAL.read_only").Scan(&refuses); err != nil {
		return fmt.Errorf("ask whether clients may write: %w", err)
	}

	if refuses {
		return nil
	}

	all, err := s.sessions(ctx)
	if err != nil {
		return err
	}

	busy := slices.DeleteFunc(all, func(one session) bool { return !one.busy })
	if len(busy) > 0 && !cutOff {
		return nil
	}

	for _, one := range busy {
		if err := s.end(ctx, one.id); err != nil {
			return err
		}
	}

	if err := s.close(ctx); err != nil {
		return fmt.Errorf("make clients only read: %w", err)
	}

	return nil
}

// lockWait is the server's number for a lock that was not free (MariaDB error codes, 1205).
const lockWait = 1205

// close makes the server read-only. It takes the global read lock for that: a session of Galera's would pause the node
// meanwhile, and one that waited for the lock would hold up all who write after it. A lock that is not free now is
// asked for again at the next look.
func (s *Server) close(ctx context.Context) error {
	db, err := open(s.socket, false, nil)
	if err != nil {
		return err
	}
	defer db.Close()

	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()

	if _, err := conn.ExecContext(ctx, "SET SESSION wsrep_on = OFF, lock_wait_timeout = 0"); err != nil {
		return err
	}

	_, err = conn.ExecContext(ctx, "SET GLOBAL read_only = ON")
	if refusedWith(err, lockWait) {
		return nil
	}

	return err
}
