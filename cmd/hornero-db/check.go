package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

const (
	// Views have no engine.
	foreignEngines = `SELECT CONCAT('ALTER TABLE ', table_schema, '.', table_name, ' ENGINE=InnoDB; -- is ', engine)
		FROM information_schema.tables
		WHERE table_schema = ? AND table_type = 'BASE TABLE' AND engine <> 'InnoDB'
		ORDER BY table_name`

	keyless = `SELECT t.table_name FROM information_schema.tables t
		LEFT JOIN information_schema.table_constraints c
			ON c.table_schema = t.table_schema AND c.table_name = t.table_name AND c.constraint_type = 'PRIMARY KEY'
		WHERE t.table_schema = ? AND t.table_type = 'BASE TABLE' AND c.constraint_name IS NULL
		ORDER BY t.table_name`
)

// checkTables lists, for each of the stack's databases, what a cluster does not keep whole.
func checkTables(ctx context.Context, t terminal, args []string) error {
	flags := pflag.NewFlagSet("check", pflag.ContinueOnError)
	flags.SetOutput(t.err)

	if err := flags.Parse(args); err != nil {
		return err
	}

	list, err := databases()
	if err != nil {
		return err
	}

	server, err := connect(ctx)
	if err != nil {
		return err
	}
	defer server.Close()

	found := 0

	for _, d := range list {
		statements, err := words(ctx, server, foreignEngines, d.name)
		if err != nil {
			return err
		}

		found += len(statements)

		for _, statement := range statements {
			fmt.Fprintln(t.out, statement)
		}

		if err := reportKeys(ctx, server, t.out, d.name); err != nil {
			return err
		}
	}

	if found > 0 {
		return fmt.Errorf("%d tables are on one node only, the statements above mend it (hornero db)", found)
	}

	return nil
}

// reportKeys names the tables without a primary key.
func reportKeys(ctx context.Context, server *sql.DB, out io.Writer, database string) error {
	tables, err := words(ctx, server, keyless, database)
	if err != nil || len(tables) == 0 {
		return err
	}

	fmt.Fprintf(
		out,
		"  without a primary key, so that changing many of their rows is slow on all nodes: %s\n",
		strings.Join(tables, ", "),
	)

	return nil
}
