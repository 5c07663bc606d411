package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// program writes a program that says something.
func program(t *testing.T, path, says string) {
	t.Helper()

	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho '"+says+"'\n"), 0o700))
}

func TestACompanionIsFound(t *testing.T) {
	folder := t.TempDir()
	beside, inPath, library := filepath.Join(folder, "a"), filepath.Join(folder, "b"), filepath.Join(folder, "c")
	t.Setenv("PATH", inPath)

	places := programs{beside: beside, library: library}

	// From the last place to the first: each goes before those that are there already.
	for _, place := range []string{library, inPath, beside} {
		_, err := places.companion("helper")
		if place == library {
			require.ErrorContains(t, err, "find helper: it comes with hornero, and is not in "+beside)
		}

		program(t, filepath.Join(place, "helper"), "")

		found, err := places.companion("helper")
		require.NoError(t, err)
		require.Equal(t, filepath.Join(place, "helper"), found)
	}

	named, err := places.bootstrap(filepath.Join(inPath, "helper"))
	require.NoError(t, err)
	require.Equal(t, filepath.Join(inPath, "helper"), named)
}

func TestPackerIsFound(t *testing.T) {
	folder := t.TempDir()
	places := programs{beside: filepath.Join(folder, "checkout/bin")}

	cracklib, old := filepath.Join(folder, "cracklib"), filepath.Join(folder, "old")
	recent, named := filepath.Join(folder, "recent"), filepath.Join(folder, "named")
	built := filepath.Join(folder, "checkout/.cache/packer")

	program(t, filepath.Join(cracklib, "packer"), "0 0")
	program(t, filepath.Join(old, "packer"), "Packer v1.9.4")
	program(t, filepath.Join(named, "mine"), "")

	t.Setenv(packerVariable, "")
	t.Setenv("PATH", cracklib+":"+old+":"+recent+":"+os.Getenv("PATH"))

	// Whatever this machine has behind these folders is not theirs.
	found, err := places.packer(t.Context())
	if err != nil {
		require.ErrorIs(t, err, errNoPacker)
	}

	require.NotContains(t, found, folder, "others are called packer, too, and older ones lack what is needed")

	program(t, filepath.Join(recent, "packer"), "Packer v1.11.2")
	found, err = places.packer(t.Context())
	require.NoError(t, err)
	require.Equal(t, filepath.Join(recent, "packer"), found)

	program(t, built, "")
	found, err = places.packer(t.Context())
	require.NoError(t, err)
	require.Equal(t, built, found)

	t.Setenv(packerVariable, filepath.Join(named, "mine"))
	found, err = places.packer(t.Context())
	require.NoError(t, err)
	require.Equal(t, filepath.Join(named, "mine"), found)
}
