package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Words that no command takes are an error, and what is said of them tells what to write.
func TestWordsThatNoCommandTakes(t *testing.T) {
	emptyFolder(t)

	for line, want := range map[string]string{
		"roles lst":         `unknown command "lst" for "hornero roles"; did you mean "list"?`,
		"-f x secrets shwo": `unknown command "shwo" for "hornero secrets"; did you mean "show"?`,
		"images xyzzy1":     "unknown command \"xyzzy1\" for \"hornero images\"; `hornero images --help` lists them",
		"roles show":        "accepts 1 arg(s), received 0; usage: hornero roles show ROLE",
		"exec web-1":        "requires at least 2 arg(s), only received 1; usage: hornero exec NODE|ROLE -- COMMAND",
	} {
		got := hornero(t, strings.Fields(line)...)
		require.Equal(t, 1, got.code, line)
		require.Empty(t, got.stdout, line)
		require.Contains(t, got.stderr, "hornero: "+want, line)
	}

	require.Zero(t, hornero(t, "roles").code)
	require.Zero(t, hornero(t, "help", "roles").code)
}

func TestNodesAreCompleted(t *testing.T) {
	toolStack(t)

	for _, command := range []string{"replace", "exec", "userdata"} {
		require.Contains(t, hornero(t, "__complete", command, "").stdout, "vault-1\tvault\n", command)
	}
}
