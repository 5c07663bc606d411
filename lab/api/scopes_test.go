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
		{
			name:  "reads what it moves",
			token: mover,
			call:  "GET /v2/reserved_ips/198.51.100.99",
			want:  404,
		},
		{
			name:  "moves it",
			token: mover,
			call:  "POST /v2/reserved_ips/198.51.100.99/actions",
			want:  404,
		},
		{
			name:  "by its old name",
			token: mover,
			call:  "POST /v2/floating_ips/198.51.100.99/actions",
			want:  404,
		},
		{
			name:  "follows the move",
			token: mover,
			call:  "GET /v2/actions/1",
			want:  404,
		},
		{
			name:  "reads Droplets",
			token: mover,
			call:  "GET /v2/droplets",
			want:  200,
		},
		{
			name:  "makes no address",
			token: mover,
			call:  "POST /v2/reserved_ips",
			want:  403,
		},
		{
			name:  "frees none",
			token: mover,
			call:  "DELETE /v2/reserved_ips/198.51.100.99",
			want:  403,
		},
		{
			name:  "makes no Droplet",
			token: mover,
			call:  "POST /v2/droplets",
			want:  403,
		},
		{
			name:  "ends none",
			token: mover,
			call:  "DELETE /v2/droplets/1",
			want:  403,
		},
		{
			name:  "turns none off",
			token: mover,
			call:  "POST /v2/droplets/1/actions",
			want:  403,
		},
		{
			name:  "does not read the account",
			token: mover,
			call:  "GET /v2/account",
			want:  403,
		},
		{
			name:  "nor anything else",
			token: mover,
			call:  "GET /v2/load_balancers",
			want:  403,
		},
		{
			name:  "nor what only the lab has",
			token: mover,
			call:  "GET /lab/v1/status",
			want:  403,
		},
		{
			name:  "another lab's token is nobody's",
			token: other,
			call:  "GET /v2/droplets",
			want:  401,
		},
		{
			name:  "nor is one that somebody changed",
			token: strings.Replace(mover, "64", "65", 1),
			call:  "GET /v2/droplets",
			want:  401,
		},
		{
			name:  "one that is cut off",
			token: mover[:len(mover)-1],
			call:  "GET /v2/droplets",
			want:  401,
		},
		{
			name:  "two scopes",
			token: reader,
			call:  "GET /v2/account",
			want:  200,
		},
		{
			name:  "and no more",
			token: reader,
			call:  "GET /v2/reserved_ips",
			want:  403,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			method, path, _ := strings.Cut(c.call, " ")
			request, err := http.NewRequest(
				method,
				w.http.URL+path,
				strings.NewReader(`{"type":"assign","droplet_id":1}`),
			)
			require.NoError(t, err)
			request.Header.Set("Authorization", "Bearer "+c.token)

			answer, err := http.DefaultClient.Do(request)
			require.NoError(t, err)
			answer.Body.Close()
			require.Equal(t, c.want, answer.StatusCode)
		})
	}
}
