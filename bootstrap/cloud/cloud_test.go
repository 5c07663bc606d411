package cloud_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/cloud"
	"github.com/hornero/hornero/lab/metadata"
)

// The client meets the lab's API in cmd/hornero-bootstrap; here is what that does not say by itself.
func TestTheKindsOfFailure(t *testing.T) {
	var status int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)

	client := cloud.Client{
		Endpoint: server.URL,
		Token:    "secret",
		Address:  "203.0.113.9",
	}

	for _, c := range []struct {
		status int
		want   error
	}{{
		status: 401,
		want:   cloud.ErrRefused,
	}, {
		status: 403,
		want:   cloud.ErrRefused,
	}, {
		status: 404,
		want:   cloud.ErrMissing,
	}, {
		status: 429,
		want:   cloud.ErrBusy,
	}, {
		status: 503,
		want:   cloud.ErrBusy,
	}} {
		status = c.status
		_, _, err := client.Holder(t.Context())
		require.ErrorIs(t, err, c.want)
		require.NotContains(t, err.Error(), "secret")

		failure := new(cloud.Failure)
		require.ErrorAs(t, err, &failure)
		require.Equal(t, 7*time.Second, failure.After)
	}

	for _, other := range []int{302, 422} { // the token goes nowhere else
		status = other
		_, _, err := client.Holder(t.Context())
		require.Error(t, err)

		for _, kind := range []error{cloud.ErrRefused, cloud.ErrMissing, cloud.ErrBusy} {
			require.NotErrorIs(t, err, kind)
		}
	}

	status = 403
	broad, err := client.Broad(t.Context())
	require.NoError(t, err)
	require.False(t, broad)
}

func TestTheMetadataService(t *testing.T) {
	info := metadata.Info{ID: 11}
	server := httptest.NewServer(metadata.Handler(func(netip.Addr) (metadata.Info, bool) {
		return info, true
	}))
	t.Cleanup(server.Close)

	service := cloud.Metadata{URL: server.URL}
	active, err := service.Active(t.Context())
	require.NoError(t, err)
	require.Empty(t, active)

	info.ReservedIP = netip.MustParseAddr("203.0.113.9")
	active, err = service.Active(t.Context())
	require.NoError(t, err)
	require.Equal(t, "203.0.113.9", active)
	server.Close()

	_, err = service.Active(t.Context())
	require.ErrorContains(t, err, "ask metadata service")
}
