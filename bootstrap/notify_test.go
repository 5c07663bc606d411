package bootstrap_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
)

func TestAMemberThatVanishedDelaysNoNotificationOfOthers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan string, 16)

	notify, stop := bootstrap.Notifier(func(ctx context.Context, member string) {
		if member == "vanished" {
			<-ctx.Done()
			return
		}

		heard <- member
	})

	next := func(want string) {
		t.Helper()

		select {
		case member := <-heard:
			require.Equal(t, want, member)
		case <-time.After(10 * time.Second):
			t.Fatalf("%s is not notified", want)
		}
	}

	for range 5 {
		notify(ctx, []string{"vanished", "here"})
		next("here")
	}

	notify(ctx, []string{"new"})
	next("new")

	cancel()
	stop()
	require.Empty(t, heard, "a member that left is not notified")
}
