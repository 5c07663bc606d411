package bootstrap_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
)

func TestAnAgentThatHangsIsSilentToSystemd(t *testing.T) {
	address := &net.UnixAddr{
		Name: filepath.Join(t.TempDir(), "notify"),
		Net:  "unixgram",
	}

	systemd, err := net.ListenUnixgram("unixgram", address)
	require.NoError(t, err)
	t.Setenv("NOTIFY_SOCKET", address.Name)
	t.Setenv("WATCHDOG_USEC", "90000") // 30 ms between two words

	heard := func() bool {
		require.NoError(t, systemd.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
		text := make([]byte, 64)
		n, err := systemd.Read(text)
		if err != nil {
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			return false
		}

		require.Equal(t, "WATCHDOG=1", string(text[:n]))

		return true
	}

	agent := bootstrap.New(bootstrap.Config{Log: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)

		agent.KeepWatched(ctx)
	}()
	// a word that nobody reads any more waits for nobody
	defer func() {
		stop()
		systemd.Close()
		<-ended
	}()

	require.True(t, heard(), "before its first heartbeat")

	silent := func() bool {
		for range 20 {
			if !heard() {
				return true
			}
		}

		return false
	}

	for range 2 {
		agent.Beat(time.Now())
		require.Eventually(t, heard, 2*time.Second, time.Millisecond, "heartbeats go on")
		agent.Beat(time.Now().Add(-2 * time.Minute))
		require.True(t, silent(), "no heartbeat ended for two minutes")
	}

	agent.Beat(time.Now())
	require.Eventually(t, heard, 2*time.Second, time.Millisecond)

	release := agent.Stuck()
	mute := silent()
	release()
	require.True(t, mute, "its own lock is held")
	require.Eventually(t, heard, 2*time.Second, time.Millisecond)
}
