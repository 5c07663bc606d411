package peerset_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peerset"
)

func TestMayPut(t *testing.T) {
	for _, c := range []struct {
		role, key, fence string
		may              bool
	}{
		{"db", "galera.decision", peerset.LeaseGaleraBootstrap, true},
		{"db", "galera.decision", peerset.LeaseWriter, false},
		{"db", "galera.grants", peerset.LeaseGaleraBootstrap, true},
		{"db", "galera.grants", peerset.LeaseWriter, true},
		{"db", "galera.grants", peerset.LeaseGaleraJoin, false},
		{"db", "galera.anything", peerset.LeaseGaleraBootstrap, false},
		{"web", "galera.decision", peerset.LeaseGaleraBootstrap, false},
		{"db", "db.mine", "db.task", true},
		{"db", "db.mine", peerset.LeaseWriter, true},
		{"db", "web.theirs", "db.task", false},
		{"web", "web.mine", peerset.LeaseWriter, false},
		{"web", "web.mine", peerset.LeaseWordPressCron, true},
		{"galera", "galera.anything", "galera.task", false},
		{"db", peerset.SettingEra, peerset.LeaseWriter, false},
		{"db", peerset.ForgottenPrefix + "db-1", peerset.LeaseWriter, false},
	} {
		require.Equal(t, c.may, peerset.MayPut(c.role, c.key, c.fence), "%+v", c)
	}
}
