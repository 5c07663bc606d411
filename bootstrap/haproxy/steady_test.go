package haproxy_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/haproxy"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// still is a process in which nothing changes but the health of one server.
type still struct {
	haproxy.Runtime
	looks, health atomic.Int64
}

func (s *still) State(context.Context) ([]haproxy.Server, error) {
	s.looks.Add(1)

	return []haproxy.Server{
		{
			Backend: "writer",
			Name:    "db-1",
			Address: "10.0.0.1",
			Weight:  1,
			Up:      true,
			Passed:  true,
		},
		{
			Backend: "readers",
			Name:    "db-1",
			Address: "10.0.0.1",
			Weight:  1,
			Up:      true,
			Passed:  true,
			Health:  int(s.health.Load()),
		},
	}, nil
}

func (s *still) Current(context.Context) ([]haproxy.Session, error) {
	return nil, nil
}

func (s *still) Left(context.Context) ([]haproxy.Session, error) {
	return nil, nil
}

func (s *still) End(context.Context, []haproxy.Session) error {
	return nil
}

func (s *still) Tell(context.Context, []string) (string, error) {
	return "", nil
}

func (s *still) Reload(context.Context) error { return nil }
func (s *still) Start(context.Context) error  { return nil }

func (s *still) Kill(context.Context) error { return nil }
func (s *still) Snapshot() peerset.Snapshot {
	return snapshot("db-1", 1, database("db-1", "10.0.0.1", 1))
}

func (s *still) Changed() <-chan struct{} { return nil }

func TestAProcessInWhichNothingChangesIsLookedAtSeldom(t *testing.T) {
	s := &still{}
	s.health.Store(3)

	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	require.NoError(t, os.WriteFile(
		file,
		[]byte("backend writer\n server db-1 10.0.0.1:3306\nbackend readers\n server db-1 10.0.0.1:3306\n"),
		0o600,
	))

	ended := make(chan struct{})
	driver := haproxy.New(haproxy.Config{
		Roles:   testRoles,
		File:    file,
		Loaded:  file + ".loaded",
		Peers:   s,
		Runtime: s,
		Unit:    s,
		Ended:   ended,
		Report:  func(haproxy.Status) {},
		Log:     slog.New(slog.NewTextHandler(t.Output(), nil)),
		Times: haproxy.Times{
			Tick:        2 * time.Millisecond,
			Steady:      100 * time.Millisecond,
			StableAfter: 50 * time.Millisecond,
			Linger:      time.Millisecond,
		},
	})

	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(done)

		_ = driver.Run(ctx)
	}()
	defer func() {
		cancel()
		<-done
	}()

	// In 60 ms there are about 30 looks at every Tick, and at most one at the steady pace.
	seldom := func() bool {
		before := s.looks.Load()
		time.Sleep(60 * time.Millisecond)
		return s.looks.Load()-before <= 1
	}

	often := func() bool { return !seldom() }
	require.Eventually(t, seldom, 5*time.Second, time.Millisecond)
	s.health.Add(-1) // a first check failed: the server may be down soon
	require.Eventually(t, often, 5*time.Second, time.Millisecond)
	require.Eventually(t, seldom, 5*time.Second, time.Millisecond)
	ended <- struct{}{}
	require.Eventually(t, often, 5*time.Second, time.Millisecond)
}

func TestTheEndOfTheMasterIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.sock")
	listener, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer listener.Close()

	ended := haproxy.Socket{Master: path}.Ended(t.Context())
	connection, err := listener.Accept()
	require.NoError(t, err)

	select {
	case <-ended:
		t.Fatal("told while the master lives")
	case <-time.After(50 * time.Millisecond):
	}

	connection.Close()

	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("nobody told")
	}
}
