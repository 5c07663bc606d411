package command_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/command"
)

func TestBothOutputsReachOneWriterWhole(t *testing.T) {
	const lines = 2000
	script := `i=0; while [ $i -lt 2000 ]; do echo out >&1; echo err >&2; i=$((i+1)); done`
	var said bytes.Buffer
	_, err := command.Run(t.Context(), command.Command{Args: []string{"sh", "-c", script}, Output: &said})
	require.NoError(t, err)
	require.Equal(t, lines, strings.Count(said.String(), "out\n"))
	require.Equal(t, lines, strings.Count(said.String(), "err\n"))
}
