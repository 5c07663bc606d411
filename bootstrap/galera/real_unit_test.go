//go:build realdb

package galera_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/hornero/hornero/bootstrap/galera"
)

// process is a unit without systemd.
type process struct {
	args  []string
	log   string
	ready func(context.Context) bool

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
	failed bool
	before int // how long the log was at the last start
}

func (p *process) State(context.Context) (galera.Process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	switch {
	case p.exited == nil:
		return galera.ProcessStopped, nil
	case !closed(p.exited):
		return galera.ProcessStarting, nil
	case p.failed:
		return galera.ProcessFailed, nil
	}

	return galera.ProcessStopped, nil
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (p *process) start(more ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()

	cmd := exec.Command(p.args[0], append(p.args[1:], more...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}

	if info, err := os.Stat(p.log); err == nil {
		p.before = int(info.Size())
	}

	if err := cmd.Start(); err != nil {
		return err
	}

	exited := make(chan struct{})
	p.cmd, p.exited, p.failed = cmd, exited, false
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()

		p.failed = err != nil
		close(exited)
	}()

	return nil
}

func (p *process) Start(context.Context) error {
	return p.start()
}

func (p *process) Bootstrap(ctx context.Context) error {
	if err := p.start("--wsrep-new-cluster"); err != nil {
		return err
	}

	for !p.ready(ctx) {
		select {
		case <-p.exited:
			return errors.New("the server went down")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}

	return nil
}

func (p *process) Stop(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Signal(syscall.SIGTERM)
}

func (p *process) Kill(context.Context) error {
	p.kill()
	return nil
}

func (p *process) Trouble(context.Context, time.Time) galera.Trouble {
	p.mu.Lock()
	defer p.mu.Unlock()

	log, err := os.ReadFile(p.log)
	if err != nil {
		return galera.Trouble{}
	}

	return galera.TroubleOf(string(log[min(p.before, len(log)):]))
}

func (p *process) kill() {
	p.mu.Lock()
	cmd, exited := p.cmd, p.exited
	p.mu.Unlock()

	if exited != nil {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-exited
	}
}
