package bootstrap_test

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
)

// watchdog is systemd's end of the notification socket.
type watchdog struct {
	*testing.T
	conn *net.UnixConn
}

// newWatchdog makes this process one that systemd watches, with 30 ms between two notifications.
func newWatchdog(t *testing.T) watchdog {
	address := &net.UnixAddr{
		Name: filepath.Join(t.TempDir(), "notify"),
		Net:  "unixgram",
	}

	conn, err := net.ListenUnixgram("unixgram", address)
	require.NoError(t, err)
	t.Setenv("NOTIFY_SOCKET", address.Name)
	t.Setenv("WATCHDOG_USEC", "90000")

	return watchdog{T: t, conn: conn}
}

// heard waits for a notification.
func (w watchdog) heard() bool {
	require.NoError(w, w.conn.SetReadDeadline(time.Now().Add(300*time.Millisecond)))

	text := make([]byte, 64)
	n, err := w.conn.Read(text)
	if err != nil {
		require.ErrorIs(w, err, os.ErrDeadlineExceeded)
		return false
	}

	require.Equal(w, "WATCHDOG=1", string(text[:n]))

	return true
}

// silence waits until no more notifications come.
func (w watchdog) silence() bool {
	for range 20 {
		if !w.heard() {
			return true
		}
	}

	return false
}

func TestAnAgentThatHangsSendsSystemdNothing(t *testing.T) {
	dog := newWatchdog(t)
	agent := bootstrap.New(bootstrap.Config{Log: slog.New(slog.DiscardHandler)})
	stop := background(t, agent.NotifyWatchdog)

	// A notification that nobody reads waits for nobody once the socket is closed.
	defer func() {
		dog.conn.Close()
		stop()
	}()

	heardSoon := func(what string) {
		t.Helper()
		require.Eventually(t, dog.heard, 2*time.Second, time.Millisecond, what)
	}

	require.True(t, dog.heard(), "before its first heartbeat")

	for range 2 {
		agent.Beat(time.Now())
		heardSoon("heartbeats go on")
		agent.Beat(time.Now().Add(-2 * time.Minute))
		require.True(t, dog.silence(), "no heartbeat ended for two minutes")
	}

	agent.Beat(time.Now())
	heardSoon("heartbeats go on again")

	// The agent's mutex is held from here on.
	release := agent.Stuck()
	silent := dog.silence()
	release()
	require.True(t, silent, "its own lock is held")
	heardSoon("the lock is free")
}
