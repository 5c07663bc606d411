package acme_test

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/acme"
	"github.com/hornero/hornero/internal/derived"
	"github.com/hornero/hornero/internal/report"
	lab "github.com/hornero/hornero/lab/acme"
)

const secret = report.Secret("q7Y2mB0cV5xN8zK3aL6dF9gH1jP4rT7wE2uI5oS8vX")

// world is an authority, and who answers for all names.
type world struct {
	authority *lab.Server
	front     *httptest.Server // the authority's own host
	job       acme.Job
	second    *world // an authority beside it; nil: none

	mu     sync.Mutex
	answer string // to challenges, after the token; "" for 404
	asked  int
}

func newWorld(t *testing.T, names ...string) *world {
	t.Helper()

	return newWorldFor(t, lab.Config{}, names...)
}

// newWorldFor has an authority of a kind.
func newWorldFor(t *testing.T, config lab.Config, names ...string) *world {
	t.Helper()

	thumbprint, err := derived.Thumbprint(secret)
	require.NoError(t, err)

	w := &world{answer: "." + thumbprint}
	visitors := httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(visitors.Close)

	config.Names = dns.HandlerFunc(leadHere)
	config.Port = visitors.Listener.Addr().(*net.TCPAddr).Port
	config.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))

	w.authority, err = lab.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.authority.Close()) })

	w.front = httptest.NewTLSServer(w.authority.Handler())
	t.Cleanup(w.front.Close)

	w.job = acme.Job{
		Directory: w.front.URL + lab.DirectoryPath,
		Authority: pemOf(w.front.Certificate()),
		Email:     "admin@example.org",
		Account:   accountKey(t),
		Names:     names,
	}

	for id, key := range config.Accounts {
		w.job.Binding = &acme.Binding{ID: id, Key: key}
	}

	return w
}

// leadHere has all names at this computer but those that are nowhere.
func leadHere(w dns.ResponseWriter, asked *dns.Msg) {
	answer := new(dns.Msg)
	answer.SetReply(asked)

	question := asked.Question[0]

	switch {
	case strings.HasSuffix(question.Name, ".nowhere.example."):
		answer.Rcode = dns.RcodeNameError

	case question.Qtype == dns.TypeA:
		answer.Answer = []dns.RR{&dns.A{
			Hdr: dns.RR_Header{
				Name:   question.Name,
				Rrtype: dns.TypeA,
				Class:  dns.ClassINET,
			},
			A: net.IPv4(127, 0, 0, 1),
		}}
	}

	// An error means that nobody asks any more.
	_ = w.WriteMsg(answer)
}

// binding is what a stack is told of its account with the authority.
func (w *world) binding() (id, key string) {
	if w.job.Binding == nil {
		return "", ""
	}

	return w.job.Binding.ID, w.job.Binding.Key
}

// serve answers challenges as the edge does: by the token that is asked for, whatever it is.
func (w *world) serve(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()

	token, ours := strings.CutPrefix(
		r.URL.Path,
		"/.well-known/acme-challenge/",
	)
	if !ours || w.answer == "" {
		http.NotFound(out, r)
		return
	}

	w.asked++

	// An error means that the client went away.
	_, _ = io.WriteString(
		out,
		token+w.answer,
	)
}

func (w *world) answers(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()

	w.answer = text
}

// roots are whom those trust who trust the authority.
func (w *world) roots(t *testing.T) *x509.CertPool {
	t.Helper()

	answer, err := w.front.Client().Get(w.front.URL + lab.RootPath)
	require.NoError(t, err)
	defer answer.Body.Close()

	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)

	pool := x509.NewCertPool()
	require.True(
		t,
		pool.AppendCertsFromPEM(text),
		string(text),
	)

	return pool
}

func pemOf(certificate *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}))
}

func accountKey(t *testing.T) string {
	t.Helper()

	key, err := derived.Account(secret)
	require.NoError(t, err)

	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)

	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// chainOf reads a chain: its own certificate, and the others.
func chainOf(t *testing.T, text string) (*x509.Certificate, *x509.CertPool) {
	t.Helper()

	var leaf *x509.Certificate
	others := x509.NewCertPool()

	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}

		certificate, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)

		if leaf == nil {
			leaf = certificate
			continue
		}

		others.AddCert(certificate)
	}

	require.NotNil(t, leaf, text)

	return leaf, others
}

const patience = 2 * time.Minute

// isProblem wants a step to have ended with a problem of a kind.
func isProblem(t *testing.T, kind string, result acme.Result) {
	t.Helper()
	require.NotNil(t, result.Problem)
	require.Equal(
		t,
		kind,
		result.Problem.Kind,
		result.Problem.Text,
	)
}
