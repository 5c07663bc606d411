package peers_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An attempt whose time is up between two statements finds its transaction taken back: it is made again, as it is
// when a statement itself takes too long. On a busy machine a node was refused for it.
func TestATransactionThatWasTakenBackIsMadeAgain(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	store := c.founder()
	defer c.stop(store)

	attempts := 0
	err := store.Write(c.within(5*time.Second), func(ctx context.Context, tx *sql.Tx) error {
		attempts++

		if attempts == 1 {
			<-ctx.Done()
			c.eventually(5*time.Second, func() bool {
				_, err := tx.ExecContext(context.Background(), `SELECT 1`)
				return errors.Is(err, sql.ErrTxDone)
			})
		}

		return nil // and then it is committed
	})
	require.NoError(t, err)
	require.Equal(t, 2, attempts)
}
