// Command packages prints the Debian 13 packages of roles, one a line: what a test has in its root that runs their
// daemons.
package main

import (
	"fmt"
	"os"

	"github.com/hornero/hornero/roles"
)

func main() {
	if err := list(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "packages:", err)
		os.Exit(1)
	}
}

func list(names []string) error {
	for _, name := range names {
		manifest, err := roles.Load(roles.Embedded(), name)
		if err != nil {
			return err
		}

		for _, name := range manifest.PackagesFor("debian-13") {
			fmt.Println(name)
		}
	}

	return nil
}
