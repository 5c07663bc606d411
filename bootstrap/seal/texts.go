package seal

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/roles"
)

// checkerTimeout bounds one checker.
const checkerTimeout = time.Minute

// trial is one sample's texts on disk, below a root of their own.
type trial struct {
	*inspection
	sample sample
	root   string
}

// checkTexts renders every template for sample nodes and lets the manifests' checkers judge them, and the files
// that were baked. What one sample failed is not told again for the next.
func (n *inspection) checkTexts(ctx context.Context) {
	samples, err := n.samples()
	if err != nil {
		n.fault("this is the bootstrap's own fault: report it",
			"a sample node cannot be made: %v", err)

		return
	}

	for _, sample := range samples {
		before := len(n.report.Faults)
		n.tryTexts(ctx, sample)

		// The next sample would fail for the same reason.
		if len(n.report.Faults) > before {
			return
		}
	}
}

func (n *inspection) tryTexts(ctx context.Context, sample sample) {
	root, err := os.MkdirTemp(n.Scratch, "hornero-verify-")
	if err != nil {
		n.fault("leave room in "+n.Scratch, "sample texts cannot be written: %v", err)
		return
	}
	defer os.RemoveAll(root)

	t := trial{n, sample, root}

	if err := t.prepare(ctx); err != nil {
		n.fault("leave room in "+n.Scratch, "sample texts cannot be written: %v", err)
		return
	}

	for _, manifest := range n.manifests {
		manifest, err := manifest.Spread(sample.facts.Settings)
		if err != nil {
			n.fault("this is the bootstrap's own fault: report it", "the sample's sites cannot be read: %v", err)
			return
		}

		t.renderFacts(manifest)
		written := make([]bool, len(manifest.Templates))

		for at, template := range manifest.Templates {
			written[at] = t.write(manifest, template)
		}

		// All texts are written before one is judged: a checker may read several of them.
		for at, template := range manifest.Templates {
			if written[at] {
				t.judge(ctx, template.Path, filepath.Join(root, template.Path), template.Check)
				t.judge(ctx, template.Path, filepath.Join(root, template.Path), template.BakeCheck)
			}
		}

		// Baked files have checkers, too. They are judged where they lie.
		for _, file := range manifest.Files {
			t.judge(ctx, file.Path, n.at(file.Path), file.Check)
		}
	}
}

// isolated are the folders that a checker sees a copy of: what it reads is the image's, with the sample's texts
// in their places, and what it writes is gone with it.
var isolated = []string{"/etc", "/var/log"}

// isolate runs a program among the copies, in a mount namespace of its own. Its first argument is the copies' root.
const isolate = `mount -t tmpfs none /tmp && mount -t tmpfs none /var/tmp && ` +
	`mount --bind "$1/etc" /etc && mount --bind "$1/var/log" /var/log && shift && exec "$@"`

func (t trial) prepare(ctx context.Context) error {
	// A test's folder is not this machine's root: its checkers run without a namespace.
	if !t.real() {
		return nil
	}

	for _, folder := range isolated {
		parent := filepath.Join(t.root, filepath.Dir(folder))

		if err := os.MkdirAll(parent, 0o755); err != nil {
			return err
		}

		copying := command.Command{Args: []string{"cp", "-a", folder, parent}}
		if _, err := command.Run(ctx, copying); err != nil {
			return err
		}
	}

	// Daemons' users read what the checkers check.
	return os.Chmod(t.root, 0o755)
}

func (t trial) write(manifest *roles.Manifest, template roles.Template) bool {
	text, err := manifest.Render(template, t.sample.facts)
	if err != nil {
		t.fault("correct roles/"+template.File()+
			", or the manifest's secrets, settings or variables",
			"%s does not render for %s: %v", template.Path, t.sample.name, err)

		return false
	}

	mode, err := roles.ParseMode(template.Mode, 0o640)
	if err == nil {
		options := file.Options{Mode: mode, Owner: template.Owner}
		_, err = file.Write(filepath.Join(t.root, template.Path), text, options)
	}

	if err != nil {
		t.fault("name an owner that the role's packages make",
			"%s cannot be written: %s", template.Path, t.plain(err))

		return false
	}

	return true
}

// renderFacts renders what a manifest has in templates besides files: the addresses of what it serves, and tasks'
// environments.
func (t trial) renderFacts(manifest *roles.Manifest) {
	texts := map[string]string{}
	for _, serve := range manifest.Serves {
		texts["url of "+serve.Name] = serve.URL
	}

	for _, task := range manifest.Tasks {
		for name, text := range task.Env {
			texts["task "+task.Name+", "+name] = text
		}
	}

	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if _, err := manifest.RenderText(name, texts[name], t.sample.facts); err != nil {
			t.fault("correct it in roles/"+manifest.Name+"/role.yaml",
				"%s of role %s does not render for %s: %v", name, manifest.Name, t.sample.name, err)
		}
	}
}

// judge runs a checker over a file; path is the file's name in the image, and file where its text is now.
func (t trial) judge(ctx context.Context, path, file string, check []string) {
	if len(check) == 0 {
		return
	}

	args := roles.Checker(check, file)

	// A checker also reads files beside its argument: it runs where the sample's are the machine's.
	if t.real() {
		apart := []string{"unshare", "--mount", "--propagation", "private", "sh", "-c", isolate, "sh", t.root}
		args = append(apart, args...)
	}

	// A checker that waits for something would stop the bake.
	late := errors.New("it did not end in " + checkerTimeout.String())
	ctx, cancel := context.WithTimeoutCause(ctx, checkerTimeout, late)
	defer cancel()

	if _, err := command.Run(ctx, command.Command{Args: args}); err != nil {
		t.fault("correct what it complains of, in the role's folder",
			"%s is refused by %s for %s: %s", path, check[0], t.sample.name, t.plain(err))
	}
}

// complaint matches the lines in which programs complain; what else they say is about the machine that they run on.
var complaint = regexp.MustCompile(`(?i)error|emerg|alert|fatal|invalid|unknown`)

// plain is what a program complained of, with the image's paths instead of the trial's.
func (t trial) plain(err error) string {
	text := err.Error()

	if failure := new(command.Error); errors.As(err, &failure) {
		text = failure.Err.Error()
		if failure.Tail != "" {
			text += ": " + complaints(failure.Tail)
		}
	}

	return strings.ReplaceAll(text, t.root, "")
}

func complaints(said string) string {
	var lines []string
	for line := range strings.Lines(said) {
		if complaint.MatchString(line) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}

	// A program that complains in other words is quoted whole.
	if len(lines) == 0 {
		return said
	}

	return strings.Join(lines, "; ")
}
