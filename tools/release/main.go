// Command release makes what goreleaser does not: man pages and completions, and the bill of materials. It is run by
// scripts/release.sh and by goreleaser (.goreleaser.yaml). The time of what it makes is SOURCE_DATE_EPOCH.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hornero/hornero/tools/release/bom"
	"github.com/hornero/hornero/tools/release/manual"
)

const usage = "usage: release manual -version V -output FOLDER PROGRAM\n" +
	"       release bom -version V -output FILE [-libraries FILE] PROGRAM..."

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// part is a part of a release to make.
type part struct {
	output    string // file or folder
	version   string
	libraries string // file
	date      time.Time
	programs  []string
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) == 0 {
		return fmt.Errorf("name what to make\n%s", usage)
	}

	flags := flag.NewFlagSet(arguments[0], flag.ContinueOnError)
	version := flags.String("version", "", "the release's number")
	output := flags.String("output", "", "the file or folder to write")
	libraries := flags.String("libraries", "", "a file with the C libraries: a name and a version in each line")

	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}

	date, err := sourceDate()
	if err != nil {
		return err
	}

	made := part{
		output:    *output,
		version:   *version,
		libraries: *libraries,
		date:      date,
		programs:  flags.Args(),
	}

	switch arguments[0] {
	case "manual":
		return made.writeManual(ctx)
	case "bom":
		return made.writeBill()
	}

	return fmt.Errorf("no part of a release is called %s\n%s", arguments[0], usage)
}

// sourceDate is the time of the commit, so that two builds of one commit are the same.
func sourceDate() (time.Time, error) {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("read SOURCE_DATE_EPOCH, the time of the commit in seconds: %w", err)
	}

	return time.Unix(seconds, 0), nil
}

func (p part) writeManual(ctx context.Context) error {
	// Not where it runs: a stack.yaml there would add the verbs of a stack's own roles.
	empty, err := os.MkdirTemp("", "hornero-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(empty)

	for _, path := range p.programs {
		path, err := filepath.Abs(path)
		if err != nil {
			return err
		}

		program := manual.Program{
			Path:    path,
			Dir:     empty,
			Date:    p.date,
			Version: p.version,
		}
		if err := program.Write(ctx, p.output); err != nil {
			return err
		}
	}

	return nil
}

func (p part) writeBill() error {
	release := bom.Release{
		Name:     "hornero",
		Version:  p.version,
		Date:     p.date,
		Programs: p.programs,
	}

	if p.libraries != "" {
		file, err := os.Open(p.libraries)
		if err != nil {
			return err
		}
		defer file.Close()

		if release.Libraries, err = readLibraries(file); err != nil {
			return fmt.Errorf("read %s: %w", p.libraries, err)
		}
	}

	document, err := release.Document()
	if err != nil {
		return err
	}

	return os.WriteFile(p.output, document, 0o644)
}

func readLibraries(from io.Reader) ([]bom.Library, error) {
	var libraries []bom.Library

	lines := bufio.NewScanner(from)
	for lines.Scan() {
		name, version, found := strings.Cut(lines.Text(), " ")
		if !found || version == "" {
			return nil, fmt.Errorf("%q is no name and version", lines.Text())
		}

		libraries = append(libraries, bom.Library{
			Name:    name,
			Version: version,
		})
	}

	return libraries, lines.Err()
}
