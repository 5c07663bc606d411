package bootstrap_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/status"
)

// diary takes notes after it has failed as often as told.
type diary struct {
	mu    sync.Mutex
	fail  int
	with  error
	notes []peerset.Note
	took  chan struct{}
}

func (d *diary) Note(_ context.Context, note peerset.Note) error {
	d.mu.Lock()
	defer d.mu.Unlock()

	if d.fail > 0 {
		d.fail--
		return d.with
	}

	d.notes = append(d.notes, note)
	d.took <- struct{}{}

	return nil
}

func (d *diary) Events(_ context.Context, after int64, limit int) ([]peerset.Event, error) {
	if limit == 1 {
		return nil, peerset.ErrUnavailable
	}

	return []peerset.Event{{
		ID:   after + 1,
		Kind: peerset.EventJoined,
		Node: "db-1",
		Text: "here",
	}}, nil
}

func TestAnEventWaitsForAPeerSetThatAnswers(t *testing.T) {
	agent := bootstrap.New(bootstrap.Config{
		State:     t.TempDir(),
		Heartbeat: time.Millisecond,
		Log:       slog.New(slog.DiscardHandler),
	})

	d := &diary{
		fail: 3,
		with: peerset.ErrUnavailable,
		took: make(chan struct{}, 10),
	}

	agent.Note(peerset.EventDonor, "first")
	agent.Note(peerset.EventDrift, "second")

	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)

		agent.Noted(ctx, d)
	}()

	<-d.took
	<-d.took
	d.mu.Lock()
	require.Equal(t, "first", d.notes[0].Text)
	require.Equal(t, "second", d.notes[1].Text)
	require.WithinDuration(t, time.Now(), d.notes[0].Time, time.Minute)

	d.fail, d.with = 1, errors.Join(peerset.ErrForbidden)
	d.mu.Unlock()
	agent.Note("never", "refused for good")
	agent.Note(peerset.EventDrift, "third")
	<-d.took
	stop()
	<-done
	require.Equal(t, "third", d.notes[2].Text)
}

func TestTheLocalSocketTellsEvents(t *testing.T) {
	agent := bootstrap.New(bootstrap.Config{
		State: t.TempDir(),
		Log:   slog.New(slog.DiscardHandler),
	})

	ask := func(path string) *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		agent.LocalHandler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		return answer
	}
	require.Equal(t, http.StatusServiceUnavailable, ask("/events").Code, "it has not joined yet")

	ctx, stop := context.WithCancel(t.Context())
	stop()
	agent.Noted(ctx, &diary{})
	var events []status.Event
	require.NoError(t, json.Unmarshal(ask("/events?after=6&n=5").Body.Bytes(), &events))

	require.Equal(t,
		[]status.Event{{
			ID:   7,
			Time: time.Time{},
			Kind: "joined",
			Node: "db-1",
			Text: "here",
		}},
		events,
	)

	require.Equal(t, http.StatusServiceUnavailable, ask("/events?n=1").Code)
}

// gapped is a peer set that has events and may lose its quorum.
type gapped struct {
	*others
	asked chan int64
}

func (g *gapped) Note(context.Context, peerset.Note) error {
	return nil
}

func (g *gapped) Events(_ context.Context, after int64, _ int) ([]peerset.Event, error) {
	s := g.Snapshot()
	g.asked <- after
	var events []peerset.Event

	for id := after + 1; id <= int64(s.Generation); id++ {
		events = append(events, peerset.Event{
			ID:   id,
			Kind: peerset.EventJoined,
			Node: "db-1",
		})
	}

	return events, nil
}

func TestWithoutAQuorumEventsAreRemembered(t *testing.T) {
	folder := t.TempDir()

	set := &gapped{
		&others{
			changed: make(chan struct{}),
			snapshot: peerset.Snapshot{
				Founded:    "x",
				Quorum:     true,
				Generation: 2,
			},
		},
		make(chan int64, 10),
	}

	member := func() (*bootstrap.Agent, func()) {
		agent := bootstrap.New(bootstrap.Config{
			State:     folder,
			Heartbeat: time.Millisecond,
			Log:       slog.New(slog.DiscardHandler),
		})
		agent.Served(set, "db-1")

		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)

			agent.KeepRecent(ctx, set)
		}()

		return agent, func() {
			stop()
			<-done
		}
	}

	told := func(agent *bootstrap.Agent, query string) ([]int64, bool) {
		answer := httptest.NewRecorder()
		agent.LocalHandler().ServeHTTP(answer, httptest.NewRequest(
			http.MethodGet,
			"/events"+query,
			nil,
		))

		var events []status.Event
		if json.Unmarshal(answer.Body.Bytes(), &events) != nil {
			return nil, false
		}

		var ids []int64

		for _, event := range events {
			ids = append(ids, event.ID)
		}

		return ids, answer.Header().Get(bootstrap.HeaderRemembered) != ""
	}

	agent, stop := member()
	require.Equal(t, int64(0), <-set.asked)
	set.change(func(s *peerset.Snapshot) { s.Generation = 4 })
	require.Equal(t, int64(2), <-set.asked, "only what is new is read")
	set.change(func(s *peerset.Snapshot) { s.Quorum = false })

	require.Eventually(t,
		func() bool {
			ids, remembered := told(agent, "")
			return remembered && len(ids) == 4
		},
		5*time.Second,
		time.Millisecond,
	)

	ids, _ := told(agent, "?after=1&n=2")
	require.Equal(t, []int64{3, 4}, ids)
	stop()

	agent, stop = member()
	defer stop()

	require.Eventually(t,
		func() bool {
			ids, remembered := told(agent, "")
			return remembered && len(ids) == 4
		},
		5*time.Second,
		time.Millisecond,
		"also after a reboot",
	)

	set.change(func(s *peerset.Snapshot) {
		s.Quorum = true
		s.Generation = 3
		s.Settings = map[string]string{peerset.SettingEra: "1"}
	})

	require.Equal(t, int64(0), <-set.asked, "ids begin anew with an era")
}
