//go:build root && bench

package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// burnersPerCore compete with the stack at its own priority: each core has more to do than it can.
const burnersPerCore = 2

// TestNoFalseEvictions burns all of the machine's processors beside the stack under load, for SOAK (10m), and
// looks whether any database node was shut out by the others meanwhile: each change of the cluster's membership
// has a number.
func TestNoFalseEvictions(t *testing.T) {
	span := 10 * time.Minute

	if text := os.Getenv("SOAK"); text != "" {
		var err error
		span, err = time.ParseDuration(text)
		require.NoError(t, err, "SOAK is a duration, as in 1h")
	}

	s := launch(t)
	s.untilHealthy()

	c := newClients(s)
	before := s.memberships()
	stop := c.start()

	for range burnersPerCore * runtime.NumCPU() {
		burner := exec.Command("sh", "-c", "while :; do :; done")
		require.NoError(t, burner.Start())

		t.Cleanup(func() {
			burner.Process.Kill()
			burner.Wait()
		})
	}

	for end := time.Now().Add(span); time.Now().Before(end); {
		left := time.Until(end).Round(time.Second)
		require.Equal(t, before, s.memberships(), "the cluster's membership changed %s before the end", left)
		time.Sleep(min(10*time.Second, time.Until(end)))
	}

	r := stop()
	cores := runtime.NumCPU()
	fmt.Printf("%s of full load by %d burners on %d cores: no eviction; %d rows, longest gap %.2f s, %d "+
		"attempts failed\n",
		span, burnersPerCore*cores, cores, r.rows, r.gap.Seconds(), r.failed)
	s.keepsRows(c)
}

// memberships is the number of the cluster's last change of membership, as each node saw it.
func (s *stack) memberships() map[string]string {
	s.t.Helper()
	numbers := map[string]string{}

	for _, db := range databases {
		numbers[db] = s.on(db, `mariadb -N -e "show status like 'wsrep_cluster_conf_id'"`)
	}

	return numbers
}
