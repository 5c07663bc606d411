//go:build root

package e2e_test

import (
	"github.com/stretchr/testify/require"
)

// oldSite is a dump with what a cluster does not keep whole by itself.
const oldSite = `CREATE DATABASE oldsite COLLATE utf8mb4_0900_ai_ci;
USE oldsite;
SET @@GLOBAL.GTID_PURGED='3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5';
DROP TABLE IF EXISTS moved;
CREATE TABLE moved (a int NOT NULL PRIMARY KEY) ENGINE=MyISAM;
INSERT INTO moved VALUES (1),(2),(3);
`

// movesASiteIn imports a dump by `hornero db import`, and finds its rows on every database node.
func (s *stack) movesASiteIn() {
	s.t.Helper()

	said, err := s.tryWith(oldSite, "db", "import")
	require.NoError(s.t, err, said)
	require.Contains(s.t, said, "tables of MYISAM became InnoDB's")

	defer s.must("db", "-e", "DROP TABLE wordpress.moved")

	const count = "set session wsrep_sync_wait=1; select count(*) from moved"
	for _, node := range databases {
		require.Equal(s.t, "3", s.on(node, "mariadb -N wordpress -e '"+count+"'"), node)
	}

	require.Contains(s.t, s.must("db", "dump"), "INSERT INTO `moved` VALUES")

	// A table that would be on one node cannot be made, nor rows of accounts.
	said, err = s.try("db", "-e", "CREATE TABLE wordpress.lost (a int PRIMARY KEY) ENGINE=MyISAM")
	require.Error(s.t, err, said)

	said, err = s.tryWith("USE mysql;\nDELETE FROM global_priv;", "db")
	require.Error(s.t, err)
	require.Contains(s.t, said, "would stay on one node of the cluster")
}
