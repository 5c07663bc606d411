package archive

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ulikunitz/xz"

	"github.com/hornero/hornero/internal/file"
)

// list is what one suite offers.
type list struct {
	signed      signed
	asked       asked
	packages    [][]byte // of each component, unpacked
	unreachable error    // why it is the kept one though its time has come
}

// asked is when a mirror last said that the list is the newest.
type asked struct {
	At           time.Time `json:"at"`
	LastModified string    `json:"last_modified"` // the mirror's words
}

// Names of a suite's files in the folder. A component's list is named by its digest: two that run at once write the
// same bytes.
const (
	signedFile = "InRelease"
	askedFile  = "asked.json"
)

// folder is where a suite's files are kept, whatever mirror they came from: they are Debian's.
func (a *Archive) folder(s source) string {
	return filepath.Join(a.Folder, strings.ReplaceAll(s.suite, "/", "_"))
}

// read reads one of a suite's files in the folder.
func (a *Archive) read(s source, name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(a.folder(s), name))
}

// keep writes one.
func (a *Archive) keep(s source, name string, data []byte) error {
	path := filepath.Join(a.folder(s), name)

	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keep the package lists: %w", err)
	}

	_, err := file.Write(path, data, file.Options{})

	return err
}

// current is the kept list where the mirror was asked not long ago, and else the mirror's.
func (a *Archive) current(ctx context.Context, s source, keys keyring) (list, error) {
	kept, keptErr := a.kept(s, keys)

	// A clock that was set back must not make a list good for longer.
	since := a.Now().Sub(kept.asked.At)
	if keptErr == nil && since >= 0 && since < a.Interval {
		return kept, nil
	}

	fetched, err := a.fetch(ctx, s, keys, kept, keptErr == nil)
	if errors.Is(err, ErrUnreachable) && keptErr == nil && ctx.Err() == nil {
		kept.unreachable = err
		return kept, nil
	}

	return fetched, err
}

// kept reads what is in the folder, and checks it like what comes from a mirror.
func (a *Archive) kept(s source, keys keyring) (list, error) {
	notKept := func(err error) (list, error) {
		return list{}, fmt.Errorf("%w: %s of %s: %w", ErrNotKept, s.suite, s.mirror, err)
	}

	data, err := a.read(s, signedFile)
	if err != nil {
		return notKept(err)
	}

	var found list

	found.signed, err = verify(data, s.suite, keys, a.Now())
	if err != nil {
		return notKept(err)
	}

	// Without it the mirror is asked.
	if text, err := a.read(s, askedFile); err == nil {
		_ = json.Unmarshal(text, &found.asked)
	}

	for _, component := range s.components {
		name, want, err := found.signed.packages(component)
		if err != nil {
			return notKept(err)
		}

		packages, err := a.keptPackages(s, name, want)
		if err != nil {
			return notKept(err)
		}

		found.packages = append(found.packages, packages)
	}

	return found, nil
}

func (a *Archive) keptPackages(s source, name string, want sum) ([]byte, error) {
	data, err := a.read(s, want.sha256)
	if err != nil {
		return nil, err
	}

	return unpack(name, want, data)
}

// packages chooses the file that lists a component's packages.
func (s signed) packages(component string) (string, sum, error) {
	// Debian's own archive has xz everywhere; others have gzip, too.
	for _, kind := range []string{".xz", ".gz", ""} {
		name := component + "/binary-" + Architecture + "/Packages" + kind
		if want, there := s.files[name]; there && want.size <= maxList {
			return name, want, nil
		}
	}

	return "", sum{}, fmt.Errorf("it has no list of %s packages of %s", Architecture, component)
}

// unpack checks a component's list and unpacks it.
func unpack(name string, want sum, data []byte) ([]byte, error) {
	got := sha256.Sum256(data)

	if int64(len(data)) != want.size {
		return nil, fmt.Errorf("%s has %d bytes where %d are signed", name, len(data), want.size)
	}
	if hex.EncodeToString(got[:]) != want.sha256 {
		return nil, fmt.Errorf("%s is not the one that is signed", name)
	}

	var reader io.Reader = bytes.NewReader(data)
	var err error

	switch filepath.Ext(name) {
	case ".xz":
		reader, err = xz.NewReader(reader)
	case ".gz":
		reader, err = gzip.NewReader(reader)
	}

	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}

	text, err := io.ReadAll(reader)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}

	return text, nil
}

// fetch asks the mirror. Where its list is the one that is kept, nothing is read again.
func (a *Archive) fetch(ctx context.Context, s source, keys keyring, kept list, good bool) (list, error) {
	base := strings.TrimSuffix(s.mirror, "/") + "/dists/" + s.suite + "/"
	since := ""

	if good {
		since = kept.asked.LastModified
	}

	data, modified, err := a.get(ctx, base+signedFile, since, maxSigned)
	if errors.Is(err, errNotModified) {
		return kept, a.noteAsked(s, &kept, cmp.Or(modified, since))
	}
	if err != nil {
		return list{}, err
	}

	var found list

	found.signed, err = verify(data, s.suite, keys, a.Now())
	if err != nil {
		return list{}, refused(base+signedFile, err)
	}

	// A mirror that lags behind another, or shows an old list again, would take updates back.
	if good && found.signed.date.Before(kept.signed.date) {
		return kept, a.noteAsked(s, &kept, modified)
	}

	for _, component := range s.components {
		packages, err := a.fetchPackages(ctx, s, base, component, found.signed)
		if err != nil {
			return list{}, err
		}

		found.packages = append(found.packages, packages)
	}

	// After the lists: an InRelease in the folder has those that it names.
	err = a.keep(s, signedFile, data)
	if err != nil {
		return list{}, err
	}

	return found, errors.Join(
		a.noteAsked(s, &found, modified),
		a.dropOthers(s, found.signed),
	)
}

// fetchPackages reads a component's list, unless it is kept, and keeps it.
func (a *Archive) fetchPackages(ctx context.Context, s source, base, component string, said signed) ([]byte, error) {
	name, want, err := said.packages(component)
	if err != nil {
		return nil, refused(base+signedFile, err)
	}

	if text, err := a.keptPackages(s, name, want); err == nil {
		return text, nil
	}

	// By its digest: the mirror may be in the middle of an update, with the name's file newer than the signed list.
	address := base + name
	if said.byHash {
		address = base + filepath.Dir(name) + "/by-hash/SHA256/" + want.sha256
	}

	data, _, err := a.get(ctx, address, "", want.size+1)
	if err != nil {
		return nil, err
	}

	text, err := unpack(name, want, data)
	if err != nil {
		return nil, refused(address, err)
	}

	return text, a.keep(s, want.sha256, data)
}

func refused(address string, err error) error {
	const help = "if another mirror does no better, --no-updates-check bakes without them"
	return fmt.Errorf("%w: %s: %w; %s", ErrRefused, address, err, help)
}

// noteAsked writes down that the mirror was asked now.
func (a *Archive) noteAsked(s source, found *list, modified string) error {
	found.asked = asked{
		At:           a.Now(),
		LastModified: modified,
	}

	text, err := json.Marshal(found.asked)
	if err != nil {
		return err
	}

	return a.keep(s, askedFile, text)
}

// dropOthers removes lists that are newer no more.
func (a *Archive) dropOthers(s source, said signed) error {
	keep := []string{signedFile, askedFile}

	for _, component := range s.components {
		if _, want, err := said.packages(component); err == nil {
			keep = append(keep, want.sha256)
		}
	}

	entries, err := os.ReadDir(a.folder(s))
	if err != nil {
		return fmt.Errorf("look through the kept package lists: %w", err)
	}

	for _, entry := range entries {
		// One that begins with a dot is another run's, and on its way.
		name := entry.Name()
		if slices.Contains(keep, name) || strings.HasPrefix(name, ".") {
			continue
		}

		gone := os.Remove(filepath.Join(a.folder(s), name))
		err = errors.Join(err, gone)
	}

	return err
}

// errNotModified is a mirror's answer that a file is as it was.
var errNotModified = errors.New("not modified")

// get reads a file of at most so many bytes, and what the mirror says of its time.
func (a *Archive) get(ctx context.Context, address, since string, limit int64) ([]byte, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrUnreachable, err)
	}

	// What is compressed is so by itself, and its digest is that of the bytes that are sent.
	request.Header.Set("Accept-Encoding", "identity")
	if since != "" {
		request.Header.Set("If-Modified-Since", since)
	}

	answer, err := a.client.Do(request)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer answer.Body.Close()

	modified := answer.Header.Get("Last-Modified")

	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotModified:
		return nil, modified, errNotModified
	default:
		return nil, "", fmt.Errorf("%w: GET %s: %s", ErrUnreachable, address, answer.Status)
	}

	data, err := io.ReadAll(io.LimitReader(answer.Body, limit))
	if err != nil {
		return nil, "", refused(address, fmt.Errorf("it broke off: %w", err))
	}

	return data, modified, nil
}
