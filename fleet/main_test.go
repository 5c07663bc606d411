package fleet_test

import (
	"flag"
	"os"
	"testing"
)

// sideBySide is how many tests of this package run at a time: they wait for clocks far more than they work.
const sideBySide = "8"

func TestMain(m *testing.M) {
	flag.Parse()

	if err := flag.Set("test.parallel", sideBySide); err != nil {
		panic(err)
	}

	os.Exit(m.Run())
}
