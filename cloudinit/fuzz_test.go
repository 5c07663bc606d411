package cloudinit_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/report"
)

// unfoldsTo is what the reader promises not to exceed: 1 MiB of parts, and the user-data itself.
const unfoldsTo = 1<<20 + cloudinit.MaxUserData

func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		parts, err := cloudinit.Parts(data[:min(len(data), cloudinit.MaxUserData)])
		size := 0
		for _, part := range parts {
			size += len(part.Data)
		}
		require.LessOrEqual(t, size, unfoldsTo)
		node, decodeErr := cloudinit.Decode("user-data", data)
		if err != nil && len(data) <= cloudinit.MaxUserData {
			require.ErrorIs(t, decodeErr, cloudinit.ErrNotOurs)
		}
		requireWhole(t, node, decodeErr)
	})
}

func FuzzNode(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		node, err := cloudinit.DecodeNode("node.yaml", data[:min(len(data), cloudinit.MaxUserData)])
		requireWhole(t, node, err)
	})
}

// requireWhole holds a reader to this: what it accepts is whole and survives being written, and what it refuses has a
// reason with a place.
func requireWhole(t *testing.T, node cloudinit.Node, err error) {
	if err == nil {
		require.Equal(t, cloudinit.Version, node.Version)
		require.NotEmpty(t, node.Stack)
		require.NotEmpty(t, node.Node)
		require.NotEmpty(t, node.TLS.Key.Reveal())
		require.Positive(t, node.Incarnation)
		require.True(t, node.Found || len(node.Join) > 0)
		requireSameAgain(t, node)

		return
	}

	if errors.Is(err, cloudinit.ErrNotOurs) || errors.Is(err, cloudinit.ErrTooLarge) {
		return
	}

	problems, ok := report.Of(err)
	require.True(t, ok, "%v", err)

	for _, problem := range problems {
		require.Positive(t, problem.Line, problem.String())
		require.NotEmpty(t, problem.Message)
	}
}

func requireSameAgain(t *testing.T, node cloudinit.Node) {
	data, err := cloudinit.Encode(node)
	if errors.Is(err, cloudinit.ErrTooLarge) {
		return
	}
	require.NoError(t, err)
	read, err := cloudinit.Decode("user-data", data)
	require.NoError(t, err)
	require.Equal(t, node.Node, read.Node)
	require.Equal(t, node.TLS, read.TLS)
	require.Equal(t, node.SSH.HostKey, read.SSH.HostKey)
}
