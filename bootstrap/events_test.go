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

// eventRecorder takes notes after it has failed as often as told.
type eventRecorder struct {
	mu    sync.Mutex
	fail  int
	with  error
	notes []peerset.Note
	took  chan struct{}
}

func (r *eventRecorder) Note(_ context.Context, note peerset.Note) error {
	r.mu.Lock()
	defer r.mu.Unlock()

	if r.fail > 0 {
		r.fail--
		return r.with
	}

	r.notes = append(r.notes, note)
	r.took <- struct{}{}

	return nil
}

func (r *eventRecorder) Events(_ context.Context, after int64, limit int) ([]peerset.Event, error) {
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

	recorder := &eventRecorder{
		fail: 3,
		with: peerset.ErrUnavailable,
		took: make(chan struct{}, 10),
	}

	agent.Note(peerset.EventDonor, "first")
	agent.Note(peerset.EventDrift, "second")

	stop := background(t, func(ctx context.Context) { agent.SendEvents(ctx, recorder) })

	<-recorder.took
	<-recorder.took

	recorder.mu.Lock()
	require.Equal(t, "first", recorder.notes[0].Text)
	require.Equal(t, "second", recorder.notes[1].Text)
	require.WithinDuration(t, time.Now(), recorder.notes[0].Time, time.Minute)

	recorder.fail, recorder.with = 1, errors.Join(peerset.ErrForbidden)
	recorder.mu.Unlock()

	agent.Note("never", "refused for good")
	agent.Note(peerset.EventDrift, "third")
	<-recorder.took
	stop()
	require.Equal(t, "third", recorder.notes[2].Text)
}

// askLocally asks an agent on its local socket.
func askLocally(agent *bootstrap.Agent, method, path string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	agent.LocalHandler().ServeHTTP(answer, httptest.NewRequest(method, path, nil))

	return answer
}

func TestTheLocalSocketAnswersWithEvents(t *testing.T) {
	agent := bootstrap.New(bootstrap.Config{
		State: t.TempDir(),
		Log:   slog.New(slog.DiscardHandler),
	})

	answer := askLocally(agent, http.MethodGet, "/events")
	require.Equal(t, http.StatusServiceUnavailable, answer.Code, "it has not joined yet")

	agent.UseEvents(&eventRecorder{})

	answer = askLocally(agent, http.MethodGet, "/events?after=6&n=5")
	var events []status.Event
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &events))

	want := status.Event{
		ID:   7,
		Kind: "joined",
		Node: "db-1",
		Text: "here",
	}
	require.Equal(t, []status.Event{want}, events)

	answer = askLocally(agent, http.MethodGet, "/events?n=1")
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
}

// eventSet is a peer set that has an event for each generation and may lose its quorum.
type eventSet struct {
	*fakeSet
	asked chan int64
}

func (s *eventSet) Note(context.Context, peerset.Note) error {
	return nil
}

func (s *eventSet) Events(_ context.Context, after int64, _ int) ([]peerset.Event, error) {
	newest := int64(s.Snapshot().Generation)
	s.asked <- after

	var events []peerset.Event
	for id := after + 1; id <= newest; id++ {
		events = append(events, peerset.Event{
			ID:   id,
			Kind: peerset.EventJoined,
			Node: "db-1",
		})
	}

	return events, nil
}

// remembering runs a member's agent, with its state in this folder, until stopped.
func remembering(t *testing.T, folder string, set *eventSet) (agent *bootstrap.Agent, stop func()) {
	agent = bootstrap.New(bootstrap.Config{
		State:     folder,
		Heartbeat: time.Millisecond,
		Log:       slog.New(slog.DiscardHandler),
	})
	agent.Served(set, "db-1")

	return agent, background(t, func(ctx context.Context) { agent.RememberEvents(ctx, set) })
}

// eventIDs are the ids of the events that an agent answers with, and whether it only remembers them.
func eventIDs(agent *bootstrap.Agent, query string) (ids []int64, remembered bool) {
	answer := askLocally(agent, http.MethodGet, "/events"+query)

	var events []status.Event
	if json.Unmarshal(answer.Body.Bytes(), &events) != nil {
		return nil, false
	}

	for _, event := range events {
		ids = append(ids, event.ID)
	}

	return ids, answer.Header().Get(bootstrap.HeaderRemembered) != ""
}

func TestWithoutAQuorumEventsAreRemembered(t *testing.T) {
	folder := t.TempDir()
	set := &eventSet{
		fakeSet: newFakeSet(peerset.Snapshot{
			Founded:    "x",
			Quorum:     true,
			Generation: 2,
		}),
		asked: make(chan int64, 10),
	}

	agent, stop := remembering(t, folder, set)
	remembersFour := func() bool {
		ids, remembered := eventIDs(agent, "")
		return remembered && len(ids) == 4
	}

	require.Equal(t, int64(0), <-set.asked)
	set.change(func(s *peerset.Snapshot) { s.Generation = 4 })
	require.Equal(t, int64(2), <-set.asked, "only what is new is read")

	set.change(func(s *peerset.Snapshot) { s.Quorum = false })
	eventually(t, remembersFour)

	ids, _ := eventIDs(agent, "?after=1&n=2")
	require.Equal(t, []int64{3, 4}, ids)
	stop()

	agent, stop = remembering(t, folder, set)
	defer stop()

	eventually(t, remembersFour, "also after a reboot")

	set.change(func(s *peerset.Snapshot) {
		s.Quorum = true
		s.Generation = 3
		s.Settings = map[string]string{peerset.SettingEra: "1"}
	})
	require.Equal(t, int64(0), <-set.asked, "ids begin anew with an era")
}
