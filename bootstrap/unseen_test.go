package bootstrap_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/immutable"
	"github.com/hornero/hornero/internal/status"
)

func TestWhatNobodyCouldLookAtTakesNoNodeOut(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EIO} {
		t.Run(errno.Error(), func(t *testing.T) {
			a := serving(t, immutable.Quarantine, &fakeImage{bootFinished: true})
			a.until(t, "a whole comparison", func(s status.Image) bool { return s.Checked == 9 })

			a.FailLooks(func(string, string) error { return errno })
			a.do(func() { a.blind = errno })

			a.until(t, "it is told", func(s status.Image) bool {
				return strings.Contains(s.Unseen, "etc/web.conf: "+errno.Error())
			})

			_, err := a.Drift(t.Context())
			require.NoError(t, err)

			now := a.Status().Image
			require.Zero(t, now.DriftFiles)
			require.True(t, now.ReadOnly, "it was, and nobody could look")
			require.Empty(t, now.Quarantine)
			require.True(t, isHealthy(a.Agent))

			a.FailLooks(nil)
			a.do(func() { a.blind = nil })
			a.until(t, "it can look again", func(s status.Image) bool { return s.Unseen == "" })
		})
	}
}

func TestDriftStandsWhileNobodyCanLook(t *testing.T) {
	changed := status.Finding{Path: "/usr/bin/php", What: "is changed"}

	a := serving(t, "", &fakeImage{bootFinished: true, drift: []status.Finding{changed}})
	a.until(t, "drift", func(s status.Image) bool { return s.DriftFiles == 1 })

	a.do(func() { a.drift, a.unseen = nil, "look at /usr/bin/php: too many open files" })
	all, err := a.Drift(t.Context())
	require.NoError(t, err)
	require.Equal(t, []status.Finding{changed}, all.Findings)
	require.Equal(t, "look at /usr/bin/php: too many open files", all.Unseen)

	a.do(func() { a.unseen = "" })
	all, err = a.Drift(t.Context())
	require.NoError(t, err)
	require.Empty(t, all.Findings)
	require.Empty(t, all.Unseen)
}
