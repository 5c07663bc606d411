package main

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// A terminal says nothing until a person does, who may press Ctrl-C instead.
func TestCtrlCEndsAReadOfTheTerminal(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	terminal, typed := io.Pipe()
	defer typed.Close()

	interrupt()

	_, err := readAll(ctx, terminal)
	require.ErrorIs(t, err, context.Canceled)
}
