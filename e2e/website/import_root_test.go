//go:build root

package website_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tool puts one of the programs that images carry onto a node.
func (n *node) tool(name string) {
	n.t.Helper()

	folder := os.Getenv("HORNERO_WEBSITE_PROGRAMS")
	require.NotEmpty(n.t, folder, "scripts/website.sh builds the programs, and says where they are")

	program, err := os.ReadFile(folder + "/" + name)
	require.NoError(n.t, err)

	n.write("/usr/lib/hornero/"+name, "0755", "root:root", string(program))
}

// databaseNode is a node with the database's tools.
func databaseNode(t *testing.T) *node {
	t.Helper()

	s := prepareSite(t, nil)
	s.db.tool("hornero-db")
	s.db.write("/etc/mysql/hornero/databases", "0644", "root:root", "wordpress wordpress\n")

	return s.db
}

// imports runs hornero-db import with a dump.
func (n *node) imports(dump string, args ...string) (string, error) {
	return n.try(dump, "/usr/lib/hornero/hornero-db", append([]string{"import"}, args...)...)
}

// mysql8 generates a dump in the form that MySQL 8's mysqldump writes: no MySQL made it.
func mysql8(rows int) string {
	var b strings.Builder

	b.WriteString(`-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: oldsite
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!50503 SET NAMES utf8mb4 */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
SET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN;
SET @@SESSION.SQL_LOG_BIN= 0;
SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5';

CREATE DATABASE /*!32312 IF NOT EXISTS*/ oldsite
/*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci */ /*!80016 DEFAULT ENCRYPTION='N' */;
USE ` + "`oldsite`" + `;
DROP TABLE IF EXISTS posts;
CREATE TABLE posts (
  id bigint unsigned NOT NULL AUTO_INCREMENT,
  title varchar(200) COLLATE utf8mb4_0900_ai_ci NOT NULL DEFAULT '',
  written datetime NOT NULL DEFAULT '0000-00-00 00:00:00',
  PRIMARY KEY (id),
  KEY title (title)
) ENGINE=MyISAM AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci ROW_FORMAT=FIXED;
/*!40000 ALTER TABLE posts DISABLE KEYS */;
LOCK TABLES posts WRITE;
`)

	const batch = 500
	for first := 0; first < rows; first += batch {
		b.WriteString("INSERT INTO `posts` VALUES ")

		for i := first; i < min(first+batch, rows); i++ {
			if i > first {
				b.WriteString(",")
			}

			const row = `(%d,'It\'s the %[1]d. post; with \\ and 🐦','0000-00-00 00:00:00')`
			fmt.Fprintf(&b, row, i+1)
		}

		b.WriteString(";\n")
	}

	b.WriteString(`UNLOCK TABLES;
CREATE TABLE log (line text) ENGINE=Aria TRANSACTIONAL=1;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=` + "`root`@`localhost`" + `*/
/*!50003 TRIGGER noted AFTER INSERT ON posts FOR EACH ROW BEGIN
  INSERT INTO log VALUES (NEW.title);
END */;;
DELIMITER ;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=` + "`someone`@`10.0.0.1`" + ` SQL SECURITY DEFINER */
/*!50001 VIEW titles AS SELECT title FROM posts */;
SET @@SESSION.SQL_LOG_BIN = @MYSQLDUMP_TEMP_LOG_BIN;
-- Dump completed on 2026-11-30 12:00:00
`)

	return b.String()
}

func TestADumpOfAnotherServerIsMadeTheClustersOwn(t *testing.T) {
	db := databaseNode(t)

	const rows = 5000
	dump := mysql8(rows)

	// Nothing is written before it is asked for.
	said, err := db.imports(dump, "--dry-run")
	require.NoError(t, err, said)
	require.Contains(t, said, "nothing written")
	require.Empty(t, db.sql("SHOW TABLES FROM wordpress"))

	said, err = db.imports(dump)
	require.NoError(t, err, said)
	require.Contains(t, said, "tables of MYISAM became InnoDB's")
	require.Contains(t, said, "without a primary key")
	require.Contains(t, said, "log")

	require.Equal(t, fmt.Sprint(rows), db.sql("SELECT COUNT(*) FROM wordpress.posts"))
	title := fmt.Sprintf("%X", `It's the 42. post; with \ and 🐦`)
	require.Equal(t, title, db.sql("SELECT HEX(title) FROM wordpress.posts WHERE id = 42"))

	const foreign = `SELECT COUNT(*) FROM information_schema.tables
		WHERE table_schema = 'wordpress' AND engine <> 'InnoDB'`
	require.Equal(t, "0", db.sql(foreign))

	// What runs with somebody's rights runs with the site's.
	require.Equal(t, "wordpress@%", db.sql("SELECT definer FROM information_schema.triggers"))
	require.Equal(t, "wordpress@%", db.sql(`SELECT definer FROM information_schema.views
		WHERE table_schema = 'wordpress'`))
	db.sql("INSERT INTO wordpress.posts (title) VALUES ('new')")
	require.Equal(t, "new", db.sql("SELECT line FROM wordpress.log"))

	// A second run begins anew, and a dump of ours goes in again.
	said, err = db.imports(dump)
	require.Error(t, err, "the trigger's table has no DROP before it")
	require.Contains(t, said, "CREATE TABLE log")
	require.Contains(t, said, "run it again")

	db.sql("DROP DATABASE wordpress; CREATE DATABASE wordpress")
	said, err = db.imports(dump)
	require.NoError(t, err, said)

	own := db.run("/usr/lib/hornero/hornero-db", "dump")
	before := db.sql("CHECKSUM TABLE wordpress.posts")

	said, err = db.imports(own)
	require.NoError(t, err, said)
	require.Equal(t, before, db.sql("CHECKSUM TABLE wordpress.posts"))
}

func TestADumpThatIsNoneLosesNothing(t *testing.T) {
	db := databaseNode(t)
	db.sql("CREATE TABLE wordpress.kept (a int primary key); INSERT INTO wordpress.kept VALUES (1)")

	accounts := db.sql("SELECT COUNT(*) FROM mysql.global_priv")
	long := strings.Repeat("x", 17<<20)

	rows := map[string]string{
		"USE mysql;\nDELETE FROM global_priv;\n":                           "line 1: refused",
		"DELETE FROM mysql.global_priv;\n":                                 "line 1: refused",
		"\nCREATE TABLE a (b int) ENGINE=FEDERATED;\n":                     "refused: table a has the engine FEDERATED",
		"-- MySQL dump 10.13\nCREATE TABLE t (a int primary key);\n":       "the dump is cut off",
		"CREATE TABLE u (a int primary key);\nINSERT INTO u VALUES ('half": "the dump is cut off",
		"INSERT INTO kept VALUES (1);\n":                                   "line 1: INSERT INTO kept VALUES (1)",
		"this is no dump":                                                  "THIS is no statement of a dump",
		"INSERT INTO kept VALUES ('" + long + "');":                        "line 1: INSERT INTO kept",
	}

	for dump, says := range rows {
		said, err := db.imports(dump)
		require.Error(t, err, dump[:min(len(dump), 80)])
		require.Contains(t, said, says)
	}

	require.Equal(t, "1", db.sql("SELECT a FROM wordpress.kept"))
	require.Equal(t, accounts, db.sql("SELECT COUNT(*) FROM mysql.global_priv"))

	said, err := db.imports("", "--database=other")
	require.Error(t, err)
	require.Contains(t, said, `no database "other": it has wordpress`)
}

// Rows of the server's own tables stay on one node: an operator's statements do not write them.
func TestAnOperatorsStatementsKeepOffTheAccounts(t *testing.T) {
	db := databaseNode(t)
	run := func(input string, args ...string) (string, error) {
		return db.try(input, "/usr/lib/hornero/hornero-db", append([]string{"sql"}, args...)...)
	}

	for input, want := range map[string]string{
		"SELECT 1+1 AS two;":                                      "two\n2\n",
		"select 'a;b' as c; select 2 as d":                        "c\na;b\nd\n2\n",
		"-- x\nSELECT COUNT(*) > 0 AS yes FROM mysql.global_priv": "yes\n1\n",
	} {
		said, err := run(input)
		require.NoError(t, err, said)
		require.Equal(t, want, said)
	}

	said, err := run("", "-e", "SELECT 3 AS x", "--skip-column-names")
	require.NoError(t, err, said)
	require.Equal(t, "3\n", said)

	// The client's own errors name the line that the operator wrote.
	said, err = run("SELECT 1;\n\n-- a comment\nSELEC 2;\n")
	require.Error(t, err)
	require.Contains(t, said, "at line 4")

	accounts := db.sql("SELECT COUNT(*) FROM mysql.global_priv")

	for _, input := range []string{
		"SELECT 1;\nUSE mysql;\nDELETE FROM global_priv;",
		"DROP TABLE mysql.global_priv",
	} {
		said, err := run(input)
		require.Error(t, err)
		require.Contains(t, said, "would stay on one node of the cluster")

		said, err = run("", "--execute="+input)
		require.Error(t, err)
		require.Contains(t, said, "would stay on one node of the cluster")
	}

	require.Equal(t, accounts, db.sql("SELECT COUNT(*) FROM mysql.global_priv"))

	said, err = run("", "-e", "CREATE TABLE wordpress.m (a int primary key) ENGINE=MyISAM")
	require.NoError(t, err, said)

	said, err = db.try("", "/usr/lib/hornero/hornero-db", "check")
	require.Error(t, err)
	require.Contains(t, said, "ALTER TABLE wordpress.m ENGINE=InnoDB; -- is MyISAM")
}
