package api_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
)

var web1 = peerset.Identity{Name: "web-1", Role: "web", Incarnation: 2}

// registry holds every call to what the handler promises the real one.
type registry struct {
	t     testing.TB
	calls int
}

func (r *registry) seen(who peerset.Identity) {
	r.calls++
	require.Equal(r.t, web1, who, "nobody speaks for another than the certificate names")
}

func (r *registry) Snapshot() peerset.Snapshot { return peerset.Snapshot{Founded: "f", Quorum: true} }

func (r *registry) Changed() <-chan struct{} { return nil }

func (r *registry) Admit(_ context.Context, join peerset.Join) (peerset.Welcome, error) {
	r.seen(join.Identity)
	_, err := netip.ParseAddr(join.Address)
	require.NoError(r.t, err)

	from := netip.MustParseAddr(join.Address).Unmap().String()
	require.Equal(r.t, peerset.KindClient, join.Kind, "what the certificate is for")
	require.Equal(r.t, "10.0.0.7", from, "where the request comes from")

	return peerset.Welcome{}, nil
}

func (r *registry) Report(_ context.Context, who peerset.Identity, report peerset.Report) error {
	r.seen(who)
	require.NotContains(r.t, report.State, "\n")

	return nil
}

func (r *registry) Hold(
	_ context.Context,
	who peerset.Identity,
	lease string,
	ttl time.Duration,
) (peerset.Lease, bool, error) {
	r.seen(who)
	require.NotEmpty(r.t, lease)
	require.GreaterOrEqual(r.t, ttl, time.Second)

	return peerset.Lease{}, false, nil
}

func (r *registry) Seize(_ context.Context, who peerset.Identity, _ peerset.Lease, _ string) (peerset.Lease, error) {
	r.seen(who)

	return peerset.Lease{}, peerset.ErrForbidden
}

func (r *registry) Release(_ context.Context, who peerset.Identity, _ peerset.Lease) error {
	r.seen(who)

	return peerset.ErrStaleEpoch
}

func (r *registry) Put(_ context.Context, who peerset.Identity, key, _ string, _ peerset.Lease) error {
	r.seen(who)
	require.NotEmpty(r.t, key)

	return peerset.ErrUnavailable
}

func (r *registry) Note(_ context.Context, who peerset.Identity, note peerset.Note) error {
	r.seen(who)
	require.NotContains(r.t, note.Text, "\n")
	require.NotEmpty(r.t, note.Kind)

	return nil
}

func (r *registry) Events(context.Context, int64, int) ([]peerset.Event, error) { return nil, nil }

func (r *registry) Refresh() { r.t.Error("a client told news") }

func (r *registry) TakeHeartbeats(map[string]int) { r.t.Error("a client passed heartbeats on") }

func (r *registry) Forget(context.Context, string) error { return nil }

func server(r peerset.Registry) api.Server {
	return api.Server{
		Registry: r,
		Refused:  func(peerset.Refusal) {},
		Log:      slog.New(slog.DiscardHandler),
	}
}

func certificate(tb testing.TB, who peerset.Identity) *x509.Certificate {
	ca, err := pki.NewCA("blog")
	require.NoError(tb, err)

	pair, err := ca.Issue(pki.Name{
		Stack:       "blog",
		Role:        who.Role,
		Node:        who.Name,
		Incarnation: who.Incarnation,
		Kind:        peerset.KindClient,
	})
	require.NoError(tb, err)

	parsed, err := pki.ParseCertificate(pair.Certificate)
	require.NoError(tb, err)

	return parsed
}

func post(handler http.Handler, who *x509.Certificate, path, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, "/v1/peers", strings.NewReader(body))
	request.URL.Path = path
	request.RemoteAddr = "10.0.0.7:40000"
	request.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{who}}

	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)

	return answer
}

var requests = []string{
	"/v1/join",
	"/v1/report",
	"/v1/hold",
	"/v1/seize",
	"/v1/release",
	"/v1/put",
	"/v1/news",
	"/v1/beats",
	"/v1/event",
}

func FuzzBodies(f *testing.F) {
	who := certificate(f, web1)

	f.Fuzz(func(t *testing.T, request byte, body string) {
		r := &registry{t: t}
		path := requests[int(request)%len(requests)]
		answer := post(server(r).Handler(), who, path, body)

		require.Contains(t, []int{200, 400, 403, 409, 503}, answer.Code)
		require.True(t, json.Valid(answer.Body.Bytes()), answer.Body.String())
		require.LessOrEqual(t, r.calls, 1)

		if answer.Code == http.StatusOK || answer.Code == http.StatusConflict {
			require.Equal(t, 1, r.calls, "nothing is answered for the registry")
		}

		if answer.Code == http.StatusBadRequest {
			require.Zero(t, r.calls, "what cannot be read is not acted on")
		}

		if !json.Valid([]byte(body)) {
			require.Equal(t, http.StatusBadRequest, answer.Code, "%q", body)
		}
	})
}
