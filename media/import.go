package media

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
)

// importBatch is how many files are put in their places before they are waited for, and importBytes how much: a library
// larger than the disk is evicted meanwhile.
const (
	importBatch = 100
	importBytes = 256 << 20
)

// importer puts the files of an archive into a library.
type importer struct {
	folder *folder
	socket string
	out    io.Writer

	batch                  []string
	bytes                  int64 // of the batch
	added, passed, skipped int
}

// Import puts the files of a tar archive, packed by gzip or not, into the library of the daemon that answers at a
// socket. A file that is there with the same bytes is passed over.
func Import(ctx context.Context, config Config, socket string, from io.Reader, out io.Writer) error {
	owner, err := config.owner()
	if err != nil {
		return err
	}

	// Without a daemon all would lie here, and nowhere else.
	if _, err := AskStatus(ctx, socket); err != nil {
		return err
	}

	to, err := openFolder(config.Folder, owner, "")
	if err != nil {
		return err
	}
	defer to.root.Close()

	archive, err := unpack(from)
	if err != nil {
		return err
	}

	i := &importer{folder: to, socket: socket, out: out}
	if err := i.all(ctx, archive); err != nil {
		return fmt.Errorf(
			"import: %w; %d files were added, begin again to go on",
			err,
			i.added,
		)
	}

	_, err = fmt.Fprintf(
		out,
		"%d files added, %d were there, %d passed over\n",
		i.added,
		i.passed,
		i.skipped,
	)

	return err
}

func unpack(from io.Reader) (*tar.Reader, error) {
	buffered := bufio.NewReader(from)

	// The first two bytes of gzip (RFC 1952). A shorter input is told by tar.
	head, _ := buffered.Peek(2)
	if string(head) != "\x1f\x8b" {
		return tar.NewReader(buffered), nil
	}

	unpacked, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}

	return tar.NewReader(unpacked), nil
}

func (i *importer) all(ctx context.Context, archive *tar.Reader) error {
	seen := 0

	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) && seen > 0 {
			return i.settle(ctx)
		}

		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}

		seen++

		if err := i.one(header, archive); err != nil {
			return err
		}

		if len(i.batch) >= importBatch || i.bytes >= importBytes {
			if err := i.settle(ctx); err != nil {
				return err
			}
		}
	}
}

func (i *importer) one(header *tar.Header, body io.Reader) error {
	name := path.Clean(strings.TrimPrefix(header.Name, "/"))

	switch {
	case header.Typeflag == tar.TypeDir:
		return nil
	case header.Typeflag != tar.TypeReg || checkPath(name) != nil || isLocal(name):
		i.skipped++
		_, err := fmt.Fprintf(
			i.out,
			"passed over: %s\n",
			header.Name,
		)

		return err
	}

	// Two readings of the archive would need it twice: what is there is compared after it was written beside.
	there, _, missing := i.folder.measure(name)
	same := errors.New("the same")

	err := i.folder.put(name, body, func(entry Entry, _ stamp) error {
		if missing == nil && entry.Sum == there.Sum {
			return same
		}

		return nil
	})
	if errors.Is(err, same) {
		i.passed++
		return nil
	}

	if err != nil {
		return err
	}

	i.added++
	i.batch = append(i.batch, name)
	i.bytes += header.Size

	return nil
}

func (i *importer) settle(ctx context.Context) error {
	// The daemon goes on trying what it could not keep.
	err := again(ctx, DefaultPause, func() error { return settle(ctx, i.socket, i.batch) })
	if err != nil {
		return err
	}

	i.batch, i.bytes = nil, 0

	return nil
}

// settle has the daemon wait until files are kept that are in their places, however long that takes.
func settle(ctx context.Context, socket string, paths []string) error {
	answer, err := ask(ctx, socket, http.MethodPost, "/settle?patient", paths)
	if err != nil {
		return err
	}

	return answer.Body.Close()
}
