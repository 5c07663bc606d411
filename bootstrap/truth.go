package bootstrap

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/immutable"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/roles"
)

// The stack's settings about drift, in every node's document.
const (
	SettingDrift      = "drift"
	SettingDriftEvery = "drift_every"
)

// Image is what the node runs on. Its adapter is bootstrap/immutable.
type Image interface {
	// Settled tells whether what else writes at boot has come to its end.
	Settled() bool
	// Refuse makes package managers refuse.
	Refuse(node, role string) error
	// Held notes that the node is held to its image from now on, once in its life.
	Held() error
	// ReadOnly mounts /usr read-only where it is not.
	ReadOnly() error
	// Writable lists what ReadOnly should have mounted.
	Writable() ([]string, error)
	// Guard tells what is wrong with the rules before the metadata service, and loads them again; "" when nothing is.
	Guard(ctx context.Context) string
	// CheckOwn compares what takes no time.
	CheckOwn(ctx context.Context) (immutable.Pass, error)
	// Check compares the files with the record, taking a share of one core.
	Check(ctx context.Context, share float64) (immutable.Pass, error)
}

// ImageTimes are when a node looks at its image; the zero value means the defaults.
type ImageTimes struct {
	Patience time.Duration // how long cloud-init may take before the node is held to its image all the same
	Glance   time.Duration // between looks at the files that the agent wrote, at the mount and at the metadata guard
	First    time.Duration // from the first look to the first whole pass: a node that boots has better to do
	Every    time.Duration // between whole passes, unless the stack says otherwise
}

// Defaults, which a test shortens.
const (
	DefaultPatience   = 2 * time.Minute
	DefaultGlance     = 10 * time.Second
	DefaultFirst      = time.Minute
	DefaultDriftEvery = 6 * time.Hour
)

// share of one core that a pass may take which nobody waits for.
const share = 0.05

func (t *ImageTimes) complete() {
	t.Patience = cmp.Or(t.Patience, DefaultPatience)
	t.Glance = cmp.Or(t.Glance, DefaultGlance)
	t.First = cmp.Or(t.First, DefaultFirst)
	t.Every = cmp.Or(t.Every, DefaultDriftEvery)
}

// truth is how true the node is to its image and to what its agent wrote. The agent's mutex guards it.
type truth struct {
	image    status.Image
	baked    []status.Finding        // of the last whole pass
	rendered []status.Finding        // of the last glance
	told     map[status.Finding]bool // what is in the journal
	held     bool                    // /usr was read-only once

	asked pause.Bell // somebody asked for a pass: judge its result now
	files *files     // with a mutex of its own
}

// files are notes of the files that the agent wrote, by template's path. The mutex is held while one is written
// and noted, and while they are compared.
type files struct {
	sync.Mutex
	notes map[string]immutable.Note
}

func newTruth() truth {
	return truth{
		image: status.Image{
			Findings: []status.Finding{},
			Action:   immutable.Report,
		},
		told:  map[status.Finding]bool{},
		asked: pause.NewBell(),
		files: &files{notes: map[string]immutable.Note{}},
	}
}

func (a *Agent) imageStatus() status.Image {
	a.mu.Lock()
	defer a.mu.Unlock()

	image := a.truth.image
	image.Findings = slices.Clone(image.Findings)

	return image
}

// keepTrue holds the node to its image and watches that it stays so, until ctx ends. Nothing that serves waits
// for it.
func (a *Agent) keepTrue(ctx context.Context) {
	if a.Image == nil {
		return
	}

	a.mu.Lock()
	a.truth.image.Action = cmp.Or(a.node.Settings[SettingDrift], immutable.Report)
	a.mu.Unlock()
	a.glance(ctx) // the rules before the metadata service wait for nobody
	a.settled(ctx)
	a.firstLook(ctx)

	next := time.Now().Add(a.Times.First)

	for ctx.Err() == nil {
		a.hold()

		if !time.Now().Before(next) {
			a.pass(ctx, share)

			// Nodes of one stack are launched together, and are not to read their disks together for ever.
			next = time.Now().Add(time.Duration(float64(a.every()) * (0.9 + 0.2*rand.Float64())))
		}

		a.glance(ctx)
		a.judge(ctx)

		select {
		case <-ctx.Done():
		case <-a.truth.asked:
		case <-time.After(a.Times.Glance):
		}
	}
}

func (a *Agent) every() time.Duration {
	if every, err := time.ParseDuration(a.node.Settings[SettingDriftEvery]); err == nil && every > 0 {
		return every
	}

	return a.Times.Every
}

func (a *Agent) settled(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, a.Times.Patience)
	defer cancel()

	for !a.Image.Settled() && ctx.Err() == nil {
		pause.For(ctx, a.Retry)
	}
}

// hold makes package managers refuse and mounts /usr read-only, once. Who makes it writable later means it, and
// is told on; what fails is tried again.
func (a *Agent) hold() {
	a.mu.Lock()
	held := a.truth.held
	a.mu.Unlock()

	if held {
		return
	}

	err := a.Image.Refuse(a.node.Node, a.node.Role)
	if err == nil {
		err = errors.Join(a.Image.Held(), a.Image.ReadOnly())
	}

	a.mu.Lock()
	defer a.mu.Unlock()

	if err == nil {
		a.truth.held = true
		a.truth.image.ReadOnly = true
		a.truth.image.Problem = ""
		a.Log.Info("held to the image: /usr is read-only, package managers refuse")

		return
	}

	if a.truth.image.Problem != err.Error() {
		a.Log.Warn("hold the node to its image", "err", err)
	}

	a.truth.image.Problem = err.Error()
}

func (a *Agent) firstLook(ctx context.Context) {
	pass, err := a.Image.CheckOwn(ctx)

	if ctx.Err() != nil {
		return
	}

	a.mu.Lock()
	defer a.mu.Unlock()

	a.truth.baked = found(pass, err)
}

// found are the findings of a comparison. One that cannot be made is one: a record that is gone is drift, too.
func found(pass immutable.Pass, err error) []status.Finding {
	if err == nil {
		return pass.Findings
	}

	return append(pass.Findings, status.Finding{
		Path: record.Path,
		What: "cannot be compared with: " + err.Error(),
	})
}

// pass compares the whole image with its record.
func (a *Agent) pass(ctx context.Context, share float64) {
	pass, err := a.Image.Check(ctx, share)

	if ctx.Err() != nil {
		return
	}

	a.Log.Info("image compared with its record",
		"files", pass.Checked,
		"drift", len(pass.Findings),
		"seconds", pass.Took.Seconds(),
	)

	a.mu.Lock()
	defer a.mu.Unlock()

	a.truth.baked = found(pass, err)
	a.truth.image.Checked, a.truth.image.Seconds = pass.Checked, pass.Took.Seconds()
	a.truth.image.CheckedAt = time.Now().UTC().Format(time.RFC3339)
}

// glance looks at what changes without a pass over the image: the files that the agent wrote, the mount, and
// the rules before the metadata service. That those were gone is a finding also when they are back.
func (a *Agent) glance(ctx context.Context) {
	writable, err := a.Image.Writable()
	rendered := a.renderedDrift()

	if what := a.Image.Guard(ctx); what != "" {
		rendered = append(rendered, status.Finding{Path: immutable.GuardFile, What: what})
	}

	a.mu.Lock()
	defer a.mu.Unlock()

	if err != nil {
		a.truth.image.Problem = err.Error()
	}

	a.truth.rendered = rendered
	if a.truth.held {
		a.truth.image.ReadOnly = len(writable) == 0

		for _, path := range writable {
			a.truth.rendered = append(a.truth.rendered, status.Finding{
				Path: path,
				What: "can be written to: " +
					"somebody undid the mount",
			})
		}
	}

	a.sum()
}

// renderedDrift looks at the files of templates.
func (a *Agent) renderedDrift() []status.Finding {
	a.truth.files.Lock()
	defer a.truth.files.Unlock()

	var found []status.Finding

	for _, template := range a.manifest.Templates {
		if what := a.touched(template); what != "" {
			found = append(found, status.Finding{
				Path: template.Path,
				What: what + " since the agent wrote it",
			})
		}
	}

	return found
}

// sum puts all findings together, and those that are new or over into the journal. The caller holds the mutex.
func (a *Agent) sum() {
	all := slices.Concat(a.truth.rendered, a.truth.baked)
	a.truth.image.DriftFiles = len(all)
	a.truth.image.Findings = append([]status.Finding{}, all[:min(len(all), status.MaxFindings)]...)
	now, fresh := map[status.Finding]bool{}, 0

	for _, finding := range a.truth.image.Findings {
		now[finding] = true
		if !a.truth.told[finding] {
			a.Log.Warn("drift", "path", finding.Path, "what", finding.What)
			fresh++
		}
	}

	if fresh > 0 {
		a.note(peerset.EventDrift, fmt.Sprintf(
			"%d files are not as they were baked or written, %s among them",
			len(all),
			a.truth.image.Findings[0].Path,
		))
	}

	for finding := range maps.Keys(a.truth.told) {
		if !now[finding] {
			a.Log.Info("drift is over", "path", finding.Path)
		}
	}

	a.truth.told = now
}

// Drift makes a whole pass at once, tells everything that is not as it was baked or written, and has it judged.
func (a *Agent) Drift(ctx context.Context) (status.Image, error) {
	a.mu.Lock()
	ready := a.phase == PhaseServing
	a.mu.Unlock()

	if !ready || a.Image == nil {
		return status.Image{}, errNothingToCompare
	}

	a.pass(ctx, 1)
	a.glance(ctx)
	a.truth.asked.Ring()

	image := a.imageStatus()
	a.mu.Lock()
	defer a.mu.Unlock()

	image.Findings = append(append([]status.Finding{}, a.truth.rendered...), a.truth.baked...)

	return image, ctx.Err()
}

func (a *Agent) serveDrift(w http.ResponseWriter, r *http.Request) {
	found, err := a.Drift(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}

	w.Header().Set("Content-Type", "application/json")

	_ = json.NewEncoder(w).Encode(found) // the caller went away: nobody is left to tell
}

// touched tells what somebody did to a file since the agent wrote it; "" when nothing. The caller holds the
// files' mutex.
func (a *Agent) touched(template roles.Template) string {
	note, ok := a.truth.files.notes[template.Path]
	if !ok {
		return ""
	}

	now, err := immutable.NoteOf(a.place(template))
	if err != nil {
		return "cannot be read: " + strings.TrimSpace(err.Error())
	}

	what := note.Since(now)
	if what == "" && a.linked(template) != nil {
		what = "is no link to " + a.place(template)
	}

	return what
}
