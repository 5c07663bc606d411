package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/fleet/lock"
)

func TestALockIsPrinted(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.Local)
	since := now.Add(-2 * time.Minute)
	until := now.Add(50 * time.Second)

	line := fleet.LockLine{
		Version: fleet.LockVersion,
		Stack:   "shop",
		State:   lock.Taken,
		Nonce:   "3f9a1c2b",
		By:      "tom@laptop",
		Command: "replace stock-2",
		Step:    "stock-2: drains",
		Since:   &since,
		Until:   &until,
	}

	printed := func(line fleet.LockLine, asJSON bool) string {
		var out bytes.Buffer
		require.NoError(t, printLock(&out, line, asJSON, now))

		return out.String()
	}

	require.Equal(t, `stack shop is locked: held
command  hornero replace stock-2
step     stock-2: drains
by       tom@laptop
since    2026-11-30 11:58:00 (2m0s ago)
until    2026-11-30 12:00:50 (in 50s), unless it is renewed
nonce    3f9a1c2b
`, printed(line, false))

	var read fleet.LockLine
	require.NoError(t, json.Unmarshal([]byte(printed(line, true)), &read))
	require.Equal(t, line.Nonce, read.Nonce)
	require.True(t, line.Until.Equal(*read.Until))

	line.State = lock.Dead
	line.Leaving = true
	text := printed(line, false)
	require.Contains(t, text, "its process is dead, the next command here takes it over; the stack is being removed")

	unreadable := fleet.LockLine{
		Stack: "shop",
		State: lock.Unreadable,
		Nonce: "00c0ffee",
	}
	require.Contains(t, printed(unreadable, false), "nonce    00c0ffee\n")

	free := fleet.LockLine{
		Stack: "shop",
		State: lock.Free,
	}
	require.Equal(t, "stack shop is not locked\n", printed(free, false))
	require.Contains(t, printed(free, true), `"since": null`)
}

func TestALockedStackHasAnExitCodeOfItsOwn(t *testing.T) {
	for _, err := range []error{lock.ErrLocked, lock.ErrLost, lock.ErrOther} {
		require.Equal(t, exitLocked, codeOf(fmt.Errorf("replace db-2: %w", err)))
	}
}

func TestCommandsOfTheLockAreKnown(t *testing.T) {
	toolStack(t)

	for _, command := range []string{"up", "replace", "recover", "destroy"} {
		require.Contains(t, hornero(t, command, "--help").stdout, "--lock-wait duration", command)
	}

	require.Contains(t, hornero(t, "lock", "--help").stdout, "break")

	mistyped := hornero(t, "lock", "brake", "3f9a1c2b")
	require.Equal(t, 1, mistyped.code)
	require.Contains(t, mistyped.stderr, `unknown command "brake" for "hornero lock"`)

	// Whoever types starts no lab by it.
	completed := hornero(t, "__complete", "lock", "break", "")
	require.Zero(t, completed.code)
	require.Equal(t, ":4\n", completed.stdout, "no file, and no nonce")

	nothing := hornero(t, "lock", "break")
	require.Equal(t, 1, nothing.code)
	require.Contains(t, nothing.stderr, "usage: hornero lock break NONCE")
}
