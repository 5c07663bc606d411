package peers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/canonical/go-dqlite/v2/client"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// evictIfFree removes an address from consensus, unless it is this member's own or belongs to another node by now.
func (s *Store) evictIfFree(ctx context.Context, address, name string) error {
	if address == s.config.Address {
		return nil
	}

	// Members are names, not addresses: another node may have got this address since.
	var others int
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		query := `SELECT COUNT(*) FROM peers WHERE address = ? AND name <> ?`
		return tx.QueryRowContext(ctx, query, address, name).Scan(&others)
	})
	if err != nil || others > 0 {
		return err
	}

	return s.evict(ctx, address)
}

// evict removes an address from consensus; one that is not there is no error.
func (s *Store) evict(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()

	for {
		// dqlite refuses a second change of its members until the one before is through.
		err := s.tryEvict(ctx, address)
		if err == nil || !passing(err) {
			return err
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", peerset.ErrUnavailable, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *Store) tryEvict(ctx context.Context, address string) error {
	leader, err := s.app.FindLeader(ctx)
	if err != nil {
		return err
	}
	defer leader.Close()

	nodes, err := leader.Cluster(ctx)
	if err != nil {
		return err
	}

	for _, node := range nodes {
		if node.Address == s.config.endpoint(address) {
			return s.remove(ctx, leader, node, nodes)
		}
	}

	return nil
}

// errLeads is passing: the member to remove leads, and another one takes over.
var errLeads = errors.New("the leader hands over before it is removed")

// remove removes a member. One that leads hands over first: without that the others would have to find out that
// it is gone.
func (s *Store) remove(
	ctx context.Context,
	leader *client.Client,
	node client.NodeInfo,
	all []client.NodeInfo,
) error {
	if node.Address == s.config.endpoint(s.config.Address) {
		return fmt.Errorf("remove %s from consensus: it is this node itself", node.Address)
	}

	leads, err := leader.Leader(ctx)
	if err != nil {
		return err
	}

	if leads == nil || leads.ID != node.ID {
		return leader.Remove(ctx, node.ID)
	}

	err = errLeads

	for _, other := range all {
		if other.ID == node.ID || other.Role != client.Voter {
			continue
		}

		// The caller tries again, and finds the new leader. A voter that is gone refuses, and the next one is asked.
		refused := leader.Transfer(ctx, other.ID)
		if refused == nil {
			return errLeads
		}

		err = errors.Join(err, refused)
	}

	return err
}
