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
	return []peerset.Event{{ID: after + 1, Kind: peerset.EventJoined, Node: "db-1", Text: "here"}}, nil
}

func TestAnEventWaitsForAPeerSetThatAnswers(t *testing.T) {
	agent := bootstrap.New(bootstrap.Config{State: t.TempDir(), Heartbeat: time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	d := &diary{fail: 3, with: peerset.ErrUnavailable, took: make(chan struct{}, 10)}
	agent.Note(peerset.EventDonor, "first")
	agent.Note(peerset.EventDrift, "second")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); agent.Noted(ctx, d) }()
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
	agent := bootstrap.New(bootstrap.Config{State: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
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
	require.Equal(t, []status.Event{{ID: 7, Time: time.Time{}, Kind: "joined", Node: "db-1", Text: "here"}}, events)
	require.Equal(t, http.StatusServiceUnavailable, ask("/events?n=1").Code)
}
