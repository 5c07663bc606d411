package dump_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/dump"
)

func TestWhatWouldStayOnOneNodeIsRefused(t *testing.T) {
	rows := []struct {
		statements []string
		refused    bool // the last one
	}{
		{statements: []string{"SELECT * FROM mysql.user"}},
		{statements: []string{"USE mysql", "SELECT * FROM user"}},
		{statements: []string{"INSERT INTO wordpress.a SELECT host FROM mysql.user"}},
		{statements: []string{"INSERT INTO a VALUES ('mysql.user')"}},
		{statements: []string{"CREATE USER x IDENTIFIED BY 'y'"}},
		{statements: []string{"USE mysql", "CREATE USER x IDENTIFIED BY 'y'"}},
		{statements: []string{"USE mysql", "GRANT ALL ON a.* TO x"}},
		{statements: []string{"USE mysql", "USE wordpress", "DROP TABLE a"}},
		{statements: []string{"DROP TABLE IF EXISTS wordpress.probe"}},
		{statements: []string{"UPDATE wordpress.a SET b = (SELECT 1 FROM mysql.user)"}},

		{statements: []string{"INSERT INTO mysql.global_priv VALUES (1)"}, refused: true},
		{statements: []string{"insert into `MySQL`.`user` values (1)"}, refused: true},
		{statements: []string{"USE mysql", "REPLACE INTO global_priv VALUES (1)"}, refused: true},
		{statements: []string{"USE `mysql`", "DROP TABLE IF EXISTS `global_priv`"}, refused: true},
		{statements: []string{"DELETE FROM mysql.db WHERE User = ''"}, refused: true},
		{statements: []string{"UPDATE mysql.global_priv SET a = 1"}, refused: true},
		{statements: []string{"TRUNCATE TABLE mysql.db"}, refused: true},
		{statements: []string{"LOAD DATA INFILE 'x' INTO TABLE mysql.db"}, refused: true},
		{statements: []string{"ALTER TABLE mysql.db ADD x int"}, refused: true},
	}

	for _, row := range rows {
		var guard dump.Guard
		var err error

		for i, statement := range row.statements {
			err = guard.Check(dump.Statement{Line: i + 1, Text: []byte(statement)})
		}

		if row.refused {
			require.ErrorIs(t, err, dump.ErrRefused, row.statements)
			continue
		}

		require.NoError(t, err, row.statements)
	}
}
