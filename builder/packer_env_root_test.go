//go:build root

package builder_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/command"
)

// making is held by who makes a file of this checkout: two makes at once would write the same one.
var making struct {
	sync.Mutex
	done map[string]bool
}

// made makes files of this checkout, as make does, and returns the first one's path.
func made(t *testing.T, targets ...string) string {
	t.Helper()

	for _, target := range targets {
		require.NoError(t, makeOnce(target))
	}

	path, err := filepath.Abs(filepath.Join("..", targets[0]))
	require.NoError(t, err)

	return path
}

// makeOnce makes a target unless this process has made it. No test writes what it is made of.
func makeOnce(target string) error {
	making.Lock()
	defer making.Unlock()

	if making.done[target] {
		return nil
	}

	args := []string{"make", "-s", "-C", "..", target}

	if _, err := command.Run(context.Background(), command.Command{Args: args}); err != nil {
		return err
	}

	if making.done == nil {
		making.done = map[string]bool{}
	}

	making.done[target] = true

	return nil
}

// packerFolder has Packer's settings and this checkout's plugin. Installing it takes seconds, and no build writes
// there, so that all tests share one.
var packerFolder = sync.OnceValues(func() (string, error) {
	folder := filepath.Join(sharedFolder, "packer")
	plugin, err := filepath.Abs("../bin/packer-plugin-hornero")
	if err != nil {
		return "", err
	}

	_, err = command.Run(context.Background(), command.Command{
		Env: packerVariables(folder),
		Args: []string{
			"../.cache/packer", "plugins", "install", "--path", plugin,
			"github.com/hornero/hornero",
		},
	})

	return folder, err
})

// packerVariables let Packer find its plugins and settings in a folder, and ask nobody for a newer version.
func packerVariables(folder string) []string {
	return []string{
		"PACKER_PLUGIN_PATH=" + filepath.Join(folder, "plugins"),
		"PACKER_CONFIG_DIR=" + folder,
		"CHECKPOINT_DISABLE=1",
	}
}

// packerEnvironment is one in which Packer has this checkout's plugin and nothing of the user's.
func packerEnvironment(t *testing.T) []string {
	t.Helper()
	made(t, "bin/packer-plugin-hornero", "packer")

	folder, err := packerFolder()
	require.NoError(t, err)

	return append(os.Environ(), packerVariables(folder)...)
}

// scriptsPlugin installs the plugin where the scripts look for it, as the first of them does: two that start at
// once would both write it.
var scriptsPlugin = sync.OnceValue(func() error {
	_, err := command.Run(context.Background(), command.Command{
		Dir:  "..",
		Env:  []string{"CLOUD=digitalocean"},
		Args: []string{"bash", "-euc", ". scripts/packer-env.sh"},
	})

	return err
})

// script runs a script that bakes in the lab, which it reaches at url, and returns what it said.
func (l *bakeLab) script(url, name string, environment []string, args ...string) (string, error) {
	l.Helper()
	made(l.T, "bin/hornero", "bin/packer-plugin-hornero", "bin/hornero-bootstrap", "packer")
	require.NoError(l, scriptsPlugin())

	var said strings.Builder
	_, err := command.Run(l.Context(), command.Command{
		Dir:    "..",
		Env:    append(l.environment(url), environment...),
		Args:   append([]string{"scripts/" + name}, args...),
		Output: &said,
	})

	return said.String(), err
}

// packerSays runs Packer in the checkout's root, and returns what it said without its line breaks.
func packerSays(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	packer, err := filepath.Abs("../.cache/packer")
	require.NoError(t, err)

	var text strings.Builder
	_, err = command.Run(t.Context(), command.Command{
		Env:    env,
		Dir:    "..",
		Args:   append([]string{packer}, args...),
		Output: &text,
	})

	return strings.Join(strings.Fields(text.String()), " "), err
}
