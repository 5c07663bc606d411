package media

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/internal/space"
)

// How often something is tried that a Space did not do, and how long the first pause is; each is twice as long as the
// one before. DefaultStall is how long the bytes of an object may stand still.
const (
	maxTries     = 7
	DefaultStall = 30 * time.Second
)

// errStalled is a body of which nothing comes any more.
var errStalled = errors.New("no more bytes came")

// source is a Space that files are copied from.
type source struct {
	client *space.Client
	prefix string
	names  map[string]string // paths of objects whose keys say another one
	pause  time.Duration
	stall  time.Duration
}

// sourceInput is what the operator gives beside the address.
type sourceInput struct {
	key    string
	secret report.Secret
	names  map[string]string
}

// readSourceInput reads a key and its secret, a line each, and lines of a bucket, a key and a path with tabs between
// them. Nothing of what it cannot read is printed: it may be a secret.
func readSourceInput(in io.Reader, bucket string) (sourceInput, error) {
	given := sourceInput{names: map[string]string{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)

	for number := 1; lines.Scan(); number++ {
		line := strings.TrimRight(lines.Text(), "\r")
		fields := strings.Split(line, "\t")

		switch {
		case strings.TrimSpace(line) == "":
		case len(fields) == 3:
			if fields[0] == bucket {
				given.names[fields[1]] = fields[2]
			}

		case len(fields) == 1 && given.key == "":
			given.key = strings.TrimSpace(line)
		case len(fields) == 1 && given.secret == "":
			given.secret = report.Secret(strings.TrimSpace(line))

		default:
			return sourceInput{}, fmt.Errorf(
				"%w: line %d of standard input is neither a key, nor its secret, nor a bucket, an object and a file",
				ErrConfig,
				number,
			)
		}
	}

	if given.key != "" && given.secret == "" {
		return sourceInput{}, fmt.Errorf("%w: standard input has a key, and no secret in the line after it", ErrConfig)
	}

	return given, lines.Err()
}

// again tries until something is done, or until to try again is of no use.
func (s *source) again(ctx context.Context, do func() error) error { return again(ctx, s.pause, do) }

func again(ctx context.Context, wait time.Duration, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if err == nil || try == maxTries || ctx.Err() != nil || space.IsLasting(err) || isLocalFault(err) {
			return err
		}

		pause.For(ctx, wait)
		wait *= 2
	}
}

// isLocalFault tells whether the node's own disk did not do it.
func isLocalFault(err error) bool {
	var (
		path *fs.PathError
		link *os.LinkError
	)

	return errors.As(err, &path) || errors.As(err, &link)
}

// list lists all objects under the prefix. A page that fails is asked for again, and not those before it.
func (s *source) list(ctx context.Context) ([]space.Object, error) {
	var all []space.Object

	for token := ""; ; {
		var found []space.Object

		err := s.again(ctx, func() (err error) {
			var next string
			if found, next, err = s.client.Page(ctx, s.prefix, token); err == nil {
				token = next
			}

			return err
		})
		if err != nil {
			return nil, err
		}

		all = append(all, found...)

		if token == "" {
			return all, nil
		}
	}
}

// path is where an object belongs in the library.
func (s *source) path(key string) string {
	if name, ok := s.names[key]; ok {
		return name
	}

	return strings.TrimPrefix(strings.TrimPrefix(key, s.prefix), "/")
}

// fetch puts an object in its place in a folder, whole, or not at all.
func (s *source) fetch(ctx context.Context, what move, into *folder) error {
	return s.again(ctx, func() error { return s.fetchOnce(ctx, what, into) })
}

func (s *source) fetchOnce(ctx context.Context, what move, into *folder) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	object, body, err := s.client.Get(ctx, what.object.Key)
	if err != nil {
		return err
	}
	defer body.Close()

	// A service that sends no length has it in its listing.
	if object.Size < 0 || object.Tag == "" {
		object.Size, object.Tag = what.object.Size, what.object.Tag
	}

	guarded := newStallGuard(body, s.stall, func() { cancel(errStalled) })
	defer guarded.timer.Stop()

	entry := Entry{Path: what.path, Size: object.Size, Tag: object.Tag}
	body = guarded

	if object.Encoding == packing {
		body, entry.packed, err = unpackBody(object, guarded)
	}

	if err == nil {
		err = into.install(entry, body, func(Entry, stamp) error { return nil })
	}

	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return fmt.Errorf("get %s: %w", what.object.Key, errStalled)
	}

	return err
}

// stallGuard ends a reading of which nothing comes any more.
type stallGuard struct {
	io.ReadCloser

	timer *time.Timer
	limit time.Duration
}

func newStallGuard(body io.ReadCloser, limit time.Duration, end func()) stallGuard {
	return stallGuard{ReadCloser: body, timer: time.AfterFunc(limit, end), limit: limit}
}

// Read reads, and gives the next reading its time.
func (g stallGuard) Read(into []byte) (int, error) {
	count, err := g.ReadCloser.Read(into)
	if count > 0 {
		g.timer.Reset(g.limit)
	}

	return count, err
}
