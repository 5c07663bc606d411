package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/immutable"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/internal/status"
)

// The stack's settings about drift, in every node's document.
const (
	SettingDrift      = "drift"
	SettingDriftEvery = "drift_every"
)

// Image is what the node runs on. Its adapter is bootstrap/immutable.
type Image interface {
	// BootFinished tells whether cloud-init, which also writes at boot, has ended or does not run.
	BootFinished() bool
	// Refuse makes package managers refuse.
	Refuse(node, role string) error
	// MarkLocked notes, once in a node's life, since when files that appear are drift.
	MarkLocked() error
	// ReadOnly mounts /usr read-only where it is not.
	ReadOnly() error
	// Writable lists what ReadOnly should have mounted.
	Writable() ([]string, error)
	// EnsureMetadataGuard loads the rules before the metadata service again when they are gone, and says what was
	// wrong; "" when nothing was. An error means that nobody could look.
	EnsureMetadataGuard(ctx context.Context) (string, error)
	// CheckOwn compares what takes no time.
	CheckOwn(ctx context.Context) (immutable.Pass, error)
	// Check compares the files with the record, taking a share of one core.
	Check(ctx context.Context, share float64) (immutable.Pass, error)
}

// ImageTimes are when a node looks at its image; the zero value means the defaults.
type ImageTimes struct {
	BootTimeout time.Duration // how long cloud-init may take before the node is locked to its image all the same
	QuickEvery  time.Duration // between quick checks: the files that the agent wrote, the mount, the metadata guard
	First       time.Duration // from the first look to the first whole pass: a node that boots has better to do
	Every       time.Duration // between whole passes, unless the stack says otherwise
}

// Defaults, which a test shortens.
const (
	DefaultBootTimeout = 2 * time.Minute
	DefaultQuickEvery  = 10 * time.Second
	DefaultFirst       = time.Minute
	DefaultDriftEvery  = 6 * time.Hour
)

// Shares of one core that a comparison of the whole image takes.
const (
	backgroundShare = 0.05 // nobody waits for it
	wholeCore       = 1    // somebody asked for it
)

func (t *ImageTimes) complete() {
	t.BootTimeout = cmp.Or(t.BootTimeout, DefaultBootTimeout)
	t.QuickEvery = cmp.Or(t.QuickEvery, DefaultQuickEvery)
	t.First = cmp.Or(t.First, DefaultFirst)
	t.Every = cmp.Or(t.Every, DefaultDriftEvery)
}

// watchedNode is what an image watch asks of the node whose image it watches. It calls it with no mutex held.
type watchedNode interface {
	// fileDrift tells what somebody did to the files that the agent wrote. An error tells of those that could not be
	// looked at.
	fileDrift() ([]status.Finding, error)
	// surroundings are what the node and the peer set say that a quarantine depends on.
	surroundings() immutable.Situation
	// giveUpWork makes the node stop its work while another node of its role serves.
	giveUpWork(ctx context.Context, reason string) error
	// note adds an event about the node.
	note(kind, text string)
}

// imageWatch holds a node to its image: it finds drift from the image and from what the agent wrote, reports it, and
// has it acted on as the stack wants. Nothing that serves waits for it.
type imageWatch struct {
	image Image // nil when the node runs on none
	times ImageTimes
	retry time.Duration
	node  watchedNode
	log   *slog.Logger
	asked pause.Bell // somebody asked for a comparison: act on its result now

	mu     sync.Mutex
	state  status.Image
	baked  []status.Finding        // of the last comparison of the whole image
	unseen string                  // what that could not look at; "" for nothing
	recent []status.Finding        // of the last quick comparison
	logged map[status.Finding]bool // what is in the journal
	locked bool                    // package managers refuse, and /usr was read-only once
}

func newImageWatch(config Config, node watchedNode) *imageWatch {
	return &imageWatch{
		image:  config.Image,
		times:  config.Times,
		retry:  config.Retry,
		node:   node,
		log:    config.Log,
		asked:  pause.NewBell(),
		logged: map[status.Finding]bool{},
		state: status.Image{
			Findings: []status.Finding{},
			Action:   immutable.Report,
		},
	}
}

// status is what the watch knows now, with the first findings only.
func (w *imageWatch) status() status.Image {
	w.mu.Lock()
	defer w.mu.Unlock()

	state := w.state
	state.Findings = slices.Clone(state.Findings)

	return state
}

// quarantine is why the node gives its work up; "" when it does not.
func (w *imageWatch) quarantine() string {
	w.mu.Lock()
	defer w.mu.Unlock()

	return w.state.Quarantine
}

// run holds the node to its image and watches that it stays so, until ctx ends.
func (w *imageWatch) run(ctx context.Context, self peerset.Identity, settings map[string]string) {
	if w.image == nil {
		return
	}

	w.mu.Lock()
	w.state.Action = cmp.Or(settings[SettingDrift], immutable.Report)
	w.mu.Unlock()

	// User-data holds secrets: the guard before the metadata service is checked before anything is waited for.
	w.checkQuickly(ctx)
	w.awaitBoot(ctx)

	// This takes no time: a node that just booted has a first result soon.
	w.checkOwn(ctx)

	every := w.interval(settings)
	next := time.Now().Add(w.times.First)

	for ctx.Err() == nil {
		w.lock(self)

		if !time.Now().Before(next) {
			complete := w.checkWhole(ctx, backgroundShare)

			// Nodes of one stack are launched together, and are not to read their disks together for ever.
			spread := 0.9 + 0.2*rand.Float64()
			pause := every

			// What could not be looked at may be there again soon.
			if !complete {
				pause = min(every, w.times.First)
			}

			next = time.Now().Add(time.Duration(float64(pause) * spread))
		}

		w.checkQuickly(ctx)
		w.act(ctx)

		select {
		case <-ctx.Done():
		case <-w.asked:
		case <-time.After(w.times.QuickEvery):
		}
	}
}

func (w *imageWatch) interval(settings map[string]string) time.Duration {
	every, err := time.ParseDuration(settings[SettingDriftEvery])
	if err != nil || every <= 0 {
		return w.times.Every
	}

	return every
}

// awaitBoot waits for what else writes at boot: cloud-init must not find /usr read-only.
func (w *imageWatch) awaitBoot(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, w.times.BootTimeout)
	defer cancel()

	for !w.image.BootFinished() && ctx.Err() == nil {
		pause.For(ctx, w.retry)
	}
}

// lock makes package managers refuse and mounts /usr read-only, once. A later remount is reported as drift, and not
// undone. What fails is tried again.
func (w *imageWatch) lock(self peerset.Identity) {
	w.mu.Lock()
	locked := w.locked
	w.mu.Unlock()

	if locked {
		return
	}

	err := w.image.Refuse(self.Name, self.Role)
	if err == nil {
		err = errors.Join(w.image.MarkLocked(), w.image.ReadOnly())
	}

	w.mu.Lock()
	defer w.mu.Unlock()

	if err == nil {
		w.locked = true
		w.state.ReadOnly = true
		w.state.Problem = ""
		w.log.Info("held to the image: /usr is read-only, package managers refuse")

		return
	}

	// It is tried at every quick check: the same failure is logged once.
	if w.state.Problem != err.Error() {
		w.log.Warn("hold the node to its image", "err", err)
	}

	w.state.Problem = err.Error()
}

// checkOwn compares what takes no time, so that a node that just booted has a result.
func (w *imageWatch) checkOwn(ctx context.Context) {
	pass, err := w.image.CheckOwn(ctx)
	if ctx.Err() != nil {
		return
	}

	w.mu.Lock()
	defer w.mu.Unlock()

	w.baked, w.unseen = judge(pass, err, w.baked), pass.Unseen
}

// checkWhole compares the whole image with its record, and tells whether it could look at all of it.
func (w *imageWatch) checkWhole(ctx context.Context, share float64) (complete bool) {
	pass, err := w.image.Check(ctx, share)
	if ctx.Err() != nil {
		// Half a comparison says nothing.
		return false
	}

	w.log.Info("image compared with its record",
		"files", pass.Checked,
		"drift", len(pass.Findings),
		"seconds", pass.Took.Seconds(),
	)

	w.mu.Lock()
	defer w.mu.Unlock()

	w.baked, w.unseen = judge(pass, err, w.baked), pass.Unseen

	if pass.Checked > 0 {
		w.state.Checked, w.state.Seconds = pass.Checked, pass.Took.Seconds()
		w.state.CheckedAt = time.Now().UTC().Format(time.RFC3339)
	}

	return pass.Unseen == ""
}

// judge are the findings that stand after a comparison of the image. What could not be looked at is taken to be as it
// was seen last.
func judge(pass immutable.Pass, err error, before []status.Finding) []status.Finding {
	found := findings(pass, err)

	if pass.Unseen != "" {
		found = withEarlier(found, before)
	}

	return found
}

// withEarlier adds the findings of before about paths that are not among those of now.
func withEarlier(found, before []status.Finding) []status.Finding {
	all := slices.Clone(found)

	for _, earlier := range before {
		again := slices.ContainsFunc(found, func(f status.Finding) bool { return f.Path == earlier.Path })
		if !again {
			all = append(all, earlier)
		}
	}

	return all
}

// findings are those of a comparison. A comparison that fails is a finding as well: a missing record is drift, too.
func findings(pass immutable.Pass, err error) []status.Finding {
	if err == nil {
		return pass.Findings
	}

	return append(pass.Findings, status.Finding{
		Path: record.Path,
		What: "cannot be compared with: " + err.Error(),
	})
}

// checkQuickly looks at what can be seen without reading the image: the files that the agent wrote, the mount, and
// the rules before the metadata service. Rules that were gone are a finding also when they are back.
func (w *imageWatch) checkQuickly(ctx context.Context) {
	writable, noMount := w.image.Writable()
	found, noFiles := w.node.fileDrift()

	what, noGuard := w.image.EnsureMetadataGuard(ctx)
	if what != "" {
		found = append(found, status.Finding{Path: immutable.GuardFile, What: what})
	}

	// Each look is tried whatever became of the others.
	unseen := errors.Join(noMount, noFiles, noGuard)

	if news := w.tellUnseen(unseen); news != "" {
		w.node.note(peerset.EventUnseen, news)
	}

	if summary := w.record(found, writable, unseen); summary != "" {
		w.node.note(peerset.EventDrift, summary)
	}
}

// tellUnseen keeps what could not be looked at for the status, and returns it for the peer set when the node could look
// at everything until now. The causes change from one look to the next, so only the first is told.
func (w *imageWatch) tellUnseen(quick error) (news string) {
	w.mu.Lock()
	defer w.mu.Unlock()

	before := w.state.Unseen
	w.state.Unseen = w.unseen

	if quick != nil {
		w.state.Unseen = strings.ReplaceAll(quick.Error(), "\n", "; ")
	}

	switch {
	case before == "" && w.state.Unseen != "":
		w.log.Warn("could not compare with the image: no drift, and not known to be none", "what", w.state.Unseen)

		return "could not compare: " + w.state.Unseen

	case before != "" && w.state.Unseen == "":
		w.log.Info("everything can be compared again")
	}

	return ""
}

// record takes the result of a quick comparison in. It logs the findings that are new or over, and returns a summary
// for the peer set when some are new.
func (w *imageWatch) record(found []status.Finding, writable []string, unseen error) (summary string) {
	w.mu.Lock()
	defer w.mu.Unlock()

	// Before the node is locked, a writable /usr is no drift.
	if w.locked && unseen == nil {
		w.state.ReadOnly = len(writable) == 0

		for _, path := range writable {
			found = append(found, status.Finding{
				Path: path,
				What: "can be written to: somebody undid the mount",
			})
		}
	}

	if unseen != nil {
		found = withEarlier(found, w.recent)
	}

	w.recent = found
	all := slices.Concat(w.recent, w.baked)
	shown := all[:min(len(all), status.MaxFindings)]

	w.state.DriftFiles = len(all)

	// An empty list must not become null in JSON.
	w.state.Findings = append([]status.Finding{}, shown...)

	known := w.logged
	w.logged = map[status.Finding]bool{}

	for _, finding := range shown {
		w.logged[finding] = true

		if !known[finding] {
			w.log.Warn("drift", "path", finding.Path, "what", finding.What)
			summary = fmt.Sprintf("%d files are not as they were baked or written, %s among them",
				len(all), shown[0].Path)
		}
	}

	for finding := range known {
		if !w.logged[finding] {
			w.log.Info("drift is over", "path", finding.Path)
		}
	}

	return summary
}

// checkNow compares everything at once, and has the result acted on. It returns all findings.
func (w *imageWatch) checkNow(ctx context.Context) (status.Image, error) {
	w.checkWhole(ctx, wholeCore)
	w.checkQuickly(ctx)

	// Only the loop acts on drift: to act twice at once would drain the node twice.
	w.asked.Ring()

	w.mu.Lock()
	defer w.mu.Unlock()

	state := w.state
	state.Findings = append(append([]status.Finding{}, w.recent...), w.baked...)

	return state, ctx.Err()
}

// decide is what the node should do about drift, and why.
func (w *imageWatch) decide() (immutable.Move, string) {
	situation := w.node.surroundings()

	w.mu.Lock()
	situation.Action = w.state.Action
	situation.Drift = w.state.DriftFiles
	situation.Quarantined = w.state.Quarantine != ""
	w.mu.Unlock()

	return immutable.Decide(situation)
}

// act does about drift what the stack wants done.
func (w *imageWatch) act(ctx context.Context) {
	move, reason := w.decide()

	// Giving the work up takes minutes: no mutex is held meanwhile.
	if move == immutable.Leave {
		if err := w.node.giveUpWork(ctx, reason); err != nil && ctx.Err() == nil {
			move, reason = immutable.Hold, err.Error()
		}
	}

	w.mu.Lock()
	defer w.mu.Unlock()

	switch move {
	case immutable.Back:
		w.log.Info("quarantine ends", "reason", reason)
		w.state.Quarantine = ""
		w.state.Held = ""

	case immutable.Hold:
		if w.state.Held != reason {
			w.log.Warn("drift, and no quarantine", "reason", reason)
		}

		w.state.Held = reason

	default:
		w.state.Held = ""
	}
}

// setQuarantine makes the node count as one that gives its work up, from now on.
func (w *imageWatch) setQuarantine(reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()

	w.state.Quarantine = reason
}
