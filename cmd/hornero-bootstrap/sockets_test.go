package main

import (
	"fmt"
	"os"
	"testing"
)

// TestMain gives dqlite's own sockets names of this process: founders of all tests on a computer have the same id, and their
// abstract sockets would have the same name.
func TestMain(m *testing.M) {
	if err := os.Setenv("SNAP_INSTANCE_NAME", fmt.Sprint("hornero-test-", os.Getpid())); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
