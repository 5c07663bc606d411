package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheStatusIsALineForEachThatIsRead(t *testing.T) {
	answers := []string{"{\n  \"state\": \"joining\"\n}\n", "{\"state\": \"synced\"}"}
	asked := 0
	ask := func() ([]byte, error) {
		asked++
		return []byte(answers[asked-1]), nil
	}

	var out strings.Builder
	require.NoError(t, feed(strings.NewReader("\n\n"), &out, ask))
	require.Equal(t, "{\"state\":\"joining\"}\n{\"state\":\"synced\"}\n", out.String())

	// Nobody asks any more.
	require.NoError(t, feed(strings.NewReader(""), &out, ask))
	require.Equal(t, 2, asked)
}

func TestAStatusThatNobodyGivesEndsTheLines(t *testing.T) {
	away := errors.New("the agent is away")
	var out strings.Builder

	err := feed(strings.NewReader("\n\n"), &out, func() ([]byte, error) { return nil, away })
	require.ErrorIs(t, err, away)
	require.Empty(t, out.String())
}
