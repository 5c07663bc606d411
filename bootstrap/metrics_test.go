package bootstrap_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// get asks an agent on its health port, from its own node.
func get(t *testing.T, agent *bootstrap.Agent, path string) (int, string) {
	answer := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodGet, path, nil)
	request.RemoteAddr = "127.0.0.1:40000"
	agent.HealthHandler().ServeHTTP(answer, request)

	return answer.Code, answer.Body.String()
}

// value is a metric's value, with these labels in their order.
func value(t *testing.T, agent *bootstrap.Agent, name string, labels ...string) float64 {
	_, text := get(t, agent, "/metrics")
	parser := expfmt.NewTextParser(model.UTF8Validation)

	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	require.NoError(t, err)
	require.Contains(t, families, name)

	for _, metric := range families[name].GetMetric() {
		var got []string
		for _, label := range metric.GetLabel() {
			got = append(got, label.GetName()+"="+label.GetValue())
		}

		slices.Sort(got)

		if strings.Join(got, ",") == strings.Join(labels, ",") {
			return metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
		}
	}

	t.Fatalf("no %s with %v in\n%s", name, labels, text)

	return 0
}

// twoDatabases is a peer set without a quorum, of a node that is heard and one that is not.
func twoDatabases() peerset.Snapshot {
	snapshot := peerset.Snapshot{
		Founded:    "f",
		Generation: 7,
		Voters:     []string{"a", "b", "c"},
		Leader:     "10.0.0.2:9202",
		Peers: []peerset.Peer{
			{
				Name:    "db-1",
				Role:    "db",
				Alive:   true,
				Healthy: true,
			},
			{
				Name:    "db-2",
				Role:    "db",
				Healthy: true,
			},
		},
		Leases: map[string]peerset.Lease{
			"writer": {
				Name:        "writer",
				Holder:      "db-1",
				Incarnation: 1,
				Epoch:       4,
			},
			"galera-join": {
				Name:        "galera-join",
				Holder:      "db-2",
				Incarnation: 1,
				Epoch:       2,
			},
		},
	}

	return snapshot
}

func TestReadyIsMoreThanHealthy(t *testing.T) {
	agent := bootstrap.New(bootstrap.Config{
		State: t.TempDir(),
		Log:   slog.New(slog.DiscardHandler),
	})

	for _, path := range []string{"/healthz", "/readyz"} {
		code, says := get(t, agent, path)
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.Equal(t, "finding\n", says)
	}

	require.Equal(t, 1.0, value(t, agent, "hornero_phase", "phase=finding"))

	set := &fixedSet{snapshot: twoDatabases()}
	agent.Served(set, "db-1")

	code, _ := get(t, agent, "/healthz")
	require.Equal(t, http.StatusOK, code, "traffic goes on without a quorum")

	code, says := get(t, agent, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, says, "no quorum")
	require.Zero(t, value(t, agent, "hornero_peer_set_quorum"))

	set.snapshot.Quorum = true

	code, _ = get(t, agent, "/readyz")
	require.Equal(t, http.StatusOK, code)

	agent.Applied(errors.New("disk full"))

	code, says = get(t, agent, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, "apply templates\n", says, "what is wrong is for those who may log in")

	require.Equal(t, 1.0, value(t, agent, "hornero_peer_set_quorum"))
	require.Equal(t, 7.0, value(t, agent, "hornero_peer_set_generation"))
	require.Equal(t, 3.0, value(t, agent, "hornero_peer_set_voters"))
	require.Equal(t, 1.0, value(t, agent, "hornero_peer_set_leader", "address=10.0.0.2:9202"))
	require.Equal(t, 4.0, value(t, agent, "hornero_lease_epoch", "holder=db-1", "lease=writer"))
	require.Equal(t, 1.0, value(t, agent, "hornero_lease_held", "lease=writer"))

	require.Zero(t,
		value(t, agent, "hornero_peer_set_peer_healthy", "node=db-2", "role=db"),
		"what it last said does not count when it is silent",
	)

	require.Equal(t, 1.0, value(t, agent, "hornero_state_transitions_total", "from=", "to=synced"))
	require.Equal(t, 1.0, value(t, agent, "hornero_healthy"))
}

func TestRefusalsAreCountedAndDoNotFillTheJournal(t *testing.T) {
	var journal bytes.Buffer
	agent := bootstrap.New(bootstrap.Config{
		State: t.TempDir(),
		Log:   slog.New(slog.NewTextHandler(&journal, nil)),
	})

	for port := range 50 {
		agent.RecordRefusal(peerset.Refusal{
			From:   fmt.Sprintf("10.0.0.66:%d", 1000+port),
			Tried:  "connect to dqlite",
			Reason: peerset.ReasonExpired,
			Err:    errors.New("its time is over"),
		})
	}

	agent.RecordRefusal(peerset.Refusal{
		From:   "10.0.0.9:1000",
		Node:   "web-1",
		Role:   "web",
		Tried:  "POST /v1/seize",
		Reason: peerset.ReasonForbidden,
		Err:    peerset.ErrForbidden,
	})

	require.Equal(t, 50.0, value(t, agent, "hornero_refused_total", "reason=expired"))
	require.Equal(t, 1.0, value(t, agent, "hornero_refused_total", "reason=forbidden"))
	require.Zero(t, value(t, agent, "hornero_refused_total", "reason=no_certificate"))

	logged := journal.String()
	require.Equal(t, 2, strings.Count(logged, "msg=refused"), logged)
	require.Contains(t,
		logged,
		`from=10.0.0.9:1000 node=web-1 role=web tried="POST /v1/seize" reason=forbidden`,
	)
}
