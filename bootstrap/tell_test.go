package bootstrap_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
)

func TestAMemberThatVanishedHoldsUpNoWordToOthers(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	heard := make(chan string, 16)
	tell, dismiss := bootstrap.Couriers(func(ctx context.Context, member string) {
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
			t.Fatalf("%s hears nothing", want)
		}
	}

	for range 5 {
		tell(ctx, []string{"vanished", "here"})
		next("here")
	}

	tell(ctx, []string{"new"})
	next("new")
	stop()
	dismiss()
	require.Empty(t, heard, "who is a member no more hears nothing")
}
