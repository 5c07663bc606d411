package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

func TestSinceIsAMoment(t *testing.T) {
	now := time.Date(2026, 3, 2, 21, 30, 0, 0, time.UTC)

	for text, want := range map[string]time.Time{
		"10m":                  now.Add(-10 * time.Minute),
		"1h30m":                now.Add(-90 * time.Minute),
		"21:15":                time.Date(2026, 3, 2, 21, 15, 0, 0, time.UTC),
		"21:15:30":             time.Date(2026, 3, 2, 21, 15, 30, 0, time.UTC),
		"22:00":                time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC), // yesterday's: today's is still to come
		"2026-03-01":           time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		"2026-03-01 21:15":     time.Date(2026, 3, 1, 21, 15, 0, 0, time.UTC),
		"2026-03-01 21:15:02":  time.Date(2026, 3, 1, 21, 15, 2, 0, time.UTC),
		"2026-03-01T21:15:02Z": time.Date(2026, 3, 1, 21, 15, 2, 0, time.UTC),
	} {
		got, err := parseSince(text, now)
		require.NoError(t, err, text)
		require.True(t, want.Equal(got), "%s: %s", text, got)
	}

	for _, text := range []string{"yesterday", "-5m", "10", "25:00"} {
		_, err := parseSince(text, now)
		require.ErrorIs(t, err, errNoSince, text)
	}
}

func TestHowManyLinesAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		flags    logFlags
		numbered bool
		want     int
	}{
		"as many as fit":    {want: newestLines},
		"of a follower":     {flags: logFlags{query: fleet.LogQuery{Follow: true}}, want: newestFollows},
		"all since a time":  {flags: logFlags{since: "10m"}, want: 0},
		"so many of a time": {flags: logFlags{since: "10m", number: 3}, numbered: true, want: 3},
		"all":               {numbered: true, want: 0},
	} {
		query, err := c.flags.asked(nil, c.numbered, time.Now())

		require.NoError(t, err, name)
		require.Equal(t, c.want, query.Lines, name)
	}
}

func TestEntriesArePrinted(t *testing.T) {
	entries := []fleet.LogLine{
		{
			Time:    time.Date(2026, 3, 2, 21, 30, 0, 5e6, time.UTC),
			Node:    "proxy-1",
			Program: "kernel",
			Message: "one\ntwo",
		},
		{
			Time:    time.Date(2026, 3, 2, 21, 30, 1, 0, time.UTC),
			Node:    "web-1",
			Program: "nginx",
			PID:     42,
			Message: "GET /\x1b[2J",
		},
	}

	var text, lines bytes.Buffer
	print, encode := logPrinter(&text, false), logPrinter(&lines, true)

	for _, entry := range entries {
		require.NoError(t, print(entry))
		require.NoError(t, encode(entry))
	}

	require.Equal(t, "2026-03-02 21:30:00.005  proxy-1  kernel: one\n    two\n"+
		"2026-03-02 21:30:01.000  web-1    nginx[42]: GET /\uFFFD[2J\n", text.String())
	require.Equal(t, 2, strings.Count(lines.String(), "\n"))
	require.Contains(t, lines.String(), `{"time":"2026-03-02T21:30:01Z","node":"web-1",`)
}

// -f is a follower's here, and the stack's file before the command, as it is of all commands.
func TestTheFileOfAFollower(t *testing.T) {
	toolStack(t)

	for line, want := range map[string]string{
		"-f no.yaml logs":         "no.yaml",
		"-fno.yaml logs -f":       "no.yaml",
		"--file no.yaml logs -f":  "no.yaml",
		"logs --file=no.yaml -f":  "no.yaml",
		"logs -f web --since x":   "--since \"x\"",
		"logs -n -1":              "-n -1: say a number",
		"-f no.yaml events":       "no.yaml",
		"events -f no.yaml":       "no.yaml",
		"-f no.yaml exec a -- -f": "no.yaml",
	} {
		got := hornero(t, strings.Fields(line)...)
		require.Equal(t, 1, got.code, line)
		require.Contains(t, got.stderr, want, line)
	}

	require.Contains(t, hornero(t, "logs", "--help").stdout, "-f, --follow")
}

func TestNodesAndRolesAreCompleted(t *testing.T) {
	toolStack(t)

	got := hornero(t, "__complete", "logs", "").stdout
	require.Contains(t, got, "vault-1\tvault\n")
	require.Contains(t, got, "vault\tall nodes of the role\n")

	got = hornero(t, "__complete", "logs", "vault-1", "").stdout
	require.NotContains(t, got, "vault-1")
	require.Contains(t, got, "vault-2\tvault\n")
}
