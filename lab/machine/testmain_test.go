package machine_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/hornero/hornero/lab/machine"
)

// TestMain lets the test's own binary be the launcher of Droplets.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "launch-droplet" {
		fmt.Fprintln(os.Stderr, machine.Launch(os.Args[2]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}
