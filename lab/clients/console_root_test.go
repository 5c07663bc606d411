//go:build root

package clients_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConsole(t *testing.T) {
	b := newBench(t)
	b.doctl(
		"compute",
		"droplet",
		"create",
		"one",
		"--image",
		"debian-13-x64",
		"--size",
		"s-1vcpu-1gb",
		"--region",
		"nyc3",
		"--wait",
	)

	hornero := filepath.Join(
		b.root,
		"bin/hornero",
	) + " lab --name " + labName + " console one --attach"

	_, said, err := b.try(b.root, "sh", "-c", hornero+" </dev/null")
	require.Error(t, err)
	require.Contains(t, said, "no terminal")

	// script is the terminal; the shell must be there before anything is typed
	typed := exec.Command(
		"sh",
		"-c",
		`(sleep 2; printf 'stty size; tty; hostname; id -u\n'; sleep 1; printf 'exit 7\n'; sleep 1) |
	script -qec "stty rows 33 cols 101; `+hornero+`" /dev/null`,
	)

	typed.Env = b.env
	out, err := typed.CombinedOutput()
	var failed *exec.ExitError
	require.ErrorAs(t, err, &failed, "%s", out)
	require.Equal(t, 7, failed.ExitCode(), "%s", out)

	for _, want := range []string{"33 101", "/dev/pts/", "\r\none\r\n", "\r\n0\r\n"} {
		require.Contains(t, string(out), want)
	}

	require.Contains(t, b.hornero("console", "one"), "systemd")

	// A guest that goes takes the session along.
	typed = exec.Command(
		"timeout",
		"60",
		"sh",
		"-c",
		`(sleep 2; printf 'systemctl poweroff\n'; sleep 5) | script -qec "`+hornero+`" /dev/null`,
	)

	typed.Env = b.env
	out, err = typed.CombinedOutput()
	require.ErrorAs(t, err, &failed, "%s", out)
	require.NotEqual(t, 124, failed.ExitCode(), "it stays: %s", out)

	require.Eventually(t, func() bool {
		droplets := b.doctl("compute", "droplet", "list")
		return len(droplets) == 1 && droplets[0]["status"] == "off"
	}, time.Minute, 100*time.Millisecond)

	out, _ = exec.Command(
		"script",
		"-qec",
		"HORNERO_LAB_DIR="+b.folder()+" "+hornero,
		"/dev/null",
	).CombinedOutput()
	require.Contains(t, string(out), "it is off")
}

// folder is where the bench's lab lies.
func (b *bench) folder() string {
	for _, one := range b.env {
		if folder, ok := strings.CutPrefix(one, "HORNERO_LAB_DIR="); ok {
			return folder
		}
	}

	return ""
}
