package dump

import (
	"fmt"
	"slices"
	"strings"
)

// Guard lets an operator's statements through, but for those that write into the server's own databases: what they
// write stays on one node of a cluster, accounts among it, and a node without its accounts is lost at its next start.
type Guard struct {
	current string
}

// writing are the statements that change rows or tables.
var writing = []string{
	"insert", "replace", "update", "delete", "load",
	"truncate", "create", "alter", "drop", "rename",
}

// Check refuses a statement with ErrRefused, and its line.
func (g *Guard) Check(statement Statement) error {
	first := firstTokens(statement.Text, 12)
	if len(first) == 0 {
		return nil
	}

	if first[0].is("use") {
		g.current = named(first, 1)
		return nil
	}

	if !first[0].isOne(writing...) {
		return nil
	}

	database, qualified := g.written(first)
	if !IsSystem(database) || !qualified && account(first) {
		return nil
	}

	return fmt.Errorf(
		"line %d: %w: %s in the system database %s would stay on one node of the cluster; "+
			"for accounts use CREATE USER and GRANT, which all nodes take; for a dump, hornero db import",
		statement.Line,
		ErrRefused,
		strings.ToUpper(first[0].text),
		database,
	)
}

// written is the database that a statement writes into, and whether it is named there.
func (g *Guard) written(first []token) (database string, qualified bool) {
	for i, t := range first {
		if t.text == "." && i > 0 && IsSystem(first[i-1].named()) {
			return first[i-1].named(), true
		}

		// Where the rows come from may be any database.
		if t.isOne("select", "values", "set", "as", "where") {
			break
		}
	}

	return g.current, false
}

// account tells of statements about accounts and the like, which name no table.
func account(first []token) bool {
	return slices.ContainsFunc(first[:min(len(first), 4)], func(t token) bool {
		return t.isOne("user", "role", "database", "schema", "server")
	})
}
