//go:build root

package machine_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/machine"
)

// TestAKilledLabFindsItsDroplets starts a Droplet from a process that is then killed, as a lab may be.
func TestAKilledLabFindsItsDroplets(t *testing.T) {
	l := newLab(t)
	d := l.droplet(100001, l.base("debian-13"))
	config := l.Config
	config.Logger = nil
	configText, err := json.Marshal(config)
	require.NoError(t, err)

	dropletText, err := json.Marshal(d)
	require.NoError(t, err)

	executable, err := os.Executable()
	require.NoError(t, err)

	other := exec.Command(
		executable,
		"start-droplet",
		string(configText),
		string(dropletText),
	)

	other.Stderr = t.Output()
	output, err := other.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, other.Start())

	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "started\n", line)
	require.NoError(t, other.Process.Kill())
	other.Wait()

	// It was copying the disk when it was killed.
	require.NoError(t, l.Freeze(d.ID))

	require.NoError(t, os.WriteFile(
		filepath.Join(l.State, "droplets", "100001", "held"),
		nil,
		0o600,
	))

	again, err := machine.New(l.Config)
	require.NoError(t, err)
	require.NoError(t, again.Up(t.Context()))

	ids, err := again.Droplets()
	require.NoError(t, err)
	require.Equal(t, []int{d.ID}, ids)
	require.True(t, again.Running(d.ID))
	l.untilBooted(l.connect(d))

	place, err := again.Place(d.ID)
	require.NoError(t, err)
	require.FileExists(t, place.Root+"/root/told")
	require.FileExists(t, place.Console)
	require.NoError(t, again.Shutdown(t.Context(), d.ID))
	require.NoError(t, again.Down(t.Context()))
	require.NoError(t, again.Up(t.Context()))
	require.NoError(t, again.Start(t.Context(), d.ID))
	l.connect(d)
}
