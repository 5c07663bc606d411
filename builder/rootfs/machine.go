package rootfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/cgroup"
	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/guest"
)

// bootTimeout is how long systemd may take to start what is enabled: a second on an idle computer.
const bootTimeout = 3 * time.Minute

// pollInterval is how often something is looked at that tells nobody when it is done.
const pollInterval = 50 * time.Millisecond

// Machine is a system that runs: its own systemd, in namespaces of its own, on this machine's kernel. Its
// network is loopback and nothing else; what it fetches comes through a proxy there.
type Machine struct {
	jail  *started
	group cgroup.Group
	proxy *proxy
	init  int // its PID 1, as this process sees it
}

// bootScript gives nspawn the cgroup v2 hierarchy alone, and a /run of its own for its locks.
const bootScript = `mount -t cgroup2 none /sys/fs/cgroup && mount -t tmpfs none /run && exec "$@"`

// Boot boots the system in a folder. The name is of its cgroup, and host of the machine.
func Boot(ctx context.Context, root, name, host string) (*Machine, error) {
	group, err := newGroup(name)
	if err != nil {
		return nil, fmt.Errorf("boot root: %w", err)
	}

	m := &Machine{group: group}

	if err := m.boot(ctx, root, host); err != nil {
		// What was begun is ended here: the caller gets no machine to stop.
		return nil, errors.Join(fmt.Errorf("boot root: %w", err), m.Stop())
	}

	return m, nil
}

func (m *Machine) boot(ctx context.Context, root, host string) error {
	folder, err := os.Open(string(m.group))
	if err != nil {
		return err
	}
	defer folder.Close()

	// cloud-init has nobody to ask here, and the image is not to remember that it did.
	nspawn := []string{
		"systemd-nspawn", "--quiet", "--boot",
		"--directory=" + root, "--machine=" + host, "--hostname=" + host,
		"--register=no", "--keep-unit", "--settings=no",
		"--private-network", "--console=read-only", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
		"cloud-init=disabled",
	}

	m.jail, err = jail{
		args:        append([]string{"sh", "-c", bootScript, "sh"}, nspawn...),
		group:       folder,
		environment: []string{"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", "SYSTEMD_NSPAWN_LOCK=0"},
	}.start()
	if err != nil {
		return err
	}

	tooLate := fmt.Errorf("%w in %s", ErrNoBoot, bootTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, bootTimeout, tooLate)
	defer cancel()

	// nspawn tells nobody when its container has a PID 1.
	if err := m.until(ctx, m.hasInit); err != nil {
		return err
	}

	if err := m.until(ctx, func() bool { return m.up(ctx) }); err != nil {
		return err
	}

	// Not before the system is up: nspawn's own child, which becomes the PID 1, leaves this machine's network only on
	// its way there.
	if m.proxy, err = startProxy(fmt.Sprintf("/proc/%d/ns/net", m.init)); err != nil {
		return err
	}

	_, err = command.Run(ctx, command.Command{Args: m.inside(cloudInitIsDone)})

	return err
}

// cloudInitIsDone says so to whoever waits for a cloud-init that is too old to tell that it is disabled (0.7.9).
const cloudInitIsDone = `{ cloud-init status >/dev/null 2>&1 || ` +
	`{ mkdir -p /run/cloud-init && touch /run/cloud-init/result.json; }; }`

// hasInit looks for the PID 1 of the container: the process that is number 1 in the innermost of two more
// namespaces than this process is in, the jail's and its own.
func (m *Machine) hasInit() bool {
	var found bool
	m.init, found = m.group.Init(2)

	return found
}

// up tells whether systemd has started all that is enabled; a service that did not come up is not ours to judge.
func (m *Machine) up(ctx context.Context) bool {
	state, err := command.Run(ctx, command.Command{Args: m.inside("systemctl is-system-running")})
	var failed *command.Error

	return err == nil || errors.As(err, &failed) && strings.TrimSpace(state) == "degraded"
}

// until waits for what nobody tells, or for the machine's end.
func (m *Machine) until(ctx context.Context, met func() bool) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()

	for !met() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)

		// A container that ended will never be what is waited for.
		case <-m.jail.ended:
			cause := cmp.Or(m.jail.err, errors.New("it ended"))
			return fmt.Errorf("%w: %w: %s", ErrNoBoot, cause, m.jail.tail)

		case <-ticker.C:
		}
	}

	return nil
}

// inside is the program that runs a shell command in the machine, as a login by SSH would.
func (m *Machine) inside(script string) []string {
	args := []string{
		"/usr/bin/env", "-i",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
		"USER=root", "LOGNAME=root", "SHELL=/bin/bash",
	}
	if m.proxy != nil {
		args = append(args, "http_proxy="+m.proxy.URL(), "https_proxy="+m.proxy.URL())
	}

	return guest.Enter(m.init, append(args, "/bin/sh", "-c", "cd && "+script)...)
}

// Run runs a shell command in the machine and returns its exit status. An error is that it did not run.
func (m *Machine) Run(ctx context.Context, script string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	args := m.inside(script)
	program := exec.CommandContext(ctx, args[0], args[1:]...)
	program.Stdin = stdin
	program.Stdout = stdout
	program.Stderr = stderr
	program.Dir = "/"
	program.WaitDelay = time.Second // a service in the background may keep its output open

	err := program.Run()
	var exited *exec.ExitError

	switch {
	// The program was killed because the context ended; its status says only that.
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case errors.As(err, &exited) && exited.Exited():
		return exited.ExitCode(), nil
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return 0, fmt.Errorf("run in the root: %w", err)
	}

	return 0, nil
}

// Stop ends everything in the machine at once: there is no service to shut down in a system that only was
// changed, and its files need no unmounting. It can be called again.
func (m *Machine) Stop() error {
	// The machine may have stopped half way through its boot.
	if m.jail != nil {
		m.jail.kill()
	}
	if m.proxy != nil {
		m.proxy.close()
	}

	return endGroup(m.group)
}
