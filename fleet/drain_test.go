package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/stack"
)

// A load balancer asks on until its check has seen that the node drains.
func TestANodeDrainsForAsLongAsItsLoadBalancerTakesToSeeIt(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.config.Stack.LoadBalancer.Health = &stack.BalancerHealth{
		Interval:  7 * time.Second,
		Timeout:   5 * time.Second,
		Unhealthy: 3,
	}
	w.mustUp()

	require.NoError(t, w.replace("web-1"))
	require.Equal(t, "26s", w.notice, "three checks, the last of which takes its whole time")

	require.NoError(t, w.replace("proxy-1"))
	require.Equal(t, "2s", w.notice, "no load balancer sends to it")
}

// A check of one's own does not see a node drain: its traffic is taken before.
func TestTrafficIsTakenWhereADrainIsNotSeen(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.config.Stack.LoadBalancer.Health = &stack.BalancerHealth{
		Path:     "/up",
		Interval: 10 * time.Second,
		Timeout:  6 * time.Second,
		Healthy:  4,
	}
	w.mustUp()
	require.Equal(t, 80, w.balancer().HealthCheck.Port, "that of what is served")

	said := w.hear()
	require.NoError(t, w.replace("web-1"))
	order(t, said(), "web-1: gets no traffic any more", "web-1: drains")

	w.config.Admission = 0
	require.Equal(t, 49*time.Second, w.fleet().AdmissionWait("web"), "four checks, one answer and a margin")
}
