package media

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// settleTimeout bounds how long a writer waits, whatever happens, and patientTimeout one that says it has time.
const (
	settleTimeout  = 25 * time.Second
	patientTimeout = 30 * time.Minute
)

// PeersHandler answers other nodes. Who may ask is the certificate's matter.
func (d *Daemon) PeersHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /v1/file", d.takeFile)
	mux.HandleFunc("GET /v1/file", d.giveFile)
	mux.HandleFunc("GET /v1/entries", d.tellPeers)
	mux.HandleFunc("POST /v1/compare", d.compareHere)

	return mux
}

func (d *Daemon) takeFile(w http.ResponseWriter, r *http.Request) {
	entry, err := decodeEntry(r.Header.Get(entryHeader))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}

	var body io.Reader
	if r.Header.Get("X-Media-Bytes") != "" {
		body = r.Body
	}

	now, err := d.library.Apply(nodeOf(r), entry, body)

	encoded, wrong := encodeEntry(now)
	if err = errors.Join(err, wrong); err != nil {
		http.Error(w, err.Error(), statusOf(err))
		return
	}

	w.Header().Set(entryHeader, encoded)
	w.WriteHeader(http.StatusNoContent)
}

// nodeOf is the node that asks, by its certificate.
func nodeOf(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return ""
	}

	return r.TLS.PeerCertificates[0].Subject.CommonName
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, ErrNotThere):
		return http.StatusNotFound
	case errors.Is(err, ErrPath):
		return http.StatusBadRequest
	}

	return http.StatusServiceUnavailable
}

func (d *Daemon) giveFile(w http.ResponseWriter, r *http.Request) {
	entry, opened, err := d.library.Open(r.URL.Query().Get("path"))
	if err != nil {
		http.Error(w, err.Error(), statusOf(err))
		return
	}
	defer opened.Close()

	encoded, err := encodeEntry(entry)
	if err != nil {
		http.Error(
			w,
			err.Error(),
			http.StatusInternalServerError,
		)
		return
	}

	w.Header().Set(entryHeader, encoded)
	w.Header().Set("Content-Type", "application/octet-stream")

	// Who breaks off finds too few bytes.
	_, _ = io.Copy(w, opened)
}

// LocalHandler answers the node's own web server and its programs.
func (d *Daemon) LocalHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /settle", d.settle)
	mux.HandleFunc("POST /delete", d.delete)
	mux.HandleFunc("POST /fetch", d.fetch)
	mux.HandleFunc("POST /taken", d.taken)
	mux.HandleFunc("GET /status", d.showStatus)
	mux.HandleFunc("GET /held", d.showHeld)
	mux.HandleFunc("POST /ready", func(w http.ResponseWriter, _ *http.Request) { answer(w, d.Ready()) })
	mux.HandleFunc("POST /verify", d.showVerify)
	mux.HandleFunc("GET /entries", d.tellAll)
	mux.HandleFunc("POST /compare", d.compareEverywhere)
	mux.HandleFunc("GET /", d.serveFile)

	return mux
}

// asked are the paths of a request, relative to the library.
func (d *Daemon) asked(r *http.Request) ([]string, error) {
	if err := r.ParseForm(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPath, err)
	}

	var names []string

	for _, name := range r.Form["path[]"] {
		name = strings.TrimPrefix(
			name,
			strings.TrimSuffix(d.Config.Folder, "/")+"/",
		)
		if err := checkPath(name); err != nil {
			return nil, err
		}

		names = append(names, name)
	}

	return names, nil
}

func (d *Daemon) each(w http.ResponseWriter, r *http.Request, do func(name string) error) {
	names, err := d.asked(r)

	for _, name := range names {
		err = errors.Join(err, do(name))
	}

	answer(w, err)
}

func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), statusOf(err))
		return
	}

	w.WriteHeader(http.StatusNoContent)
}

func (d *Daemon) settle(w http.ResponseWriter, r *http.Request) {
	names, err := d.asked(r)
	if err == nil {
		timeout := cmp.Or(d.Settle, settleTimeout)
		if r.Form.Has("patient") {
			timeout = patientTimeout
		}

		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()

		err = d.library.Settled(ctx, names...)
	}

	d.relieve()
	answer(w, err)
}

func (d *Daemon) delete(w http.ResponseWriter, r *http.Request) {
	d.each(w, r, d.library.Delete)
}

func (d *Daemon) fetch(w http.ResponseWriter, r *http.Request) {
	d.each(w, r, func(name string) error { return d.library.Fetch(r.Context(), name) })
}

// taken says "yes" where a name is a file's already: 409.
func (d *Daemon) taken(w http.ResponseWriter, r *http.Request) {
	names, err := d.asked(r)

	for _, name := range names {
		if d.library.Taken(name) {
			http.Error(
				w,
				name+" is taken",
				http.StatusConflict,
			)
			return
		}
	}

	answer(w, err)
}

func (d *Daemon) showStatus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(d.Status()) // who went away reads nothing
}

func (d *Daemon) showHeld(w http.ResponseWriter, r *http.Request) {
	held, err := d.Held(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}

	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(held) // as above
}

// serveFile answers the web server, which did not find a file here.
func (d *Daemon) serveFile(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, d.Config.Prefix)
	if !ok {
		http.NotFound(w, r)
		return
	}

	d.relieve()
	err := d.library.Fetch(r.Context(), name)

	switch {
	case err == nil:
	case errors.Is(err, ErrNotThere), errors.Is(err, ErrPath):
		http.NotFound(w, r)
		return

	default:
		d.Log.Warn("fetch a file", "path", name, "err", err)
		w.Header().Set("Retry-After", "5")
		http.Error(
			w,
			"the file cannot be had now",
			http.StatusServiceUnavailable,
		)

		return
	}

	d.sendFile(w, r, name)
}

func (d *Daemon) sendFile(w http.ResponseWriter, r *http.Request, name string) {
	opened, err := d.library.folder.open(name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer opened.Close()

	info, err := opened.Stat()
	if err != nil {
		http.NotFound(w, r)
		return
	}

	w.Header().Set("Content-Type", typeOf(name))
	http.ServeContent(w, r, "", info.ModTime(), opened)
}

// ServeLocal answers on a unix socket, which a group may write to, until ctx ends.
func (d *Daemon) ServeLocal(ctx context.Context, path string) error {
	owner, err := d.Config.owner()
	if err != nil {
		return err
	}

	// One that was killed leaves its socket behind.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}

	listener, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", path, err)
	}

	if err := os.Chmod(path, 0o660); err != nil {
		return err
	}

	if os.Geteuid() == 0 {
		if err := os.Chown(path, 0, owner.Group); err != nil {
			return err
		}
	}

	return serve(ctx, listener, d.LocalHandler())
}

// ServePeers answers the other nodes until ctx ends. Without a certificate nobody is answered.
func (d *Daemon) ServePeers(ctx context.Context) error {
	if d.tls == nil {
		<-ctx.Done()
		return nil
	}

	listener, err := net.Listen("tcp", d.Config.Listen)
	if err != nil {
		return fmt.Errorf("listen for the other nodes: %w", err)
	}

	return d.ServeOn(ctx, listener)
}

// ServeOn answers other nodes that come to a listener, until ctx ends.
func (d *Daemon) ServeOn(ctx context.Context, listener net.Listener) error {
	return serve(
		ctx,
		tls.NewListener(listener, d.tls),
		d.PeersHandler(),
	)
}

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}

	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()

	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}

	return nil
}
