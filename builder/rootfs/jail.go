package rootfs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/internal/command"
)

// jail is a program that runs in PID and mount namespaces of its own. When it ends, or this process does,
// however that comes about, everything that it started ends too, and nothing that it mounted was ever seen
// outside.
type jail struct {
	args        []string
	environment []string
	input       string
	output      io.Writer // receives standard output and standard error; may be nil
	group       *os.File  // the folder of the cgroup (v2) to run in; nil: this process' own
}

// started is a jail that runs.
type started struct {
	process *os.Process
	tail    *tail
	ended   chan struct{} // closed when it has ended
	err     error         // how; read it after ended
}

// closeInherited marks the files for closing that whoever started this process left open for it: mmdebstrap
// hands the number of a pipe to a shell that reads one digit only. Older kernels do not have the call.
var closeInherited = sync.OnceFunc(func() {
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
})

// start starts the jail on a thread of its own: the kernel ends it with the thread that started it (prctl(2),
// PR_SET_PDEATHSIG).
func (j jail) start() (*started, error) {
	closeInherited()

	args := []string{"--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc", "--"}
	program := exec.Command("unshare", append(args, j.args...)...)
	program.Env = append(os.Environ(), j.environment...)
	program.Dir = "/"

	if j.input != "" {
		program.Stdin = strings.NewReader(j.input)
	}

	s := &started{
		tail:  &tail{to: j.output},
		ended: make(chan struct{}),
	}

	// One writer for both, so that os/exec copies them with one goroutine.
	program.Stdout = s.tail
	program.Stderr = s.tail
	program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if j.group != nil {
		program.SysProcAttr.UseCgroupFD, program.SysProcAttr.CgroupFD = true, int(j.group.Fd())
	}

	// Buffered: the goroutine must not wait for whoever asked, but for the program.
	begun := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, which outlives the program
		err := program.Start()
		begun <- err

		if err == nil {
			s.err = program.Wait()
			close(s.ended)
		}
	}()

	if err := <-begun; err != nil {
		return nil, fmt.Errorf("run %s: %w", command.Quote(j.args), err)
	}

	s.process = program.Process

	return s, nil
}

// kill ends the jail and waits for that.
func (s *started) kill() {
	_ = s.process.Kill() // it may have ended
	<-s.ended
}

// run runs a jail to its end. When ctx ends, so does the jail.
func run(ctx context.Context, j jail) error {
	s, err := j.start()
	if err != nil {
		return err
	}

	select {
	case <-s.ended:
	case <-ctx.Done():
		s.kill()
		return fmt.Errorf("run %s: %w", j.args[0], context.Cause(ctx))
	}

	if s.err != nil {
		return fmt.Errorf("run %s: %w: %s", command.Quote(j.args), s.err, s.tail)
	}

	return nil
}

// tailBytes is how much of a failed program's output its error carries.
const tailBytes = 2048

// tail passes a program's output on and keeps the end of it. One goroutine writes, as standard output and error
// are one.
type tail struct {
	to   io.Writer
	kept bytes.Buffer
}

func (t *tail) Write(data []byte) (int, error) {
	t.kept.Write(data)

	if more := t.kept.Len() - tailBytes; more > 0 {
		t.kept.Next(more)
	}
	if t.to == nil {
		return len(data), nil
	}

	return t.to.Write(data)
}

func (t *tail) String() string {
	return strings.TrimSpace(t.kept.String())
}
