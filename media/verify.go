package media

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/hornero/hornero/internal/space"
)

// verify compares all files, here and in the store, and says what is wrong, a line each.
func (d *Daemon) verify(ctx context.Context, out io.Writer) (wrong int, err error) {
	wrong, err = d.library.Verify(ctx, out)
	if err != nil {
		return wrong, err
	}

	if d.spaces != nil {
		more, err := d.verifySpace(ctx, out)
		return wrong + more, err
	}

	more, err := d.verifyPeers(ctx, out)

	return wrong + more, err
}

func (d *Daemon) verifySpace(ctx context.Context, out io.Writer) (wrong int, err error) {
	found, err := d.spaces.list(ctx)
	if err != nil {
		return 0, err
	}

	tell := func(path, text string) {
		wrong++

		if _, failed := fmt.Fprintf(out, "%s: %s\n", path, text); failed != nil {
			err = failed
		}
	}

	for _, known := range d.library.index.all() {
		object, there := found[known.Path]
		delete(found, known.Path)

		if text := compareObject(known, object, there); text != "" {
			tell(known.Path, text)
		}
	}

	for path := range found {
		tell(
			path,
			"is in the Space, and this node does not know it yet",
		)
	}

	return wrong, err
}

func compareObject(known state, object space.Object, there bool) string {
	switch {
	case known.Pending:
		return "" // told already
	case known.Deleted && there:
		return "was deleted, and is in the Space"
	case known.Deleted:
		return ""
	case !there:
		return "is not in the Space"
	case object.Tag != known.Tag || object.Size != known.Size:
		return "is another file in the Space"
	}

	return ""
}

func (d *Daemon) verifyPeers(ctx context.Context, out io.Writer) (wrong int, err error) {
	for _, peer := range d.peers.live() {
		has := map[string]told{}

		if err := d.peers.entries(ctx, peer, func(line told) { has[line.Path] = line }); err != nil {
			return wrong, err
		}

		for _, known := range d.library.index.all() {
			text := compareTold(known, has[known.Path])
			if text == "" {
				continue
			}

			wrong++

			if _, err := fmt.Fprintf(out, "%s: %s %s\n", known.Path, peer.Name, text); err != nil {
				return wrong, err
			}
		}
	}

	return wrong, nil
}

func compareTold(known state, other told) string {
	switch {
	case known.Pending || known.Deleted && (other.Deleted || other.Path == ""):
		return ""
	case known.Version != other.Version:
		return "has another version"
	case !known.Deleted && !other.Here:
		return "has not fetched it yet"
	}

	return ""
}

func (d *Daemon) showVerify(w http.ResponseWriter, r *http.Request) {
	wrong, err := d.verify(r.Context(), w)
	if err != nil {
		_, _ = fmt.Fprintf(w, "verify: %v\n", err) // without the last line it counts as broken off
		return
	}

	_, _ = fmt.Fprintf(w, "%d %s\n", wrong, verifyEnd)
}
