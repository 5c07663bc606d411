package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/hornero/hornero/bootstrap/immutable"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/roles"
)

// configure renders everything once and starts what the role runs. A watched role without a peer yet is no obstacle:
// templates are rendered again when it comes.
func (a *Agent) configure(ctx context.Context) error {
	if _, err := retry(ctx, a, "configure", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, a.apply(ctx, false)
	}); err != nil {
		return err
	}

	_, err := retry(ctx, a, "start services", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, a.startServices(ctx)
	})

	return err
}

// apply makes every template's file true, each on its own: one that cannot be rendered does not hold the others. The
// units that must read what is new do so once they run.
func (a *Agent) apply(ctx context.Context, running bool) error {
	facts := a.facts()
	var errs []error

	for _, template := range a.manifest.Templates {
		errs = append(errs, a.install(ctx, template, facts))
	}

	if running {
		errs = append(errs, a.settle(ctx))
	}

	err := errors.Join(errs...)
	a.counted.applies.Add(1, resultOf(err))
	a.mu.Lock()
	a.applied = err
	a.mu.Unlock()

	return err
}

func (a *Agent) install(ctx context.Context, template roles.Template, facts roles.Facts) error {
	text, err := a.manifest.Render(template, facts)
	if err != nil {
		return err
	}

	mode, err := roles.ParseMode(template.Mode, 0o640)
	if err != nil {
		return err
	}

	if file.Holds(a.place(template), text) {
		return a.put(template, text, mode)
	}

	if err := a.checkText(ctx, template, text, mode); err != nil {
		return err
	}

	if err := a.owe(template); err != nil {
		return err
	}

	return a.put(template, text, mode)
}

// put writes a template's file and notes how it leaves it.
func (a *Agent) put(template roles.Template, text []byte, mode fs.FileMode) error {
	a.truth.files.Lock()
	defer a.truth.files.Unlock()

	if what := a.touched(template); what != "" {
		a.Log.Warn("a file that somebody touched is written anew",
			"path", template.Path,
			"what", what,
		)
	}

	changed, err := file.Write(
		a.place(template),
		text,
		file.Options{Mode: mode, Owner: template.Owner},
	)
	if err != nil {
		return err
	}

	if changed {
		a.counted.written.Add(1)
		a.Log.Info("file written", "path", template.Path)
	}

	if err := a.link(template); err != nil {
		return err
	}

	a.truth.files.notes[template.Path], err = immutable.NoteOf(a.place(template))

	return err
}

// checkText runs a template's checker over the new text before it takes the file's place.
func (a *Agent) checkText(ctx context.Context, template roles.Template, text []byte, mode fs.FileMode) error {
	if len(template.Check) == 0 {
		return nil
	}

	trial := filepath.Join(a.Trial, filepath.Base(template.Path))

	if _, err := file.Write(trial, text, file.Options{Mode: mode, Owner: template.Owner}); err != nil {
		return err
	}
	defer os.Remove(trial)

	ctx, cancel := context.WithTimeoutCause(ctx, unitTimeout, errors.New("the checker did not end"))
	defer cancel()

	if _, err := command.Run(ctx, command.Command{
		Args:   roles.Checker(template.Check, trial),
		Hidden: a.hidden(),
	}); err != nil {
		return fmt.Errorf("check new %s: %w", template.Path, err)
	}

	return nil
}

// hidden are the document's secrets as a program may have been given them. What it says of its failure goes
// into the journal, and to whoever asks for this node's health.
func (a *Agent) hidden() []string {
	var hidden []string
	for _, secret := range a.node.Secrets {
		hidden = append(hidden, roles.Spellings(secret)...)
	}

	return hidden
}

// facts are what templates may read now.
func (a *Agent) facts() roles.Facts {
	facts := roles.Facts{
		Stack:       a.node.Stack,
		Node:        a.node.Node,
		Role:        a.node.Role,
		Release:     a.Release,
		Incarnation: a.node.Incarnation,
		Address:     a.address,
		Network:     a.network,
		Anchor:      a.anchor,
		Memory:      memoryBytes(),
		CPUs:        runtime.NumCPU(),
		RealTime:    realTime(),
		Settings:    a.node.Settings,
		Secrets:     a.node.Secrets,
		Expected:    a.node.Expected,
		Peers:       map[string][]roles.PeerFact{},
		PKI: map[string]string{
			"ca":          a.node.TLS.CA,
			"certificate": a.node.TLS.Certificate,
			"key":         a.node.TLS.Key.Reveal(),
		},
	}
	if a.set == nil {
		return facts
	}

	snapshot := a.set.Snapshot()
	facts.Writer = snapshot.Holder(peerset.LeaseWriter)

	for _, peer := range snapshot.Peers {
		facts.Peers[peer.Role] = append(facts.Peers[peer.Role], roles.PeerFact{
			Name:        peer.Name,
			Address:     peer.Address,
			Incarnation: peer.Incarnation,
			Healthy:     peer.Healthy && peer.Alive,
			State:       peer.State,
		})
	}

	return facts
}

// memoryBytes is the machine's memory (proc(5), meminfo) or its control group's limit, whichever is less; one GiB
// where neither can be read.
func memoryBytes() int64 {
	memory := int64(0)

	if data, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "MemTotal:" {
				kibi, _ := strconv.ParseInt(fields[1], 10, 64)
				memory = kibi << 10
			}
		}
	}

	if data, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if limit, err := strconv.ParseInt(
			strings.TrimSpace(string(data)),
			10,
			64,
		); err == nil && (memory == 0 || limit < memory) {
			memory = limit
		}
	}

	if memory == 0 {
		return 1 << 30
	}

	return memory
}
