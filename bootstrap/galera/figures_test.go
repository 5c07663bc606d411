package galera_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestANodeTellsHowItsTransferMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := transferring(t)
		still := r.moves()
		r.start()

		first := ""
		r.eventually("a transfer", func() bool {
			first = r.driver.Figures().Transfer
			return first != ""
		})

		r.eventually("it moves", func() bool { return r.driver.Figures().Transfer != first })

		r.server.edit(func(s *server) { s.onStart = serve })
		still()
		r.synced()
		require.Empty(t, r.driver.Figures().Transfer)
	})
}

func TestANodeTellsOfFlowControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		serve(r.server)
		r.server.wsrep.Paused = 1_500_000_000
		r.server.wsrep.PausesAsked = 3
		r.say(primary("db-1", ours), primary("db-3", ours))
		r.start()
		r.synced()

		figures := r.driver.Figures()
		require.Equal(t, int64(1_500_000_000), figures.PausedNanoseconds)
		require.Equal(t, int64(3), figures.PausesAsked)
	})
}
