// Command hornero-db is the database role's own tools, on its nodes: what `hornero db`, `hornero db import`,
// `hornero db dump` and `hornero db check` run. It talks to the node's MariaDB through its socket, as root.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
)

// Exit codes beside 0: as of mariadb(1) for what it runs, and these.
const (
	codeFailed = 1
	codeUsage  = 2
)

// tool is one of the commands.
type tool struct {
	name string
	help string
	run  func(ctx context.Context, t terminal, args []string) error
}

// terminal is where a tool reads and writes.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

func tools() []tool {
	return []tool{
		{"import", "read a dump from stdin into the site's database", importDump},
		{"dump", "write a dump of a database to stdout", writeDump},
		{"check", "list tables that the cluster does not replicate, and those without a key", checkTables},
		{"sql", "run SQL as root, from -e or stdin", runSQL},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()

	t := terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	os.Exit(run(ctx, t, os.Args[1:]))
}

func run(ctx context.Context, t terminal, args []string) int {
	if len(args) == 0 {
		usage(t)
		return codeUsage
	}

	for _, tool := range tools() {
		if tool.name != args[0] {
			continue
		}

		err := tool.run(ctx, t, args[1:])

		return code(t, tool.name, err)
	}

	usage(t)

	return codeUsage
}

// code is the exit code of an error, which is printed unless a program that was run has said it.
func code(t terminal, name string, err error) int {
	var exited *exec.ExitError

	switch {
	case err == nil, errors.Is(err, pflag.ErrHelp):
		return 0
	case errors.As(err, &exited) && exited.ExitCode() > 0:
		return exited.ExitCode()
	}

	fmt.Fprintf(t.err, "%s: %v\n", name, err)

	return codeFailed
}

func usage(t terminal) {
	fmt.Fprintln(t.err, "usage: hornero-db COMMAND")

	for _, tool := range tools() {
		fmt.Fprintf(t.err, "  %-8s %s\n", tool.name, tool.help)
	}
}
