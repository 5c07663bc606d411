package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hornero/hornero/internal/space"
)

// spaceHolder is the Space among those that have a file.
const spaceHolder = "the Space"

// markerName marks a Space as a library's. A listing without it is of another bucket, or of none.
const markerName = ".hornero-media"

// spaces is the store in a Space. The other nodes are told of what changes.
type spaces struct {
	client  *space.Client
	prefix  string // of all keys; empty or with a slash at its end
	private []string
	peers   *peers
	listed  atomic.Bool // all that the Space holds is known
}

func newSpaces(config Config, others *peers) *spaces {
	endpoint := config.Space.Endpoint
	if endpoint == "" {
		endpoint = space.Endpoint(config.Space.Region)
	}

	prefix := strings.Trim(config.Space.Prefix, "/")
	if prefix != "" {
		prefix += "/"
	}

	return &spaces{
		client: &space.Client{
			Endpoint: endpoint,
			Region:   config.Space.Region,
			Bucket:   config.Space.Bucket,
			Key:      config.Space.Key,
			Secret:   config.secret(),
			HTTP:     space.NewHTTP(),
		},
		prefix:  prefix,
		private: config.Private,
		peers:   others,
	}
}

// MakeSpace makes the Space of a configuration, where its key may.
func MakeSpace(ctx context.Context, config Config) error {
	return newSpaces(config, nil).client.MakeBucket(ctx)
}

// Keep puts a version into the Space, whole, and tells the others.
func (s *spaces) Keep(ctx context.Context, entry Entry, open func() (io.ReadCloser, error)) ([]string, error) {
	body, err := open()
	if err != nil {
		return nil, err
	}
	defer body.Close()

	err = s.client.Put(ctx, space.Upload{
		Key:  s.prefix + entry.Path,
		Body: body,
		Size: entry.Size,
		Sum:  entry.Sum,
		Type: typeOf(entry.Path),
		ACL:  s.acl(entry.Path),
	})
	if err != nil {
		return nil, err
	}

	s.peers.tell(ctx, entry)

	return []string{spaceHolder}, nil
}

// Remove removes a file from the Space, and tells the others.
func (s *spaces) Remove(ctx context.Context, entry Entry) ([]string, error) {
	if err := s.client.Delete(ctx, s.prefix+entry.Path); err != nil {
		return nil, err
	}

	s.peers.tell(ctx, entry)

	return []string{spaceHolder}, nil
}

// Fetch opens a file in the Space. For what nobody knows, the Space is asked only where it may be there: not all of it
// was listed, or a node that would know does not answer. A stranger's requests are not the Space's.
func (s *spaces) Fetch(ctx context.Context, name string, known Entry) (Entry, io.ReadCloser, error) {
	if known.Version.IsZero() && s.listed.Load() {
		entry, body, away, err := s.peers.find(ctx, name)
		if err == nil || !away {
			return entry, body, err
		}
	}

	object, body, err := s.client.Get(ctx, s.prefix+name)
	if errors.Is(err, space.ErrNotThere) {
		return Entry{}, nil, fmt.Errorf("%w: %w", ErrNotThere, err)
	}

	if err != nil {
		return Entry{}, nil, err
	}

	entry := s.opened(name, known, object)

	if object.Encoding != packing {
		return entry, body, nil
	}

	unpacked, wasPacked, err := unpackBody(object, body)
	if err != nil {
		return Entry{}, nil, errors.Join(err, body.Close())
	}

	entry.packed = wasPacked

	return entry, unpacked, nil
}

// opened is what an object is: what is known of it, or, where the Space has another, what that tells of itself.
func (s *spaces) opened(name string, known Entry, object space.Object) Entry {
	if known.Tag == object.Tag && known.Size == object.Size {
		return known
	}

	return Entry{
		Path:    name,
		Version: Version{Clock: max(object.Changed.UnixMicro(), known.Version.Clock+1), Node: spaceHolder},
		Base:    known.Version,
		Size:    object.Size,
		Tag:     object.Tag,
	}
}

// acl shows a file to everybody, but what is in a private folder, and code.
func (s *spaces) acl(name string) string {
	for _, folder := range s.private {
		if strings.HasPrefix(name, strings.Trim(folder, "/")+"/") {
			return space.Private
		}
	}

	if path.Ext(name) == ".php" {
		return space.Private
	}

	return space.Public
}

// typeOf is what browsers take a file for.
func typeOf(name string) string {
	if found := mime.TypeByExtension(strings.ToLower(path.Ext(name))); found != "" {
		return found
	}

	return "application/octet-stream"
}

// mark puts the marker where there is none.
func (s *spaces) mark(ctx context.Context, stack string) error {
	text := stack + "\n"

	err := s.client.Put(ctx, space.Upload{
		Key:  s.prefix + markerName,
		Body: strings.NewReader(text),
		Size: int64(len(text)),
		Sum:  sumOf(text),
		Type: "text/plain",
		ACL:  space.Private,
		New:  true,
	})
	if errors.Is(err, space.ErrTaken) {
		return nil
	}

	return err
}

// try puts, gets and removes an object of its own: what the key may do shows at once, and not with the first upload.
func (s *spaces) try(ctx context.Context, node string) error {
	key := s.prefix + markerName + "-try-" + node
	text := time.Now().String()

	err := s.client.Put(ctx, space.Upload{
		Key:  key,
		Body: strings.NewReader(text),
		Size: int64(len(text)),
		Sum:  sumOf(text),
		Type: "text/plain",
		ACL:  space.Private,
	})
	if err != nil {
		return err
	}

	_, body, err := s.client.Get(ctx, key)
	if err != nil {
		return err
	}
	defer body.Close()

	got, err := io.ReadAll(io.LimitReader(body, 1<<10))
	if err == nil && string(got) != text {
		err = fmt.Errorf("get %s: %w", key, ErrDamaged)
	}

	return errors.Join(err, s.client.Delete(ctx, key))
}

// ErrMarker is a listing that cannot be trusted.
var ErrMarker = errors.New("the Space has no marker of a library")

// list lists all files in the Space.
func (s *spaces) list(ctx context.Context) (map[string]space.Object, error) {
	found, marked := map[string]space.Object{}, false

	err := s.client.List(ctx, s.prefix, func(object space.Object) {
		name := strings.TrimPrefix(object.Key, s.prefix)
		marked = marked || name == markerName

		if checkPath(name) == nil && !isLocal(name) && !strings.HasSuffix(name, "/") {
			found[name] = object
		}
	})

	if err == nil && !marked {
		err = ErrMarker
	}

	return found, err
}
