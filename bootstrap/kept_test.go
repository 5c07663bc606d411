package bootstrap_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/roles"
)

// keepingSet is a peer set that records what it is given to keep.
type keepingSet struct {
	peerset.Set
	snapshot peerset.Snapshot
	kept     map[string]string
	fence    peerset.Lease
}

func (k *keepingSet) Snapshot() peerset.Snapshot { return k.snapshot }

func (k *keepingSet) Put(_ context.Context, key, value string, fence peerset.Lease) error {
	k.kept[key], k.fence = value, fence
	return nil
}

func keepLocally(agent *bootstrap.Agent, path, text string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodPut, path, strings.NewReader(text))
	agent.LocalHandler().ServeHTTP(answer, request)

	return answer
}

func TestAProgramReadsWhatItsRoleKeeps(t *testing.T) {
	agent := bootstrap.New(bootstrap.Config{State: t.TempDir()})
	require.Equal(t, http.StatusServiceUnavailable, askLocally(agent, http.MethodGet, "/kept").Code)

	agent.KeepsAs("edge-1", "edge", &keepingSet{snapshot: peerset.Snapshot{Settings: map[string]string{
		"edge.acme.www":  "sealed",
		"edgy.acme.www":  "another role's",
		"galera.grants":  "Hornero's",
		"forgotten.db-1": "3",
	}}})

	answer := askLocally(agent, http.MethodGet, "/kept")
	require.Equal(t, http.StatusOK, answer.Code)
	require.JSONEq(t, `{"acme.www": "sealed"}`, answer.Body.String())
}

func TestAProgramKeepsUnderTheLeaseOfItsTask(t *testing.T) {
	held := peerset.Lease{
		Name:   "edge.acme",
		Holder: "edge-1",
		Epoch:  7,
	}
	other := held
	other.Holder = "edge-2"
	older := held
	older.Incarnation = 3

	for what, c := range map[string]struct {
		lease peerset.Lease
		keeps bool
	}{
		"this node's":               {lease: held, keeps: true},
		"another node's":            {lease: other},
		"another incarnation's":     {lease: older},
		"one that nobody ever held": {},
	} {
		set := &keepingSet{
			kept:     map[string]string{},
			snapshot: peerset.Snapshot{Leases: map[string]peerset.Lease{c.lease.Name: c.lease}},
		}

		agent := bootstrap.New(bootstrap.Config{State: t.TempDir()})
		agent.KeepsAs("edge-1", "edge", set)

		answer := keepLocally(agent, "/kept/acme.www?task=acme", "sealed")

		if !c.keeps {
			require.Equal(t, http.StatusServiceUnavailable, answer.Code, what)
			require.Contains(t, answer.Body.String(), peerset.ErrStaleEpoch.Error())
			require.Empty(t, set.kept, what)

			continue
		}

		require.Equal(t, http.StatusOK, answer.Code, answer.Body)
		require.Equal(t, map[string]string{"edge.acme.www": "sealed"}, set.kept)
		require.Equal(t, held, set.fence)
	}
}

// Nodes of groups with schemas of their own serve other sites: each of these has its tasks run.
func TestTheTasksOfASchemaAreUnderALeaseOfItsOwn(t *testing.T) {
	rights := map[string]cloudinit.Rights{
		"web": {Leases: map[string]string{"cron": "old-cron"}},
	}

	for schema, want := range map[string]string{
		"":     "old-cron",
		"shop": "web.cron.shop",
	} {
		agent := bootstrap.New(bootstrap.Config{State: t.TempDir()})
		agent.IsNode(cloudinit.Node{
			Role:     "web",
			Roles:    rights,
			Settings: map[string]string{roles.SettingOwnSchema: schema},
		})

		lease := agent.TaskLease("cron")
		require.Equal(t, want, lease)
		require.True(t, agent.Rights().MayHold("web", lease), "members of any version grant it")
		require.False(t, agent.Rights().MayHold("db", lease))
	}
}

func TestWhatIsTooLongForThePeerSetIsNotRead(t *testing.T) {
	set := &keepingSet{kept: map[string]string{}}

	agent := bootstrap.New(bootstrap.Config{State: t.TempDir()})
	agent.KeepsAs("edge-1", "edge", set)

	answer := keepLocally(agent, "/kept/acme.www?task=acme", strings.Repeat("x", 1<<20))
	require.Contains(t, answer.Body.String(), "too large")
	require.Empty(t, set.kept)
}
