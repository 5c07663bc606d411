// Package guest runs programs inside of a system that has its own PID 1 on this computer's kernel.
package guest

import (
	"slices"
	"strconv"
)

// waitingShell is a shell that waits for the program it is given, so that it never becomes that program.
const waitingShell = `"$@"; exit $?`

// Enter is the arguments that run a program in all namespaces of a guest's PID 1, with that guest's files.
//
// nsenter itself does not wait for the program: it stops when the program is stopped, as systemd's shutdown does to
// everything in the guest, and nobody would ever continue it (nsenter(1), --no-fork). A shell waits, outside of
// the guest's PIDs.
func Enter(pid int, args ...string) []string {
	enter := []string{
		"nsenter",
		"--target",
		strconv.Itoa(pid),
		"--all",
		"--root",
		"--wd",
		"--no-fork",
		"--",
	}

	// "guest" is the shell's $0: the program and its arguments are "$@".
	shell := []string{"/bin/sh", "-c", waitingShell, "guest"}

	return slices.Concat(enter, shell, args)
}
