package main

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/fleet"
)

// openPTY is a terminal of so many columns and rows; nobody sits at it.
func openPTY(t *testing.T, columns, rows uint16) *os.File {
	t.Helper()

	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { master.Close() })

	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)

	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { terminal.Close() })

	resize(t, terminal, columns, rows)

	return terminal
}

func resize(t *testing.T, terminal *os.File, columns, rows uint16) {
	t.Helper()

	require.NoError(t, unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{
		Col: columns,
		Row: rows,
	}))
}

func TestACommandGetsTheTerminalAndGivesItBack(t *testing.T) {
	file := openPTY(t, 100, 30)
	t.Setenv("TERM", "xterm")

	before, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	require.NoError(t, err)

	terminal, done, err := openTerminal(file)
	require.NoError(t, err)
	defer done()

	require.Equal(t, "xterm", terminal.Type)
	require.Equal(t, fleet.TerminalSize{Columns: 100, Rows: 30}, terminal.Size())

	resize(t, file, 90, 20)
	require.Equal(t, fleet.TerminalSize{Columns: 90, Rows: 20}, terminal.Size())

	restore, err := terminal.Raw()
	require.NoError(t, err)

	raw, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	require.NoError(t, err)
	require.Zero(t, raw.Lflag&(unix.ISIG|unix.ECHO|unix.ICANON), "Ctrl-C is the command's")

	restore()

	after, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	require.NoError(t, err)
	require.Equal(t, before, after)

	_, _, err = openTerminal(&bytes.Buffer{})
	require.ErrorIs(t, err, errNoTerminal)
}

func TestABlockNeedsATerminal(t *testing.T) {
	terminal := openPTY(t, 80, 24)
	t.Setenv("TERM", "xterm")
	t.Setenv("CI", "")
	t.Setenv("NO_COLOR", "")

	require.NotNil(t, newBlock(terminal))
	require.Nil(t, newBlock(&bytes.Buffer{}))

	for variable, value := range map[string]string{"CI": "true", "NO_COLOR": "1", "TERM": "dumb"} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, value)
			require.Nil(t, newBlock(terminal))
		})
	}
}
