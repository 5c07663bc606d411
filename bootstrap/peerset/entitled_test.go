package peerset_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// rights are those of a stack of db, proxy and web, and of one that is named otherwise.
var rights = peerset.Rights{
	"db": {Driver: "galera", Leases: map[string]string{
		"writer":           "writer",
		"galera-bootstrap": "galera-bootstrap",
		"galera-join":      "galera-join",
	}},
	"orders": {Driver: "galera"},
	"proxy":  {Driver: "haproxy"},
	"web":    {Leases: map[string]string{"cron": "old-cron"}},
}

var putCases = []struct {
	role, key, fence string
	may              bool
}{
	{
		role:  "db",
		key:   "galera.decision",
		fence: peerset.LeaseGaleraBootstrap,
		may:   true,
	},
	{
		role:  "db",
		key:   "galera.decision",
		fence: peerset.LeaseWriter,
		may:   false,
	},
	{
		role:  "db",
		key:   "galera.grants",
		fence: peerset.LeaseGaleraBootstrap,
		may:   true,
	},
	{
		role:  "db",
		key:   "galera.grants",
		fence: peerset.LeaseWriter,
		may:   true,
	},
	{
		role:  "db",
		key:   "galera.grants",
		fence: peerset.LeaseGaleraJoin,
		may:   false,
	},
	{
		role:  "db",
		key:   "galera.anything",
		fence: peerset.LeaseGaleraBootstrap,
		may:   false,
	},
	{
		role:  "web",
		key:   "galera.decision",
		fence: peerset.LeaseGaleraBootstrap,
		may:   false,
	},
	{
		role:  "db",
		key:   "db.mine",
		fence: "db.task",
		may:   true,
	},
	{
		role:  "db",
		key:   "db.mine",
		fence: peerset.LeaseWriter,
		may:   true,
	},
	{
		role:  "db",
		key:   "web.theirs",
		fence: "db.task",
		may:   false,
	},
	{
		role:  "web",
		key:   "web.mine",
		fence: peerset.LeaseWriter,
		may:   false,
	},
	{
		role:  "web",
		key:   "web.mine",
		fence: "old-cron",
		may:   true,
	},
	{
		role:  "orders",
		key:   "orders.galera.decision",
		fence: "orders.galera-bootstrap",
		may:   true,
	},
	{
		role:  "orders",
		key:   "orders.galera.decision",
		fence: "orders.writer",
		may:   false,
	},
	{
		role:  "orders",
		key:   "galera.decision",
		fence: "orders.galera-bootstrap",
		may:   false,
	},
	{
		role:  "orders",
		key:   "galera.grants",
		fence: peerset.LeaseWriter,
		may:   false,
	},
	{
		role:  "orders",
		key:   "orders.galera.grants",
		fence: "orders.writer",
		may:   true,
	},
	{
		role:  "galera",
		key:   "galera.anything",
		fence: "galera.task",
		may:   false,
	},
	{
		role:  "db",
		key:   peerset.SettingEra,
		fence: peerset.LeaseWriter,
		may:   false,
	},
	{
		role:  "db",
		key:   peerset.ForgottenPrefix + "db-1",
		fence: peerset.LeaseWriter,
		may:   false,
	},
}

func TestMayPut(t *testing.T) {
	for _, c := range putCases {
		may := rights.MayPut(c.role, c.key, c.fence)
		require.Equal(t, c.may, may, "%+v", c)
	}
}

func TestLeasesHaveOneNameAndOneRole(t *testing.T) {
	for _, c := range []struct {
		role, name string
		lease      string
		others     []string // who may not hold it
	}{
		{"db", "writer", "writer", []string{"orders", "proxy", "web", "unknown"}},
		{"orders", "writer", "orders.writer", []string{"db", "proxy", "web", "unknown"}},
		{"web", "cron", "old-cron", []string{"db", "orders", "unknown"}},
		{"web", "install", "web.install", []string{"db", "orders", "unknown"}},
		{"unknown", "task", "unknown.task", []string{"db", "web"}},
	} {
		require.Equal(t, c.lease, rights.Lease(c.role, c.name))
		require.Equal(t, c.name, rights.Local(c.lease))
		require.True(t, rights.MayHold(c.role, c.lease), "%+v", c)

		for _, other := range c.others {
			require.False(t, rights.MayHold(other, c.lease), "%s holds %s", other, c.lease)
		}
	}
}

func TestEventsOfADriverAreItsRoles(t *testing.T) {
	for role, may := range map[string]bool{"db": true, "orders": true, "proxy": false, "web": false, "later": true} {
		require.Equal(t, may, rights.MayNote(role, peerset.EventDonor), role)
		require.True(t, rights.MayNote(role, peerset.EventDrift), role)
		require.False(t, rights.MayNote(role, peerset.EventWriter), role)
	}
}
