// Package mirror owns the Droplets' one way to packages: a forward HTTP proxy that lets through to the package
// sources of the base images and to nothing else, and keeps package files, which never change, on disk. It
// knows nothing of Droplets, and of apt only what a package file's path looks like and how apt is told of a
// proxy.
package mirror

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Port is where the proxy listens on the lab's gateway.
const Port = 3128

// DefaultHeaderTimeout is how long a package source may take until it answers.
const DefaultHeaderTimeout = 60 * time.Second

// Config is what a mirror needs.
type Config struct {
	Folder    string            // for the package files; labs may share it
	Hosts     func() []string   // what may be asked, as it stands in package sources: host or host:port
	Transport http.RoundTripper // nil means one of its own that honours this process' own proxy settings
	Logger    *slog.Logger      // nil discards
}

// Mirror is the proxy's http.Handler.
type Mirror struct {
	Config
	pass    *httputil.ReverseProxy
	mutex   sync.Mutex
	fetches map[string]*fetch // by path of the file: what is on its way
}

// New makes a mirror.
func New(config Config) *Mirror {
	if config.Transport == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.ResponseHeaderTimeout = DefaultHeaderTimeout
		transport.MaxIdleConnsPerHost = 8
		config.Transport = transport
	}

	if config.Logger == nil {
		config.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}

	m := &Mirror{
		Config:  config,
		fetches: map[string]*fetch{},
	}

	m.pass = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.Host = r.In.URL.Host
		},
		Transport: config.Transport,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			m.fail(w, err)
		},
	}

	return m
}

func (m *Mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w,
			"the lab's package proxy answers GET and HEAD only",
			http.StatusMethodNotAllowed,
		)

		return
	}

	if r.URL.Scheme != "http" || !slices.Contains(m.Hosts(), r.URL.Host) {
		http.Error(w,
			fmt.Sprintf(
				"the lab's package proxy lets through to package sources only, not to %q",
				r.URL.Host,
			),
			http.StatusForbidden,
		)

		return
	}

	// Lists of packages change and must be the source's own; a HEAD brings nothing to keep.
	if r.Method == http.MethodGet && cacheable(r) {
		m.serveFile(w, r)
		return
	}

	m.pass.ServeHTTP(w, r)
}

// cacheable tells whether what is asked for never changes: a package file.
func cacheable(r *http.Request) bool {
	p := r.URL.Path
	host := r.URL.Host
	isPackage := strings.Contains(p, "/pool/") &&
		strings.HasSuffix(p, ".deb") &&
		r.URL.RawQuery == ""

	// both become part of a path in the folder, which they must not lead out of
	isClean := path.Clean(p) == p &&
		!strings.ContainsAny(host, "/\\") &&
		!strings.HasPrefix(host, ".")

	return isPackage && isClean
}

func (m *Mirror) file(r *http.Request) string {
	return filepath.Join(m.Folder, r.URL.Host, filepath.FromSlash(r.URL.Path))
}

func (m *Mirror) fail(w http.ResponseWriter, err error) {
	m.Logger.Warn("package source not reached", "err", err)

	http.Error(w,
		"the lab's package proxy could not reach the package source: "+err.Error(),
		http.StatusBadGateway,
	)
}

// VendorData is the vendor-data that tells a Droplet's apt of the proxy. A boothook runs before sshd starts,
// and does not conflict with a user's own cloud-config.
func VendorData(proxy string) string {
	return fmt.Sprintf("#cloud-boothook\n#!/bin/sh\n"+
		"printf 'Acquire::http::Proxy \"%%s\";\\n' '%s' > /%s\n", proxy, AptFile)
}

// AptFile is the file that VendorData leaves on a Droplet. It is not part of an image. cloud-init deletes the
// file of the name 90cloud-init-aptproxy when no user-data names a proxy, so this is another.
const AptFile = "etc/apt/apt.conf.d/90cloud-init-lab-proxy"
