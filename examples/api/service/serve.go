package main

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	maxNote  = 200
	lastWord = 10 * time.Second // for requests that run when the service is to end
)

// serve answers until the context ends, and lets what runs come to its end.
func serve(ctx context.Context, config config, notes *notes) error {
	server := &http.Server{
		Addr:              config.Listen,
		Handler:           handler(config, notes),
		ReadHeaderTimeout: 5 * time.Second,
	}

	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()

	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}

	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
	defer cancel()

	if err := server.Shutdown(last); err != nil {
		return fmt.Errorf("end: %w", err)
	}

	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}

	return nil
}

func handler(config config, notes *notes) http.Handler {
	mux := http.NewServeMux()

	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		if err := notes.ping(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}

		fmt.Fprintln(w, "ok")
	})

	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		number, err := notes.number(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}

		w.Header().Set("Content-Type", "application/json")

		// An error means that the caller went away.
		_ = json.NewEncoder(w).Encode(map[string]any{
			"greeting": config.Greeting,
			"node":     config.Node,
			"notes":    number,
		})
	})

	mux.HandleFunc("POST /notes", func(w http.ResponseWriter, r *http.Request) {
		if !shows(r, config.Token) {
			http.Error(w, "show the token: Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}

		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxNote))
		if err != nil || len(text) == 0 {
			http.Error(w, "a note has from 1 to 200 bytes", http.StatusBadRequest)
			return
		}

		if err := notes.add(r.Context(), string(text), config.Node); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}

		w.WriteHeader(http.StatusCreated)
	})

	return mux
}

// shows tells whether the caller shows the token; without one nobody may write.
func shows(r *http.Request, token string) bool {
	if token == "" {
		return false
	}

	shown := []byte(r.Header.Get("Authorization"))
	return subtle.ConstantTimeCompare(shown, []byte("Bearer "+token)) == 1
}
