package acme_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/acme"
	"github.com/hornero/hornero/internal/certificates"
	lab "github.com/hornero/hornero/lab/acme"
)

// manager is that of another node each time: it knows what is kept, and no more.
func (w *world) manager(store acme.Store, now time.Time, names ...string) *acme.Manager {
	config := acme.Config{
		Secret:   secret.Reveal(),
		Bindings: map[string]string{},
	}
	config.Request = certificates.Request{
		Directory:    w.job.Directory,
		Authority:    w.job.Authority,
		Email:        w.job.Email,
		Certificates: []acme.Wanted{{Name: "www", Names: names}},
	}

	if w.second != nil {
		config.Request.Fallback = &certificates.Fallback{
			Directory: w.second.job.Directory,
			Authority: w.second.job.Authority,
		}
		config.Request.Fallback.Account, config.Bindings[certificates.BindingFallback] = w.second.binding()
	}

	config.Request.Account, config.Bindings[certificates.BindingFirst] = w.binding()

	return &acme.Manager{
		Config: config,
		Store:  store,
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
		Reach:  func(context.Context, acme.Wanted) error { return nil },
		Now:    func() time.Time { return now },
	}
}

func TestOneRunGetsACertificateAndTheNextDoesNothing(t *testing.T) {
	w := newWorld(t)
	store := newMemory()
	now := time.Now()

	require.NoError(
		t,
		w.manager(store, now, "www.example.org").Run(t.Context()),
	)

	told := store.told(t, "www")
	require.Empty(t, told.Trouble)
	require.WithinDuration(
		t,
		now.Add(90*24*time.Hour),
		told.Ends,
		patience,
	)
	require.True(
		t,
		told.Renews.After(now) && told.Renews.Before(told.Ends),
	)

	for _, text := range store.kept {
		require.NotContains(t, text, "PRIVATE KEY")
		require.LessOrEqual(
			t,
			len(text),
			4<<10,
			"a setting of the peer set has 4 KiB",
		)
	}

	before := maps.Clone(store.kept)
	require.NoError(
		t,
		w.manager(store, now.Add(time.Hour), "www.example.org").Run(t.Context()),
	)
	require.Equal(
		t,
		before[certificates.KeptPrefix+"www"],
		store.kept[certificates.KeptPrefix+"www"],
	)
	require.Equal(
		t,
		1,
		w.authority.Orders(),
	)
}

func TestACertificateIsRenewedWhenTheAuthorityWantsIt(t *testing.T) {
	w := newWorld(t)
	store := newMemory()
	now := time.Now()

	require.NoError(
		t,
		w.manager(store, now, "www.example.org").Run(t.Context()),
	)
	first := store.told(t, "www")

	require.NoError(
		t,
		w.manager(store, first.Renews.Add(-time.Minute), "www.example.org").Run(t.Context()),
	)
	require.Equal(
		t,
		first.Serial,
		store.told(t, "www").Serial,
	)

	require.NoError(
		t,
		w.manager(store, first.Renews.Add(time.Minute), "www.example.org").Run(t.Context()),
	)
	require.NotEqual(
		t,
		first.Serial,
		store.told(t, "www").Serial,
	)
	require.Greater(
		t,
		w.authority.Orders(),
		1,
	)
}

func TestANameMoreIsAnotherCertificate(t *testing.T) {
	w := newWorld(t)
	store := newMemory()
	now := time.Now()

	require.NoError(
		t,
		w.manager(store, now, "www.example.org").Run(t.Context()),
	)
	first := store.told(t, "www")

	require.NoError(
		t,
		w.manager(store, now, "www.example.org", "example.org").Run(t.Context()),
	)
	require.NotEqual(
		t,
		first.Serial,
		store.told(t, "www").Serial,
	)
}

// The node that has the work dies at each of its writes, before and after it: the next one ends what it began.
func TestWhoeverTakesTheWorkOverPaysForNothingTwice(t *testing.T) {
	for _, late := range []bool{false, true} {
		for dies := 1; ; dies++ {
			w := newWorld(t)
			store := newMemory()
			store.dies, store.late = dies, late

			err := w.manager(store, time.Now(), "www.example.org").Run(t.Context())
			if err == nil {
				require.Greater(
					t,
					dies,
					3,
					"an order, a certificate and an end are written",
				)
				break
			}

			require.ErrorIs(t, err, errDead)

			store.dies = 0
			require.NoError(
				t,
				w.manager(store, time.Now(), "www.example.org").Run(t.Context()),
			)

			require.NotEmpty(
				t,
				store.told(t, "www").Serial,
			)
			require.Equal(
				t,
				1,
				w.authority.Issued(),
				"died at write %d, done %v",
				dies,
				late,
			)
		}
	}
}

func TestANameThatDoesNotLeadHereIsNotOrdered(t *testing.T) {
	w := newWorld(t)
	store := newMemory()
	now := time.Now()

	m := w.manager(
		store,
		now,
		"www.example.org",
	)
	m.Reach = func(context.Context, acme.Wanted) error { return errors.New("waits for DNS: no address yet") }
	require.NoError(
		t,
		m.Run(t.Context()),
	)

	told := store.told(t, "www")
	require.Contains(
		t,
		told.Trouble,
		"waits for DNS",
	)
	require.Contains(
		t,
		told.Alarm,
		"no certificate yet",
	)
	require.Zero(
		t,
		w.authority.Orders(),
	)

	// As soon as it does.
	require.NoError(
		t,
		w.manager(store, told.Next, "www.example.org").Run(t.Context()),
	)
	require.NotEmpty(
		t,
		store.told(t, "www").Serial,
	)
	require.Empty(
		t,
		store.told(t, "www").Trouble,
	)
}

func TestFailuresAreFurtherAndFurtherApart(t *testing.T) {
	w := newWorld(t)
	w.answers(".another")

	store := newMemory()
	now := time.Now()
	begun := now

	for try := 1; now.Sub(begun) < time.Hour; try++ {
		require.NoError(
			t,
			w.manager(store, now, "www.example.org").Run(t.Context()),
		)
		require.Equal(
			t,
			try,
			w.authority.Orders(),
		)
		require.LessOrEqual(
			t,
			try,
			5,
			"an authority takes five failures in an hour",
		)

		next := store.told(t, "www").Next
		require.True(
			t,
			next.After(now),
		)

		// Not a moment earlier.
		require.NoError(
			t,
			w.manager(store, next.Add(-time.Second), "www.example.org").Run(t.Context()),
		)
		require.Equal(
			t,
			try,
			w.authority.Orders(),
		)

		now = next
	}
}

func TestALimitIsWaitedOut(t *testing.T) {
	w := newWorld(t)
	w.authority.Break(&lab.Fault{
		Status:     http.StatusTooManyRequests,
		Kind:       "rateLimited",
		RetryAfter: 34 * time.Hour,
		OrdersOnly: true,
	})

	store := newMemory()
	now := time.Now()

	require.NoError(
		t,
		w.manager(store, now, "www.example.org").Run(t.Context()),
	)
	require.WithinDuration(
		t,
		now.Add(34*time.Hour),
		store.told(t, "www").Next,
		patience,
	)

	w.authority.Break(nil)
	require.NoError(
		t,
		w.manager(store, now.Add(33*time.Hour), "www.example.org").Run(t.Context()),
	)
	require.Zero(
		t,
		w.authority.Orders(),
	)

	require.NoError(
		t,
		w.manager(store, now.Add(35*time.Hour), "www.example.org").Run(t.Context()),
	)
	require.NotEmpty(
		t,
		store.told(t, "www").Serial,
	)
}

// The authority is down from before the renewal until shortly before the end.
func TestAnAuthorityThatIsDownForWeeksIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	store := newMemory()

	require.NoError(
		t,
		w.manager(store, time.Now(), "www.example.org").Run(t.Context()),
	)
	first := store.told(t, "www")

	w.authority.Break(&lab.Fault{Status: http.StatusServiceUnavailable, Kind: "serverInternal"})

	for share, alarm := range map[int]string{5: "should have been renewed", 9: "ends soon"} {
		at := first.Ends.Add(-90 * 24 * time.Hour / time.Duration(share))
		require.NoError(
			t,
			w.manager(store, at, "www.example.org").Run(t.Context()),
		)

		told := store.told(t, "www")
		require.Equal(
			t,
			first.Serial,
			told.Serial,
		)
		require.Contains(
			t,
			told.Alarm,
			alarm,
		)
		require.Contains(
			t,
			told.Trouble,
			acme.KindUnreachable,
		)
	}

	w.authority.Break(nil)
	require.NoError(
		t,
		w.manager(store, first.Ends.Add(-24*time.Hour), "www.example.org").Run(t.Context()),
	)
	require.NotEqual(
		t,
		first.Serial,
		store.told(t, "www").Serial,
	)
	require.Empty(
		t,
		store.told(t, "www").Trouble,
	)
}

// Whatever goes wrong here, an authority is asked for the same names three times in a week at most.
func TestNoMoreThanThreeForTheSameNamesInAWeek(t *testing.T) {
	w := newWorld(t)
	store := newMemory()
	now := time.Now()

	for range 5 {
		require.NoError(
			t,
			w.manager(store, now, "www.example.org").Run(t.Context()),
		)

		// What was kept is lost; how often it was paid for is not.
		delete(
			store.kept,
			certificates.KeptPrefix+"www",
		)
	}

	require.Equal(
		t,
		3,
		w.authority.Issued(),
	)

	require.NoError(
		t,
		w.manager(store, now.Add(8*24*time.Hour), "www.example.org").Run(t.Context()),
	)
	require.Equal(
		t,
		4,
		w.authority.Issued(),
	)
}
