package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bodyCases are requests, and what is answered to each.
var bodyCases = []struct {
	path, body string
	status     int
	says       string
}{
	{
		path:   "/v1/join",
		body:   `{"name":"web-1","role":"web","incarnation":2,"address":"10.0.0.7","kind":"client"}`,
		status: 200,
		says:   "",
	},
	{
		path:   "/v1/join",
		body:   `{"name":"web-1","role":"web","incarnation":2,"address":"10.0.0.7","kind":"client","newer":[1]}`,
		status: 200,
		says:   "",
	},
	{
		path:   "/v1/join",
		body:   `{"name":"web-2","role":"web","incarnation":2,"address":"10.0.0.7","kind":"client"}`,
		status: 403,
		says:   "it names web-1",
	},
	{
		path: "/v1/join",
		body: `{"name":"web-1","role":"web","incarnation":2,` +
			`"address":"10.0.0.7\n  server evil 10.0.0.8","kind":"client"}`,
		status: 400,
		says:   "address: must be an IP address",
	},
	{
		path:   "/v1/join",
		body:   `{"name":"web-1","role":"web","incarnation":2,"address":"fe80::1%eth0","kind":"client"}`,
		status: 400,
		says:   "address: must be an IP address",
	},
	{
		path:   "/v1/join",
		body:   `{"name":"web-1","role":"web","incarnation":2,"address":"10.0.0.7","kind":"king"}`,
		status: 400,
		says:   "kind: must be member or client",
	},
	{
		path:   "/v1/join",
		body:   `{"name":"web-1","role":"web","incarnation":2,"address":"10.0.0.7","kind":"member"}`,
		status: 403,
		says:   "join as a member",
	},
	{
		path:   "/v1/join",
		body:   `{"name":"web-1","role":"web","incarnation":2,"address":"10.0.0.8","kind":"client"}`,
		status: 403,
		says:   "the request comes from 10.0.0.7",
	},
	{
		path:   "/v1/report",
		body:   `{"state":"serving","healthy":true,"facts":{"a":"b"}}`,
		status: 200,
		says:   "",
	},
	{
		path:   "/v1/report",
		body:   `{"state":"a\nb"}`,
		status: 400,
		says:   "state: must be printable",
	},
	{
		path:   "/v1/report",
		body:   `{"facts":{` + strings.Repeat(`"k":"v",`, 9) + `"k":1}}`,
		status: 400,
		says:   "read body",
	},
	{
		path:   "/v1/report",
		body:   `{"state":"serving"}{"state":"synced"}`,
		status: 400,
		says:   "there is more after the first object",
	},
	{
		path:   "/v1/report",
		body:   `{"state":"` + strings.Repeat("x", 65<<10) + `"}`,
		status: 400,
		says:   "too large",
	},
	{
		path:   "/v1/hold",
		body:   `{"lease":"wordpress-cron","ttl":10000000000}`,
		status: 200,
		says:   "",
	},
	{
		path:   "/v1/hold",
		body:   `{"lease":"wordpress-cron","ttl":-1}`,
		status: 400,
		says:   "ttl: must be from 1s to 10m0s",
	},
	{
		path:   "/v1/hold",
		body:   `{"lease":"wordpress-cron"}`,
		status: 400,
		says:   "ttl: must be from 1s to 10m0s, got 0s",
	},
	{
		path:   "/v1/hold",
		body:   `{"ttl":10000000000}`,
		status: 400,
		says:   "lease: must have 1 to 128 bytes",
	},
	{
		path:   "/v1/seize",
		body:   `{"lease":"writer","reason":"` + strings.Repeat("x", 5000) + `"}`,
		status: 400,
		says:   "reason: must be at most 4096 bytes",
	},
	{
		path:   "/v1/seize",
		body:   `{"lease":"writer","reason":"mine"}`,
		status: 403,
		says:   "forbidden",
	},
	{
		path:   "/v1/release",
		body:   `{"name":"writer","holder":"web-1","epoch":3}`,
		status: 409,
		says:   "stale-epoch",
	},
	{
		path:   "/v1/put",
		body:   `{"key":"k","value":"v","fence":{"name":"writer"}}`,
		status: 503,
		says:   "unavailable",
	},
	{
		path:   "/v1/put",
		body:   `{"key":"","value":"v","fence":{"name":"writer"}}`,
		status: 400,
		says:   "key: must have",
	},
	{
		path:   "/v1/put",
		body:   `{"key":"k","value":"` + strings.Repeat("x", 5000) + `","fence":{"name":"writer"}}`,
		status: 400,
		says:   "value: must be at most 4096 bytes",
	},
	{
		path:   "/v1/report",
		body:   `{"state":"serving","facts":{"a":"` + strings.Repeat("x", 17<<10) + `"}}`,
		status: 400,
		says:   "facts: must be at most 16384 bytes",
	},
	{
		path:   "/v1/event",
		body:   `{"kind":"drift","text":"3 files"}`,
		status: 200,
		says:   "",
	},
	{
		path:   "/v1/event",
		body:   `{"kind":"drift","text":"3\nfiles"}`,
		status: 400,
		says:   "text: must be printable",
	},
	{
		path:   "/v1/event",
		body:   `{"text":"x"}`,
		status: 400,
		says:   "kind: must have",
	},
	{
		path:   "/v1/news",
		body:   `{}`,
		status: 403,
		says:   "no member",
	},
	{
		path:   "/v1/beats",
		body:   `{"web-1": 2}`,
		status: 403,
		says:   "no member",
	},
	{
		path:   "/v1/put",
		body:   `null`,
		status: 400,
		says:   "key: must have",
	},
}

func TestBodiesAreChecked(t *testing.T) {
	who := certificate(t, web1)

	for _, c := range bodyCases {
		answer := post(server(&registry{t: t}).Handler(), who, c.path, c.body)
		require.Equal(t, c.status, answer.Code, "%s %.80s: %s", c.path, c.body, answer.Body)
		require.Contains(t, answer.Body.String(), c.says, "%s %.80s", c.path, c.body)
	}
}
