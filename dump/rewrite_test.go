package dump_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/dump"
)

func rewriter(from string) *dump.Rewriter {
	return dump.NewRewriter(dump.Target{
		Database: "wordpress",
		User:     "wordpress",
		From:     from,
	})
}

// rewrite is one statement, rewritten; "" is one that is left out.
func rewrite(t *testing.T, statement string) string {
	t.Helper()

	out, err := rewriter("").Rewrite(dump.Statement{Line: 7, Text: []byte(statement)})
	require.NoError(t, err, statement)

	return strings.Join(strings.Fields(string(out)), " ")
}

func TestStatementsAreMadeThoseOfACluster(t *testing.T) {
	const owner = "DEFINER=`wordpress`@'%' "

	for _, row := range []struct{ dumped, run string }{
		// Rows go through as they are.
		{
			dumped: "INSERT INTO `wp_posts` VALUES (1,'ENGINE=MyISAM utf8mb4_0900_ai_ci')",
			run:    "INSERT INTO `wp_posts` VALUES (1,'ENGINE=MyISAM utf8mb4_0900_ai_ci')",
		},
		{
			dumped: "INSERT IGNORE INTO `old`.`wp_posts` VALUES ('`old`.x')",
			run:    "INSERT IGNORE INTO `wp_posts` VALUES ('`old`.x')",
		},
		{
			dumped: "REPLACE INTO old.wp_posts VALUES (1)",
			run:    "REPLACE INTO wp_posts VALUES (1)",
		},

		// Engines.
		{
			dumped: "CREATE TABLE `a` (`engine` int, `b` varchar(9) DEFAULT 'ENGINE=MyISAM') ENGINE=MyISAM",
			run:    "CREATE TABLE `a` (`engine` int, `b` varchar(9) DEFAULT 'ENGINE=MyISAM') ENGINE=InnoDB",
		},
		{
			dumped: "CREATE TABLE a (b int) TYPE = 'Aria' TRANSACTIONAL=1 ROW_FORMAT=PAGE",
			run:    "CREATE TABLE a (b int) TYPE = InnoDB",
		},
		{
			dumped: "CREATE TABLE a (b int) engine InnoDB ROW_FORMAT=FIXED",
			run:    "CREATE TABLE a (b int) engine InnoDB",
		},
		{
			dumped: "CREATE TABLE a (b int) ENGINE=InnoDB ROW_FORMAT=DYNAMIC",
			run:    "CREATE TABLE a (b int) ENGINE=InnoDB ROW_FORMAT=DYNAMIC",
		},
		{
			dumped: "CREATE TABLE a (b int) /*!50100 TABLESPACE `x` */ ENGINE=MEMORY",
			run:    "CREATE TABLE a (b int) /*!50100 TABLESPACE `x` */ ENGINE=InnoDB",
		},
		{
			dumped: "CREATE TABLE a (b int) DATA DIRECTORY='/srv' INDEX DIRECTORY = '/srv' ENGINE=MyISAM",
			run:    "CREATE TABLE a (b int) ENGINE=InnoDB",
		},
		{
			dumped: "ALTER TABLE a ENGINE=MyISAM",
			run:    "ALTER TABLE a ENGINE=InnoDB",
		},
		{
			dumped: "CREATE TEMPORARY TABLE a (b int) ENGINE=MEMORY",
			run:    "CREATE TEMPORARY TABLE a (b int) ENGINE=MEMORY",
		},
		{
			dumped: "CREATE TABLE IF NOT EXISTS `old`.`a` (b int)",
			run:    "CREATE TABLE IF NOT EXISTS `a` (b int)",
		},
		{
			dumped: "DROP TABLE IF EXISTS `old` . `a`",
			run:    "DROP TABLE IF EXISTS `a`",
		},
		{dumped: "/*!40000 ALTER TABLE `a` DISABLE KEYS */", run: ""},

		// Collations, and what only MySQL 8 reads.
		{
			dumped: "CREATE TABLE a (b text COLLATE utf8mb4_0900_ai_ci) COLLATE=utf8mb4_uca1400_as_cs",
			run:    "CREATE TABLE a (b text COLLATE utf8mb4_unicode_520_ci) COLLATE=utf8mb4_bin",
		},
		{
			dumped: "SET NAMES utf8mb4 COLLATE 'utf8mb4_0900_ai_ci'",
			run:    "SET NAMES utf8mb4 COLLATE 'utf8mb4_unicode_520_ci'",
		},
		{
			dumped: "CREATE TABLE a (b int /*!80023 INVISIBLE */, c int)",
			run:    "CREATE TABLE a (b int , c int)",
		},
		{
			dumped: "/*!40101 SET NAMES utf8 */",
			run:    "/*!40101 SET NAMES utf8 */",
		},

		// Owners.
		{
			dumped: "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER t BEFORE " +
				"INSERT ON a FOR EACH ROW SET @x = 1 */",
			run: "/*!50003 CREATE*/ /*!50017 " +
				owner +
				"*/ /*!50003 TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET @x = 1 */",
		},
		{
			dumped: "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET @x = 1",
			run: "CREATE " +
				owner +
				"TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET @x = 1",
		},
		{
			dumped: "CREATE ALGORITHM=UNDEFINED DEFINER=root@localhost SQL SECURITY DEFINER VIEW v AS SELECT " +
				"1",
			run: "CREATE ALGORITHM=UNDEFINED " +
				owner +
				"SQL SECURITY DEFINER VIEW v AS SELECT 1",
		},
		{
			dumped: "CREATE OR REPLACE SQL SECURITY INVOKER VIEW v AS SELECT 1",
			run: "CREATE OR REPLACE " +
				owner +
				"SQL SECURITY INVOKER VIEW v AS SELECT 1",
		},
		{
			dumped: "CREATE DEFINER=CURRENT_USER PROCEDURE p() SELECT 1",
			run: "CREATE " +
				owner +
				"PROCEDURE p() SELECT 1",
		},

		// Logs, transactions, accounts, databases.
		{dumped: "SET @@SESSION.SQL_LOG_BIN= 0", run: ""},
		{
			dumped: "SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '3e11fa47:1-5'",
			run:    "",
		},
		{
			dumped: "SET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN",
			run:    "",
		},
		{dumped: "SET GLOBAL max_connections = 5", run: ""},
		{dumped: "SET AUTOCOMMIT = 0", run: ""},
		{dumped: "SET PASSWORD FOR root = 'x'", run: ""},
		{dumped: "START TRANSACTION", run: ""},
		{dumped: "COMMIT", run: ""},
		{dumped: "LOCK TABLES `a` WRITE", run: ""},
		{dumped: "CREATE USER 'x'@'%' IDENTIFIED BY 'y'", run: ""},
		{dumped: "GRANT ALL ON *.* TO x", run: ""},
		{dumped: "FLUSH PRIVILEGES", run: ""},
		{
			dumped: "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `old` /*!80016 DEFAULT ENCRYPTION='N' */",
			run:    "",
		},
		{dumped: "DROP DATABASE old", run: ""},
		{dumped: "CHANGE MASTER TO MASTER_LOG_FILE='x'", run: ""},
	} {
		require.Equal(t, strings.Join(strings.Fields(row.run), " "), rewrite(t, row.dumped), row.dumped)
	}
}

func TestWhatNoSiteHasIsRefusedWithItsLine(t *testing.T) {
	refused := []string{
		"USE mysql",
		"USE `Performance_Schema`",
		"INSERT INTO mysql.global_priv VALUES (1)",
		"INSERT INTO `mysql` . `user` VALUES (1)",
		"UPDATE mysql.user SET password = ''",
		"CREATE TABLE mysql.x (a int)",
		"DROP TABLE sys.x",
		"CREATE TABLE a (b int) ENGINE=FEDERATED",
		"CREATE TABLE a (b int) ENGINE=MRG_MyISAM UNION=(c,d)",
		"INSTALL PLUGIN x SONAME 'y'",
		"LOAD DATA INFILE '/etc/passwd' INTO TABLE a",
		"CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'x')",
		"CALL mysql.x()",
	}

	for _, statement := range refused {
		_, err := rewriter("").Rewrite(dump.Statement{Line: 7, Text: []byte(statement)})
		require.ErrorIs(t, err, dump.ErrRefused, statement)
		require.ErrorContains(t, err, "line 7: ", statement)
	}
}

func TestADumpOfSeveralDatabasesWantsOneNamed(t *testing.T) {
	statements := []string{
		"USE `other`",
		"INSERT INTO a VALUES (1)",
		"USE `site`",
		"INSERT INTO b VALUES (2)",
		"USE mysql",
		"INSERT INTO user VALUES (3)",
	}

	all := func(from string) (run []string, err error) {
		w := rewriter(from)

		for i, statement := range statements {
			out, err := w.Rewrite(dump.Statement{Line: i + 1, Text: []byte(statement)})
			if err != nil {
				return run, err
			}

			if out != nil {
				run = append(run, string(out))
			}
		}

		return run, nil
	}

	_, err := all("")
	require.ErrorIs(t, err, dump.ErrRefused)
	require.ErrorContains(t, err, "other and site; name the one that you want with --from")

	run, err := all("site")
	require.NoError(t, err)
	require.Equal(t, []string{"INSERT INTO b VALUES (2)"}, run)
}

func TestChangesAreCounted(t *testing.T) {
	w := rewriter("")

	for _, statement := range []string{
		"CREATE TABLE a (b int) ENGINE=MyISAM",
		"CREATE TABLE c (b int) ENGINE=MyISAM",
		"LOCK TABLES a WRITE",
	} {
		_, err := w.Rewrite(dump.Statement{Line: 1, Text: []byte(statement)})
		require.NoError(t, err)
	}

	require.Equal(t, []string{
		"left out: LOCK (1 times)",
		"tables of MYISAM became InnoDB's (2 times)",
	}, w.Changes())
}
