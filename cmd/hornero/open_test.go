package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

func TestTheSiteThatIsOpened(t *testing.T) {
	sites := []fleet.BalancerLine{
		{Name: "front", URL: "http://192.0.2.1/"},
		{Name: "api", URL: "http://192.0.2.2/"},
		{Name: "late"},
	}

	for name, c := range map[string]struct {
		sites []fleet.BalancerLine
		words []string
		want  string
		err   string
	}{
		"the first":       {sites: sites, want: "http://192.0.2.1/"},
		"of a name":       {sites: sites, words: []string{"api"}, want: "http://192.0.2.2/"},
		"not made yet":    {sites: sites, words: []string{"late"}, err: "the load balancer is not there yet"},
		"of another name": {sites: sites, words: []string{"apy"}, err: `no load balancer "apy"; it is one of ["front`},
		"none":            {err: errNoSite.Error()},
	} {
		got, err := chooseSite(c.sites, c.words)

		if c.err != "" {
			require.ErrorContains(t, err, c.err, name)
			continue
		}

		require.NoError(t, err, name)
		require.Equal(t, c.want, got.URL, name)
	}
}

func TestABrowserIsForADesktop(t *testing.T) {
	folder := t.TempDir()
	program := "#!/bin/sh\necho \"$@\" > " + filepath.Join(folder, "opened") + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, browser), []byte(program), 0o700))

	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")

	require.NoError(t, browse(t.Context(), "http://192.0.2.1/"))
	require.NoFileExists(t, filepath.Join(folder, "opened"))

	t.Setenv("DISPLAY", ":0")
	require.NoError(t, browse(t.Context(), "http://192.0.2.1/"))

	text, err := os.ReadFile(filepath.Join(folder, "opened"))
	require.NoError(t, err)
	require.Equal(t, "http://192.0.2.1/\n", string(text))
}
