package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
)

func TestATokenWithScopesDoesOnlyWhatTheySay(t *testing.T) {
	w := newWorld(t)
	mover, other := api.ScopedToken(token, "reserved_ip:update"), api.ScopedToken("another lab's", "reserved_ip:update")
	reader := api.ScopedToken(token, "account:read", "droplet:read")
	for _, c := range []struct {
		name, token, call string
		want              int
	}{
		{"reads what it moves", mover, "GET /v2/reserved_ips/198.51.100.99", 404},
		{"moves it", mover, "POST /v2/reserved_ips/198.51.100.99/actions", 404},
		{"by its old name", mover, "POST /v2/floating_ips/198.51.100.99/actions", 404},
		{"follows the move", mover, "GET /v2/actions/1", 404},
		{"reads Droplets", mover, "GET /v2/droplets", 200},
		{"makes no address", mover, "POST /v2/reserved_ips", 403},
		{"frees none", mover, "DELETE /v2/reserved_ips/198.51.100.99", 403},
		{"makes no Droplet", mover, "POST /v2/droplets", 403},
		{"ends none", mover, "DELETE /v2/droplets/1", 403},
		{"turns none off", mover, "POST /v2/droplets/1/actions", 403},
		{"does not read the account", mover, "GET /v2/account", 403},
		{"nor anything else", mover, "GET /v2/load_balancers", 403},
		{"nor what only the lab has", mover, "GET /lab/v1/status", 403},
		{"another lab's token is nobody's", other, "GET /v2/droplets", 401},
		{"nor is one that somebody changed", strings.Replace(mover, "64", "65", 1), "GET /v2/droplets", 401},
		{"one that is cut off", mover[:len(mover)-1], "GET /v2/droplets", 401},
		{"two scopes", reader, "GET /v2/account", 200},
		{"and no more", reader, "GET /v2/reserved_ips", 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			method, path, _ := strings.Cut(c.call, " ")
			request, err := http.NewRequest(method, w.http.URL+path, strings.NewReader(`{"type":"assign","droplet_id":1}`))
			require.NoError(t, err)
			request.Header.Set("Authorization", "Bearer "+c.token)
			answer, err := http.DefaultClient.Do(request)
			require.NoError(t, err)
			answer.Body.Close()
			require.Equal(t, c.want, answer.StatusCode)
		})
	}
}
