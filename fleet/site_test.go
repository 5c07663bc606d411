package fleet_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// site stands in for what answers behind a load balancer, with and without TLS.
type site struct {
	plain *url.URL
	tls   *url.URL

	mutex sync.Mutex
	page  http.HandlerFunc
	shown *tls.Certificate // nil: that of the server itself
	stuck bool             // it goes on to show the one that it shows
	asked []string         // scheme, name of the TLS handshake, host and path of each question
}

func serveSite(t *testing.T) *site {
	s := &site{}
	s.answer(func(out http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(out, "<title>Tom &amp; Ann</title>")
	})

	plain := httptest.NewServer(s)
	t.Cleanup(plain.Close)

	secure := httptest.NewUnstartedServer(s)
	secure.TLS = &tls.Config{GetConfigForClient: s.config}
	secure.StartTLS()
	t.Cleanup(secure.Close)

	var err error
	s.plain, err = url.Parse(plain.URL)
	require.NoError(t, err)
	s.tls, err = url.Parse(secure.URL)
	require.NoError(t, err)

	return s
}

// config is what a handshake goes by; none of its own while the server's certificate is shown.
func (s *site) config(*tls.ClientHelloInfo) (*tls.Config, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	if s.shown == nil {
		return nil, nil
	}

	return &tls.Config{Certificates: []tls.Certificate{*s.shown}}, nil
}

// show has it show a certificate from now on.
func (s *site) show(certificate *tls.Certificate) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	if !s.stuck {
		s.shown = certificate
	}
}

// stick has it go on to show the certificate that it shows, or not any more.
func (s *site) stick(stuck bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	s.stuck = stuck
}

// answer is what it answers from now on.
func (s *site) answer(page http.HandlerFunc) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	s.page = page
}

func (s *site) ServeHTTP(out http.ResponseWriter, request *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	asked := "http " + request.Host + request.URL.Path
	if request.TLS != nil {
		asked = "https " + request.TLS.ServerName + " " + request.Host + request.URL.Path
	}

	s.asked = append(s.asked, asked)
	s.page(out, request)
}

// lastAsked is what it was asked last.
func (s *site) lastAsked() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	return s.asked[len(s.asked)-1]
}
