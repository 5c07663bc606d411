package media

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hornero/hornero/internal/space"
)

// ErrIncomplete is an import after which not all is there.
var ErrIncomplete = errors.New("not all files are in the library")

// SpaceImport is what an import of a Space is told.
type SpaceImport struct {
	From     space.Address
	DryRun   bool
	Out      io.Writer // what was done
	Progress io.Writer

	// Times that a test shortens.
	Pause time.Duration
	Stall time.Duration
}

// spaceImport copies the objects of a Space into a library.
type spaceImport struct {
	SpaceImport

	socket string
	source *source
	own    *spaces // the library's Space; nil where it has none
	folder *folder
	within atomic.Bool // the service copies by itself
	plan   moves

	mu     sync.Mutex
	failed []refusedObject
	added  int
	bytes  int64
}

// ImportSpace copies the objects of a Space into the library of the daemon that answers at a socket. A file that is
// there is passed over. Objects that are the library's own already stay as they are. in gives the Space's key and
// secret, a line each; without them, the library's own are used.
func ImportSpace(ctx context.Context, config Config, socket string, what SpaceImport, in io.Reader) error {
	i, err := newSpaceImport(config, socket, what, in)
	if err != nil {
		return err
	}
	defer i.folder.root.Close()

	if err := i.look(ctx, config.Prefix); err != nil {
		return fmt.Errorf("import: %w", err)
	}

	if i.DryRun {
		return i.tellPlan()
	}

	if err := i.copyAll(ctx); err != nil {
		return fmt.Errorf(
			"import: %w; %d files were added, begin again to go on",
			err,
			i.added,
		)
	}

	if err := i.compare(ctx); err != nil {
		return fmt.Errorf("import: %w", err)
	}

	return i.conclude(ctx)
}

func newSpaceImport(config Config, socket string, what SpaceImport, in io.Reader) (*spaceImport, error) {
	given, err := readSourceInput(in, what.From.Bucket)
	if err != nil {
		return nil, err
	}

	owner, err := config.owner()
	if err != nil {
		return nil, err
	}

	i := &spaceImport{SpaceImport: what, socket: socket}

	if config.Store == StoreSpaces {
		i.own = newSpaces(config, nil)
		i.own.client.HTTP = space.NewPatientHTTP()
	}

	if err := i.open(config, given); err != nil {
		return nil, err
	}

	i.folder, err = openFolder(config.Folder, owner, "")

	return i, err
}

// open finds out by which key the Space is read, and who copies.
func (i *spaceImport) open(config Config, given sourceInput) error {
	i.source = &source{
		prefix: i.From.Prefix,
		names:  given.names,
		pause:  cmp.Or(i.Pause, DefaultPause),
		stall:  cmp.Or(i.Stall, DefaultStall),
	}

	service := i.own != nil && i.From.SameService(i.ownAddress())
	i.within.Store(service)

	if given.key == "" {
		if !service {
			return fmt.Errorf(
				"%w: say the Space's key and its secret on standard input, a line each",
				ErrConfig,
			)
		}

		given.key, given.secret = config.Space.Key, config.secret()
	}

	i.source.client = &space.Client{
		Endpoint: i.From.Endpoint,
		Region:   i.From.Region,
		Bucket:   i.From.Bucket,
		Key:      given.key,
		Secret:   given.secret,
		HTTP:     space.NewHTTP(),
	}

	return nil
}

func (i *spaceImport) ownAddress() space.Address {
	return space.Address{
		Endpoint: i.own.client.Endpoint,
		Region:   i.own.client.Region,
		Bucket:   i.own.client.Bucket,
		Prefix:   i.own.prefix,
	}
}

// look lists the Space, and what the library knows, and says what is to be done.
func (i *spaceImport) look(ctx context.Context, address string) error {
	// Without a daemon all would lie here, and nowhere else.
	if err := i.compare(ctx); err != nil {
		return err
	}

	objects, err := i.source.list(ctx)
	if err != nil {
		return err
	}

	if len(objects) == 0 {
		return fmt.Errorf(
			"%w: nothing in bucket %s begins with %q",
			ErrNotThere,
			i.From.Bucket,
			i.From.Prefix,
		)
	}

	known, err := askEntries(ctx, i.socket)
	if err != nil {
		return err
	}

	var own ownObjects
	if i.own != nil {
		own = ownObjects{same: i.From.Same(i.ownAddress()), prefix: i.own.prefix}
	}

	i.plan = planMoves(objects, i.source, own, known)

	if err := checkPrefix(i.plan.wanted, strings.Trim(address, "/")+"/"); err != nil {
		return err
	}

	return i.tellRefused()
}

// checkPrefix refuses what would lie in the library as in the Space's root: its files' own addresses begin so.
func checkPrefix(wanted []move, address string) error {
	count := 0

	for _, one := range wanted {
		if strings.HasPrefix(one.path, address) {
			count++
		}
	}

	if count*2 <= len(wanted) || count == 0 {
		return nil
	}

	return fmt.Errorf(
		"%w: names of its objects begin with %s; write that at the end of the Space's address",
		ErrPath,
		address,
	)
}

// compare has the nodes learn what is in the library's Space.
func (i *spaceImport) compare(ctx context.Context) error {
	if i.own == nil {
		return nil
	}

	answer, err := ask(ctx, i.socket, http.MethodPost, "/compare", nil)
	if err != nil {
		return err
	}

	return answer.Body.Close()
}

// copyAll copies in parts that are small enough for the disk.
func (i *spaceImport) copyAll(ctx context.Context) error {
	var total int64
	for _, one := range i.plan.wanted {
		total += one.object.Size
	}

	for wanted := i.plan.wanted; len(wanted) > 0; {
		count := partOf(wanted)

		if err := i.copyPart(ctx, wanted[:count]); err != nil {
			return err
		}

		wanted = wanted[count:]

		_, err := fmt.Fprintf(
			i.Progress,
			"%d of %d files, %d of %d MiB\n",
			i.added,
			len(i.plan.wanted),
			i.bytes>>20,
			total>>20,
		)
		if err != nil {
			return err
		}
	}

	return nil
}

// partOf is how many files are put in their places before they are waited for.
func partOf(wanted []move) int {
	var bytes int64

	for at, one := range wanted {
		if bytes += one.object.Size; at > 0 && (at == importBatch || bytes > importBytes) {
			return at
		}
	}

	return len(wanted)
}

func (i *spaceImport) copyPart(ctx context.Context, part []move) error {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(DefaultWorkers)

	var (
		mu     sync.Mutex
		placed []string
	)

	for _, one := range part {
		group.Go(func() error {
			here, err := i.copyOne(within, one)
			if here {
				mu.Lock()
				placed = append(placed, one.path)
				mu.Unlock()
			}

			return err
		})
	}

	err := group.Wait()

	// What is in its place is kept, also where the rest was not copied.
	slices.Sort(placed)

	return errors.Join(err, i.settle(ctx, placed))
}

// copyOne copies an object: within the service, where that may be, and otherwise to this node (here).
func (i *spaceImport) copyOne(ctx context.Context, one move) (here bool, err error) {
	done, err := i.copyWithin(ctx, one)
	if err == nil && !done {
		here, err = true, i.source.fetch(ctx, one, i.folder)
	}

	switch {
	case err == nil:
		i.count(one)
		return here, nil
	case isOfOne(err):
		return false, i.fail(one, err)
	}

	return false, err
}

// copyWithin has the service copy. It is not done where the library's key may not read the other bucket.
func (i *spaceImport) copyWithin(ctx context.Context, one move) (done bool, err error) {
	if !i.within.Load() || one.object.Size > space.MaxCopy {
		return false, nil
	}

	var tag string

	err = i.source.again(ctx, func() (err error) {
		tag, err = i.own.client.Copy(ctx, space.Copy{
			Bucket: i.From.Bucket,
			Source: one.object.Key,
			Key:    i.own.prefix + one.path,
			ACL:    i.own.acl(one.path),
		})

		return err
	})

	if errors.Is(err, space.ErrRefused) {
		i.within.Store(false)
	}

	if space.IsLasting(err) {
		return false, nil
	}

	// Another object by now: what is read of it is what it is.
	wrong := isWhole(tag) && isWhole(one.object.Tag) && tag != one.object.Tag

	return err == nil && !wrong, err
}

func (i *spaceImport) count(one move) {
	i.mu.Lock()
	defer i.mu.Unlock()

	i.added++
	i.bytes += one.object.Size
}

// fail names an object that cannot be had. The others can.
func (i *spaceImport) fail(one move, why error) error {
	i.mu.Lock()
	defer i.mu.Unlock()

	i.failed = append(i.failed, refusedObject{key: one.object.Key, why: why.Error()})

	_, err := fmt.Fprintf(i.Out, "not copied: %s: %v\n", one.object.Key, why)

	return err
}

// settle waits until files are kept that are in their places.
func (i *spaceImport) settle(ctx context.Context, paths []string) error {
	if len(paths) == 0 {
		return nil
	}

	return i.source.again(ctx, func() error { return settle(ctx, i.socket, paths) })
}
