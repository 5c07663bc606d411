// Package spaces owns the lab's Spaces: an S3 server for each region, and the buckets and objects behind it in
// files. The S3 protocol is gofakes3's; who may do what (gate.go), access control lists and everything on disk
// are here. What it answers was written to disk before, by rename, so that a lab that is killed finds it again.
// It knows nothing of Droplets, and of keys only what it is told at each request.
package spaces

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/rclone/gofakes3"
)

// FirstPort is where the first region is served at the lab's gateway, the others after it. Regions is their order.
const FirstPort = 7480

// Regions names the regions that have Spaces: not every one that has Droplets does.
func Regions() []string {
	return []string{"ams3", "blr1", "fra1", "lon1", "nyc3", "sfo2", "sfo3", "sgp1", "syd1", "tor1"}
}

// What a grant allows.
const (
	Read       = "read"
	ReadWrite  = "readwrite"
	FullAccess = "fullaccess" // to all buckets, and to make and remove them
)

// Grant is what a key may do with a bucket.
type Grant struct {
	Bucket     string // empty with FullAccess
	Permission string
}

// Key is what a request is signed with.
type Key struct {
	Secret string
	Grants []Grant
}

// Config is what Spaces is opened with.
type Config struct {
	Folder string
	Keys   func(access string) (Key, bool) // asked at each request, so that a deleted key stops working at once
	Logger *slog.Logger
}

// Spaces serves the buckets of a folder.
type Spaces struct {
	handlers map[string]http.Handler
}

// Open reads what the folder holds, and makes the folder when there is none.
func Open(config Config) (*Spaces, error) {
	store, err := openStore(config.Folder)
	if err != nil {
		return nil, err
	}

	s := &Spaces{handlers: map[string]http.Handler{}}

	for _, region := range Regions() {
		backend := &backend{store: store, region: region}
		log := logger{config.Logger.With("region", region)}
		protocol := gofakes3.New(backend, gofakes3.WithLogger(log))

		// The backend and gofakes3 need each other: one of the two must be told later.
		backend.forget = protocol.ForgetMultipartUpload
		handler := protocol.Server()

		// Past the gate, which would ask for a signature.
		if err := backend.resumeUploads(handler); err != nil {
			return nil, fmt.Errorf("open the Spaces of %s: %w", region, err)
		}

		s.handlers[region] = &gate{
			backend: backend,
			keys:    config.Keys,
			next:    handler,
			logger:  log,
		}
	}

	return s, nil
}

// Handler is a region's S3 server.
func (s *Spaces) Handler(region string) http.Handler {
	return s.handlers[region]
}

// logger passes on what goes wrong. Requests that are refused are their sender's business.
type logger struct{ to *slog.Logger }

func (l logger) Print(level gofakes3.LogLevel, v ...any) {
	if level == gofakes3.LogErr {
		l.to.Warn("spaces", "err", fmt.Sprint(v...))
	}
}
