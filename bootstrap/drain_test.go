package bootstrap_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
)

// open are requests that are answered one at each look.
type open struct {
	left  int
	looks []time.Duration // since the drain began
	began time.Time
}

func (o *open) busy(_ context.Context, ports []int) (int, error) {
	if ports[0] != 80 || ports[1] != 443 {
		return 0, nil
	}

	o.looks = append(o.looks, time.Since(o.began))
	o.left--

	return o.left + 1, nil
}

// answering is an agent that serves, and the requests that it has yet to answer.
func answering(t *testing.T, left int) (*bootstrap.Agent, *open) {
	requests := &open{left: left, began: time.Now()}

	agent := bootstrap.New(bootstrap.Config{
		State: t.TempDir(),
		Busy:  requests.busy,
		Log:   testLog(t),
	})
	agent.ServesAt(80, 443)

	return agent, requests
}

func TestADrainAnswersWhatWasAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent, requests := answering(t, 3)
		require.True(t, isHealthy(agent))

		drained := make(chan error, 1)
		go func() { drained <- agent.Drain(t.Context(), 6*time.Second) }()

		synctest.Wait()
		require.False(t, isHealthy(agent), "load balancers are to see it at once")
		require.Equal(t, http.StatusNotFound, agent.UnhealthyCode(), "its connections may end by themselves")

		require.NoError(t, <-drained)
		require.Len(t, requests.looks, 4)
		require.GreaterOrEqual(t, requests.looks[0], 6*time.Second, "until then they ask on")
		require.Less(t, requests.looks[3], 8*time.Second, "nobody waits when all is answered")
	})
}

func TestADrainEndsWithItsOperatorsPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent, _ := answering(t, 1000)

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()

		err := agent.Drain(ctx, 2*time.Second)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "requests are still being answered")
		require.False(t, isHealthy(agent), "it stays drained")
	})
}

func TestANodeThatServesNobodyDrainsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent, requests := answering(t, 1)
		agent.ServesAt()

		require.NoError(t, agent.Drain(t.Context(), time.Hour))
		require.Less(t, time.Since(requests.began), time.Second)
		require.Empty(t, requests.looks)
	})
}
