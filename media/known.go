package media

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// told is a line of what a node knows.
type told struct {
	Entry

	Here    bool `json:"here"`
	Pending bool `json:"pending,omitempty"` // not kept elsewhere yet
}

// tellPeers tells another node of all that this one knows, and is sure of: the rest comes by itself when it is.
func (d *Daemon) tellPeers(w http.ResponseWriter, _ *http.Request) {
	d.tell(w, func(s state) bool { return !s.Pending })
}

// tellAll tells a program of this node of all that is known.
func (d *Daemon) tellAll(w http.ResponseWriter, _ *http.Request) {
	d.tell(w, func(state) bool { return true })
}

func (d *Daemon) tell(w http.ResponseWriter, of func(state) bool) {
	d.library.watch.drain()

	lines := json.NewEncoder(w)

	for _, s := range d.library.index.all() {
		if !of(s) {
			continue
		}

		if err := lines.Encode(told{Entry: s.Entry, Here: s.here(), Pending: s.Pending}); err != nil {
			return
		}
	}

	// The end: who does not find it knows that the list broke off.
	_ = lines.Encode(told{})
}

// readTold visits the lines of tell.
func readTold(body io.Reader, visit func(told)) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)

	for lines.Scan() {
		var line told
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return err
		}

		// The last line is empty of all: without it the list broke off.
		if line.Path == "" {
			return nil
		}

		visit(line)
	}

	return errors.Join(lines.Err(), io.ErrUnexpectedEOF)
}

// askEntries asks the daemon of this node what it knows, by path.
func askEntries(ctx context.Context, socket string) (map[string]told, error) {
	answer, err := ask(ctx, socket, http.MethodGet, "/entries", nil)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()

	known := map[string]told{}

	return known, readTold(answer.Body, func(line told) { known[line.Path] = line })
}

// compareHere compares all paths now, and answers when it is done.
func (d *Daemon) compareHere(w http.ResponseWriter, r *http.Request) {
	d.compare(r.Context())
	w.WriteHeader(http.StatusNoContent)
}

// compareEverywhere has all live nodes compare now: objects came into the Space past them.
func (d *Daemon) compareEverywhere(w http.ResponseWriter, r *http.Request) {
	d.compare(r.Context())

	for _, peer := range d.peers.live() {
		// A node that cannot be asked compares by itself, a little later.
		if err := d.peers.compare(r.Context(), peer); err != nil {
			d.Log.Warn(
				"have another node compare",
				"node",
				peer.Name,
				"err",
				err,
			)
		}
	}

	w.WriteHeader(http.StatusNoContent)
}
