package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

func TestAWatchTellsChanges(t *testing.T) {
	var out bytes.Buffer
	w := newWatch(&out, false)
	now := time.Date(2026, 3, 2, 21, 30, 0, 0, time.UTC)

	report := fleet.Report{
		Writer:  "db-1",
		PeerSet: fleet.PeerSetLine{Quorum: true},
		Nodes: []fleet.NodeLine{
			{Name: "db-1", State: "synced", Healthy: true},
			{Name: "web-1", State: "serving", Healthy: true},
		},
	}

	require.NoError(t, w.show(report, nil, now))
	require.NoError(t, w.show(report, nil, now.Add(time.Minute)), "nothing changed")
	require.NoError(t, w.show(fleet.Report{}, errors.New("list droplets: 503"), now.Add(2*time.Minute)))

	report.Nodes[1] = fleet.NodeLine{Name: "web-1", State: "unreachable", Reason: "no route"}
	require.NoError(t, w.show(report, nil, now.Add(3*time.Minute)))

	require.Equal(t, `2026-03-02 21:30:00  the cloud answers, 2 of 2 nodes are healthy, quorum true, writer db-1
2026-03-02 21:30:00  db-1: synced, healthy
2026-03-02 21:30:00  web-1: serving, healthy
2026-03-02 21:32:00  list droplets: 503
2026-03-02 21:33:00  the cloud answers, 1 of 2 nodes are healthy, quorum true, writer db-1
2026-03-02 21:33:00  web-1: unreachable, not healthy: no route
`, out.String())
}

func TestAWatchPrintsReportsAsLines(t *testing.T) {
	var out bytes.Buffer
	w := newWatch(&out, true)

	for _, stack := range []string{"a", "a", "b"} {
		require.NoError(t, w.show(fleet.Report{Stack: stack}, nil, time.Now()))
	}

	require.Equal(t, 2, strings.Count(out.String(), "\n"))
}

func TestAWatchEndsWithoutAnError(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	looks := 0

	err := newWatch(&bytes.Buffer{}, false).run(ctx, func(context.Context) (fleet.Report, error) {
		looks++
		stop()

		return fleet.Report{}, context.Canceled
	})
	require.NoError(t, err)
	require.Equal(t, 1, looks)
}

func TestABlockIsDrawnInPlace(t *testing.T) {
	var out bytes.Buffer
	b := &block{
		out:  &out,
		size: func() fleet.TerminalSize { return fleet.TerminalSize{Columns: 8, Rows: 4} },
	}

	b.draw([]string{"one", "two is long"})
	b.draw([]string{"1", "2", "3", "4"})
	b.clear()
	b.draw([]string{"end"})

	require.Equal(t, "one\ntwo is…\n"+
		"\x1b[2A\r\x1b[J1\n2\n... an…\n"+
		"\x1b[3A\r\x1b[Jend\n", out.String())
}
