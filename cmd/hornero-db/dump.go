package main

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/spf13/pflag"
)

// writeDump writes a dump of a database that `hornero db import` takes, of one moment and without a lock.
func writeDump(ctx context.Context, t terminal, args []string) error {
	var named string

	flags := pflag.NewFlagSet("dump", pflag.ContinueOnError)
	flags.SetOutput(t.err)
	flags.StringVar(&named, "database", "", "the database to dump (default: the only one of the stack)")

	if err := flags.Parse(args); err != nil {
		return err
	}

	if flags.NArg() > 0 {
		return fmt.Errorf("%q: name the database by --database", flags.Arg(0))
	}

	from, err := choose(named)
	if err != nil {
		return err
	}

	command := exec.CommandContext(
		ctx,
		"mysqldump", // the name that every release has
		"--single-transaction",
		"--quick",
		"--routines",
		"--events",
		"--hex-blob",
		"--default-character-set=utf8mb4",
		"--socket="+socketPath(),
		from.name,
	)
	command.Stdout = t.out
	command.Stderr = t.err

	return command.Run()
}
