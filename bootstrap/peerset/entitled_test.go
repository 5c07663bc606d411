package peerset_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peerset"
)

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
		fence: peerset.LeaseWordPressCron,
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
		may := peerset.MayPut(c.role, c.key, c.fence)
		require.Equal(t, c.may, may, "%+v", c)
	}
}
