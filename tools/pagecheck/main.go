// Command pagecheck holds the form of the project's Go: how much a function does, how long a file is, how wide a line
// is, and whether the page breathes. It reads files as text and knows nothing of what they are for.
//
// It prints a line for each package and a line for each fault, and exits 1 when there is a fault. The limits and
// their reasons stand in limits.go, the files that may be longer in long-files.txt.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

// errFaults says that the tree was read and has faults; they are on the screen already.
var errFaults = errors.New("the page has faults")

func main() {
	quiet := flag.Bool("quiet", false, "print faults only, not the line for each package")
	root := flag.String("root", ".", "the checkout to read")
	flag.Parse()

	err := run(*root, *quiet)

	if err != nil && !errors.Is(err, errFaults) {
		fmt.Fprintln(os.Stderr, "pagecheck:", err)
	}

	if err != nil {
		os.Exit(1)
	}
}

// run measures the tree below root and prints what it found.
func run(root string, quiet bool) error {
	paths, err := sources(root)
	if err != nil {
		return err
	}

	allowed, err := readLongFiles(root)
	if err != nil {
		return err
	}

	rooms := map[string]*room{}

	var faults []fault

	for _, path := range paths {
		page, err := readPage(root, path)
		if err != nil {
			return err
		}

		faults = append(faults, page.faults(allowed)...)
		roomOf(rooms, path).add(page)
	}

	faults = append(faults, allowed.unused()...)

	for _, r := range sorted(rooms) {
		faults = append(faults, r.faults()...)
	}

	if !quiet {
		printRooms(os.Stdout, sorted(rooms))
	}

	return printFaults(os.Stderr, faults)
}
