package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/hornero/hornero/dump"
)

const importHelp = `Usage: hornero db import [-- [--database NAME] [--from NAME] [--dry-run]] < dump.sql

Reads a dump of mysqldump, mariadb-dump or phpMyAdmin, also compressed by gzip, into the site's database, while the site
stays up. Tables become InnoDB's, since a cluster replicates no other; collations become those that all releases know;
views and triggers belong to the site's user. What is about accounts, logs and other databases is left out or refused.
The tables that the dump makes anew are dropped first: keep what is there by "hornero db dump > before.sql".

`

// asked is what an import is told.
type asked struct {
	database string
	from     string
	dryRun   bool
}

func importFlags(t terminal, args []string) (asked, error) {
	var a asked

	flags := pflag.NewFlagSet("import", pflag.ContinueOnError)
	flags.SetOutput(t.err)
	flags.StringVar(&a.database, "database", "", "the stack's database to write, by `NAME` (default: the only one)")
	flags.StringVar(&a.from, "from", "", "the database of the dump that is wanted, when it has several")
	flags.BoolVar(&a.dryRun, "dry-run", false, "read the whole dump and tell what would be changed; write nothing")

	flags.Usage = func() {
		fmt.Fprint(t.err, importHelp, flags.FlagUsages())
	}

	if err := flags.Parse(args); err != nil {
		return asked{}, err
	}

	if flags.NArg() > 0 {
		return asked{}, fmt.Errorf(
			"%q: the dump comes by stdin, as in hornero db import < %[1]s",
			flags.Arg(0),
		)
	}

	return a, nil
}

// importDump reads a dump into a database.
func importDump(ctx context.Context, t terminal, args []string) error {
	a, err := importFlags(t, args)
	if err != nil {
		return err
	}

	into, err := choose(a.database)
	if err != nil {
		return err
	}

	input, err := uncompressed(t.in)
	if err != nil {
		return err
	}

	i := &importer{
		terminal: t,
		into:     into,
		reader:   dump.NewReader(input),
		started:  time.Now(),
		rewriter: dump.NewRewriter(dump.Target{
			Database: into.name,
			User:     into.user,
			From:     a.from,
		}),
	}

	if !a.dryRun {
		if err := i.open(ctx); err != nil {
			return err
		}
		defer i.close()
	}

	if err := i.all(ctx); err != nil {
		return err
	}

	return i.report(ctx)
}

// uncompressed is the dump itself, where it came compressed.
func uncompressed(in io.Reader) (io.Reader, error) {
	head := bufio.NewReaderSize(in, 1<<16)

	magic, _ := head.Peek(2)
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) { // RFC 1952, 2.3.1
		return head, nil
	}

	return gzip.NewReader(head)
}

// importer is an import on its way.
type importer struct {
	terminal
	into     database
	reader   *dump.Reader
	rewriter *dump.Rewriter
	server   *sql.DB   // nil for a dry run
	session  *sql.Conn // the dump's own: it sets variables
	pace     pace
	ran      int
	started  time.Time
	told     time.Time
}

// session is what a dump expects that sets nothing: old rows have dates of zeros, and tables refer to later ones.
const sessionSettings = `SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0, unique_checks = 0`

func (i *importer) open(ctx context.Context) error {
	server, err := connect(ctx)
	if err != nil {
		return err
	}

	i.server = server
	i.pace = pace{server: server}

	i.session, err = server.Conn(ctx)
	if err != nil {
		return fmt.Errorf("reach the node's MariaDB: %w", err)
	}

	for _, statement := range []string{"USE `" + i.into.name + "`", sessionSettings} {
		if _, err := i.session.ExecContext(ctx, statement); err != nil {
			return err
		}
	}

	return nil
}

func (i *importer) close() {
	_ = i.session.Close()
	_ = i.server.Close()
}

// all runs the whole dump.
func (i *importer) all(ctx context.Context) error {
	for {
		statement, err := i.reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}

		if err == nil {
			err = i.run(ctx, statement)
		}

		if err != nil {
			return i.stopped(err)
		}

		i.tell()
	}
}

func (i *importer) run(ctx context.Context, statement dump.Statement) error {
	rewritten, err := i.rewriter.Rewrite(statement)
	if err != nil || rewritten == nil {
		return err
	}

	i.ran++

	if i.session == nil {
		return nil
	}

	if _, err := i.session.ExecContext(ctx, string(rewritten)); err != nil {
		return fmt.Errorf("line %d: %s: %w", statement.Line, beginning(rewritten), err)
	}

	return i.pace.after(ctx, len(rewritten))
}

// beginning is as much of a statement as one needs to find it.
func beginning(statement []byte) string {
	const enough = 60

	text := strings.Join(strings.Fields(string(statement[:min(len(statement), 4*enough)])), " ")
	if len(text) > enough {
		text = text[:enough] + "..."
	}

	return text
}

// stopped says what is there when an import ends before its end.
func (i *importer) stopped(err error) error {
	if i.session == nil || i.ran == 0 {
		return err
	}

	return fmt.Errorf(
		"%w\n%d statements before it are in the database %s; "+
			"run it again when this is mended: a dump makes its tables anew",
		err,
		i.ran,
		i.into.name,
	)
}

// tell says every five seconds how far it is.
func (i *importer) tell() {
	if time.Since(i.told) < 5*time.Second {
		return
	}

	if !i.told.IsZero() {
		fmt.Fprintf(i.err, "%.1f MB, line %d\n", megabytes(i.reader.Bytes()), i.reader.Line())
	}

	i.told = time.Now()
}

func megabytes(count int64) float64 { return float64(count) / 1e6 }

// report says what was done, and what was changed of it.
func (i *importer) report(ctx context.Context) error {
	done := "imported into"
	if i.session == nil {
		done = "nothing written; this would go into"
	}

	fmt.Fprintf(i.out, "%s %s: %d statements, %.1f MB in %.1f s\n",
		done, i.into.name, i.ran, megabytes(i.reader.Bytes()), time.Since(i.started).Seconds())

	for _, line := range i.rewriter.Changes() {
		fmt.Fprintln(i.out, "  "+line)
	}

	if i.session == nil {
		return nil
	}

	return reportKeys(ctx, i.server, i.out, i.into.name)
}
