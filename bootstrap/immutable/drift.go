package immutable

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/internal/status"
)

// Lengths of sums in hex.
const (
	md5Size    = 32
	sha256Size = 64
)

// Pass is one comparison of the image with its record.
type Pass struct {
	Checked  int
	Findings []status.Finding
	// Unseen says what could not be looked at, and why; "" when the pass is complete. That is a shortage of the node's
	// own (IsShortage), and no drift.
	Unseen string
	Took   time.Duration
}

// Check compares every file with what the image was baked with, and the packages with the record's. share is
// how much of one core the pass may take, from 0 to 1; the thread that does it has the lowest priority for CPU
// and disk.
func (i *Image) Check(ctx context.Context, share float64) (Pass, error) {
	return i.check(ctx, share, i.expect, true)
}

// CheckOwn compares what takes no time: Hornero's own files, the daemons, and the packages' versions.
func (i *Image) CheckOwn(ctx context.Context) (Pass, error) {
	return i.check(ctx, 1, i.expectOwn, false)
}

func (i *Image) check(
	ctx context.Context,
	share float64,
	expect func(record.Image) ([]expected, error),
	whole bool,
) (Pass, error) {
	// A slow pass in the background sees that somebody waits, and rests no more.
	i.waiting.Add(1)
	i.once.Lock()
	i.waiting.Add(-1)
	defer i.once.Unlock()

	pass, err := i.pass(ctx, share, expect, whole)
	if IsShortage(err) {
		return Pass{Unseen: err.Error()}, nil
	}

	return pass, err
}

func (i *Image) pass(
	ctx context.Context,
	share float64,
	expect func(record.Image) ([]expected, error),
	whole bool,
) (Pass, error) {
	image, err := i.readRecord()
	if err != nil {
		return Pass{}, err
	}

	list, err := expect(image)
	if err != nil {
		return Pass{}, err
	}

	started := time.Now()
	pass := Pass{Checked: len(list)}
	done := make(chan error, 1)

	var missed unseen

	// A goroutine of its own: compare gives its thread the lowest priority, and the thread ends with it.
	go func() {
		done <- i.compare(ctx, list, share, whole, &pass, &missed)
	}()

	if err := <-done; err != nil {
		return Pass{}, err
	}

	packages, err := i.comparePackages(image)
	if IsShortage(err) {
		missed.add("the packages", err)
		err = nil
	}

	pass.Findings = append(pass.Findings, packages...)
	pass.Unseen = missed.String()
	pass.Took = time.Since(started)

	return pass, err
}

// compare runs on a thread of its own, which ends with it. A whole comparison looks for files that are added, too.
func (i *Image) compare(
	ctx context.Context,
	list []expected,
	share float64,
	whole bool,
	pass *Pass,
	missed *unseen,
) error {
	lowerPriority()
	pace := newPace(share)

	for _, want := range list {
		have, err := i.look(want)

		switch {
		case err == nil:
			pass.Findings = append(pass.Findings, differences(want, have)...)
		case IsShortage(err):
			missed.add(want.path, err)
		default:
			pass.Findings = append(pass.Findings, status.Finding{
				Path: want.path,
				What: "cannot be read: " + err.Error(),
			})
		}

		if err := pace.rest(ctx, i.awaited); err != nil {
			return err
		}
	}

	if !whole {
		return nil
	}

	added, err := i.added(ctx, pace)
	if IsShortage(err) {
		missed.add("what is added", err)
		err = nil
	}

	pass.Findings = append(pass.Findings, added...)

	return err
}

// awaited tells whether somebody waits for this pass to end.
func (i *Image) awaited() bool { return i.waiting.Load() > 0 }

// actual is how a file is found.
type actual struct {
	attrs string
	same  bool // its bytes are those expected, or none are
}

func (i *Image) look(want expected) (actual, error) {
	name := i.at(want.path)

	attrs, err := i.Faults.attributesOf(name)
	if err != nil {
		return actual{}, err
	}

	have := actual{attrs: attrs}

	if want.sum == "" || have.attrs == absent || strings.HasPrefix(have.attrs, "link ") {
		// A link is judged by where it leads to, when the record has what is behind it.
		have.same = want.sum == ""
		if len(want.sum) == sha256Size && have.attrs != absent {
			sum, err := i.Faults.sumOf(name, sha256Size)
			if IsShortage(err) {
				return actual{}, err
			}

			have.same = err == nil && sum == want.sum
		}

		return have, nil
	}

	sum, err := i.Faults.sumOf(name, len(want.sum))

	// It went between the two looks.
	if errors.Is(err, os.ErrNotExist) {
		have.attrs = absent
		return have, nil
	}

	have.same = sum == want.sum

	return have, err
}

// differences judges one file. A file that was not there when the image was baked may be there or not.
func differences(want expected, have actual) []status.Finding {
	tell := func(format string, args ...any) []status.Finding {
		return []status.Finding{{
			Path: want.path,
			What: fmt.Sprintf(format, args...),
		}}
	}

	sameAttrs := want.attrs == "" || have.attrs == want.attrs
	changed := !have.same && !strings.HasPrefix(want.attrs, "link ")

	switch {
	case want.attrs == absent:
		return nil
	case have.attrs == absent:
		return tell("is missing")
	case !sameAttrs && changed:
		return tell("is changed, and is %s instead of %s", have.attrs, want.attrs)
	case !sameAttrs:
		return tell("is %s instead of %s", have.attrs, want.attrs)
	case changed:
		return tell("is changed")
	}

	return nil
}

// comparePackages holds the packages that dpkg has installed to the record's.
func (i *Image) comparePackages(image record.Image) ([]status.Finding, error) {
	data, err := i.Faults.readFile(i.at("/var/lib/dpkg/status"))
	if err != nil {
		return nil, fmt.Errorf("read the list of packages: %w", err)
	}

	have := installed(string(data))

	// Packages of either list are compared: one may be added, one may be gone.
	names := maps.Clone(have)
	maps.Copy(names, image.Packages)
	var found []status.Finding

	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, is := image.Packages[name], have[name]
		path := "package " + name

		switch {
		case was == is:
		case is == "":
			found = append(found, status.Finding{Path: path, What: "is missing"})
		case was == "":
			found = append(found, status.Finding{Path: path, What: "is added, version " + is})

		default:
			found = append(found, status.Finding{
				Path: path,
				What: "is version " + is + " instead of " + was,
			})
		}
	}

	return found, nil
}

// installed reads the versions of the packages whose files are there, from dpkg's status file (deb-control(5)
// paragraphs).
func installed(text string) map[string]string {
	versions := map[string]string{}

	for paragraph := range strings.SplitSeq(text, "\n\n") {
		fields := map[string]string{}

		for line := range strings.Lines(paragraph) {
			if name, value, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, " ") {
				fields[name] = strings.TrimSpace(value)
			}
		}

		// A package that was removed keeps its paragraph: the status tells.
		if strings.HasSuffix(fields["Status"], " installed") {
			versions[fields["Package"]] = fields["Version"]
		}
	}

	return versions
}

// Note is how a file is: what tells that somebody touched it.
type Note struct{ Sum, Attrs string }

// NoteOf looks at a file.
func NoteOf(name string) (Note, error) {
	return Faults(nil).NoteOf(name)
}

// NoteOf looks at a file, and fails where f does.
func (f Faults) NoteOf(name string) (Note, error) {
	attrs, err := f.attributesOf(name)
	if err != nil || attrs == absent {
		return Note{Attrs: attrs}, err
	}

	// The note needs the bytes, too: a text editor leaves mode and owner as they were.
	sum, err := f.sumOf(name, sha256Size)

	return Note{Sum: sum, Attrs: attrs}, err
}

// Since tells what became of a file since it was noted; "" when nothing did.
func (n Note) Since(now Note) string {
	switch {
	case now == n:
		return ""
	case now.Attrs == absent:
		return "is missing"
	case now.Sum == n.Sum:
		return "is " + now.Attrs + " instead of " + n.Attrs
	}

	return "is changed"
}

var errNotPlain = errors.New("it is no plain file")

// sumOf is a file's sum, MD5 or SHA-256 by its length in hex.
func (f Faults) sumOf(name string, length int) (string, error) {
	file, err := f.open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()

	info, err := file.Stat()
	if err != nil {
		return "", err
	}

	// A device or a pipe may never come to its end.
	if !info.Mode().IsRegular() {
		return "", errNotPlain
	}

	var digest hash.Hash

	switch length {
	case md5Size:
		digest = md5.New()
	case sha256Size:
		digest = sha256.New()
	default:
		return "", fmt.Errorf("sum %s: a sum of %d digits is of no known kind", name, length)
	}

	if err := f.copyAll(digest, file); err != nil {
		return "", err
	}

	return hex.EncodeToString(digest.Sum(nil)), nil
}
