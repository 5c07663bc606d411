package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/catalog"
	"github.com/hornero/hornero/internal/record"
)

// hostile clears the screen, begins a line and a column of its own, and turns what follows around.
const hostile = "x\x1b[2J\rdigest\tfine\nrole  web\u202e\u0085"

func TestARecordCommandsNoTerminal(t *testing.T) {
	image := catalog.Image{
		ID:      7,
		Name:    hostile,
		Role:    hostile,
		Release: hostile,
		Digest:  hostile,
		Regions: []string{hostile},
	}
	each := map[string]string{hostile: hostile}
	change := []record.Change{{Name: hostile, From: hostile, To: hostile}, {Name: hostile, To: hostile}}

	written := record.Image{
		Role:     hostile,
		Release:  hostile,
		Base:     hostile,
		Layer:    hostile,
		Digest:   hostile,
		BuiltAt:  hostile,
		Recipe:   hostile,
		Programs: each,
		Code:     []record.Code{{Kind: hostile, Name: hostile, Version: hostile}},
		Inputs:   each,
		Files:    each,
		Daemons:  each,
		Varies:   each,
		Packages: each,
	}

	found := comparison{
		From:       image,
		To:         image,
		Difference: record.Difference{Packages: change, Files: change},
		Contents:   change,
		Varying:    change,
	}

	var out bytes.Buffer
	require.NoError(t, printRecord(&out, image, written))
	require.NoError(t, printDifference(&out, found))
	require.NoError(t, printImages(&out, []catalog.Image{image}))
	require.NoError(t, (&imagesCommands{all: true}).printContents(&out, found, each))

	for _, command := range []string{"\x1b", "\r", "\t", "\u202e", "\u0085"} {
		require.NotContains(t, out.String(), command)
	}

	for line := range strings.Lines(out.String()) {
		require.False(t, strings.HasPrefix(line, "role  web"), line)
	}

	require.Contains(t, out.String(), `x\x1b[2J\rdigest\tfine\nrole  web\u202e\u0085`)
}

func TestWhatIsPrintableStays(t *testing.T) {
	const text = "naïve – 日本 ✓ \\n 'x'"

	require.Equal(t, text, escaped(text))
}
