package api_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// replacing is a peer set in which a node is replaced.
type replacing struct {
	registry
	snapshot peerset.Snapshot
	changed  chan struct{}
}

func (r *replacing) Snapshot() peerset.Snapshot { return r.snapshot }

func (r *replacing) Changed() <-chan struct{} { return r.changed }

func (r *replacing) become(snapshot peerset.Snapshot) {
	r.snapshot = snapshot
	close(r.changed)
	r.changed = make(chan struct{})
}

// with is a peer set with an incarnation of web-1.
func with(incarnation int) peerset.Snapshot {
	return peerset.Snapshot{
		Founded: "f",
		Quorum:  true,
		Peers: []peerset.Peer{{
			Name:        web1.Name,
			Role:        web1.Role,
			Kind:        peerset.KindClient,
			Incarnation: incarnation,
			Address:     "10.0.0.8",
		}},
	}
}

func get(handler http.Handler, who *x509.Certificate, path string) int {
	request := httptest.NewRequest(http.MethodGet, path, nil)
	request.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{who}}

	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)

	return answer.Code
}

func TestAReplacedNodesCertificateOpensNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := &replacing{
			registry: registry{t: t},
			snapshot: with(web1.Incarnation),
			changed:  make(chan struct{}),
		}

		var reasons []string

		s := server(set)
		s.Refused = func(r peerset.Refusal) { reasons = append(reasons, r.Reason) }
		handler := s.Handler()
		who := certificate(t, web1)

		require.Equal(t, http.StatusOK, get(handler, who, "/v1/peers"))
		require.Equal(t, http.StatusOK, post(handler, who, "/v1/report", "{}").Code)

		set.become(with(web1.Incarnation + 1))

		calls := set.calls
		for _, path := range requests {
			answer := post(handler, who, path, "{}")
			require.Equal(t, http.StatusConflict, answer.Code, path)
			require.Contains(t, answer.Body.String(), `"evicted"`, path)
		}

		require.Equal(t, calls, set.calls, "the registry hears of nothing")
		require.Equal(t, http.StatusConflict, get(handler, who, "/v1/events"))
		require.Equal(t, http.StatusOK, get(handler, who, "/v1/peers"), "it serves on until it is drained")

		time.Sleep(api.DrainTime + time.Second)
		require.Equal(t, http.StatusConflict, get(handler, who, "/v1/peers"))
		require.Subset(t, reasons, []string{peerset.ReasonEvicted})

		next := web1
		next.Incarnation++
		require.Equal(t, http.StatusOK, get(handler, certificate(t, next), "/v1/peers"))
	})
}

// A member learned of it before it began to serve: nobody knows when the node was replaced.
func TestANodeThatWasReplacedLongAgoReadsNothing(t *testing.T) {
	set := &replacing{
		registry: registry{t: t},
		snapshot: with(web1.Incarnation + 1),
		changed:  make(chan struct{}),
	}
	handler := server(set).Handler()
	require.Equal(t, http.StatusConflict, get(handler, certificate(t, web1), "/v1/peers"))
}

func TestANodeThatWasDeclaredGoneIsOut(t *testing.T) {
	gone := peerset.Snapshot{
		Founded:  "f",
		Quorum:   true,
		Settings: map[string]string{peerset.ForgottenPrefix + web1.Name: "2"},
	}

	require.ErrorIs(t, gone.Out(web1), peerset.ErrEvicted)

	next := web1
	next.Incarnation = 3
	require.NoError(t, gone.Out(next), "it is not known yet")

	other := web1
	other.Name = "web-2"
	require.NoError(t, gone.Out(other))
}
