package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestABodyIsHeldToWhatItIsToBe(t *testing.T) {
	who := certificate(t, web1)
	for _, c := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"/v1/join", `{"name":"web-1","role":"web","incarnation":2,"address":"10.0.0.7","kind":"client"}`, 200, ""},
		{"/v1/join", `{"name":"web-1","role":"web","incarnation":2,"address":"10.0.0.7","kind":"client","newer":[1]}`, 200, ""},
		{"/v1/join", `{"name":"web-2","role":"web","incarnation":2,"address":"10.0.0.7","kind":"client"}`, 403, "it names web-1"},
		{"/v1/join", `{"name":"web-1","role":"web","incarnation":2,"address":"10.0.0.7\n  server evil 10.0.0.8","kind":"client"}`, 400, "address: must be an IP address"},
		{"/v1/join", `{"name":"web-1","role":"web","incarnation":2,"address":"fe80::1%eth0","kind":"client"}`, 400, "address: must be an IP address"},
		{"/v1/join", `{"name":"web-1","role":"web","incarnation":2,"address":"10.0.0.7","kind":"king"}`, 400, "kind: must be member or client"},
		{"/v1/join", `{"name":"web-1","role":"web","incarnation":2,"address":"10.0.0.7","kind":"member"}`, 403, "join as a member"},
		{"/v1/join", `{"name":"web-1","role":"web","incarnation":2,"address":"10.0.0.8","kind":"client"}`, 403, "the request comes from 10.0.0.7"},
		{"/v1/report", `{"state":"serving","healthy":true,"facts":{"a":"b"}}`, 200, ""},
		{"/v1/report", `{"state":"a\nb"}`, 400, "state: must be printable"},
		{"/v1/report", `{"facts":{` + strings.Repeat(`"k":"v",`, 9) + `"k":1}}`, 400, "read body"},
		{"/v1/report", `{"state":"serving"}{"state":"synced"}`, 400, "there is more after the first object"},
		{"/v1/report", `{"state":"` + strings.Repeat("x", 65<<10) + `"}`, 400, "too large"},
		{"/v1/hold", `{"lease":"wordpress-cron","ttl":10000000000}`, 200, ""},
		{"/v1/hold", `{"lease":"wordpress-cron","ttl":-1}`, 400, "ttl: must be from 1s to 10m0s"},
		{"/v1/hold", `{"lease":"wordpress-cron"}`, 400, "ttl: must be from 1s to 10m0s, got 0s"},
		{"/v1/hold", `{"ttl":10000000000}`, 400, "lease: must have 1 to 128 bytes"},
		{"/v1/seize", `{"lease":"writer","reason":"` + strings.Repeat("x", 5000) + `"}`, 400, "reason: must be at most 4096 bytes"},
		{"/v1/seize", `{"lease":"writer","reason":"mine"}`, 403, "forbidden"},
		{"/v1/release", `{"name":"writer","holder":"web-1","epoch":3}`, 409, "stale-epoch"},
		{"/v1/put", `{"key":"k","value":"v","fence":{"name":"writer"}}`, 503, "unavailable"},
		{"/v1/put", `{"key":"","value":"v","fence":{"name":"writer"}}`, 400, "key: must have"},
		{"/v1/put", `{"key":"k","value":"` + strings.Repeat("x", 5000) + `","fence":{"name":"writer"}}`, 400, "value: must be at most 4096 bytes"},
		{"/v1/report", `{"state":"serving","facts":{"a":"` + strings.Repeat("x", 17<<10) + `"}}`, 400, "facts: must be at most 16384 bytes"},
		{"/v1/event", `{"kind":"drift","text":"3 files"}`, 200, ""},
		{"/v1/event", `{"kind":"drift","text":"3\nfiles"}`, 400, "text: must be printable"},
		{"/v1/event", `{"text":"x"}`, 400, "kind: must have"},
		{"/v1/news", `{}`, 403, "no member"},
		{"/v1/beats", `{"web-1": 2}`, 403, "no member"},
		{"/v1/put", `null`, 400, "key: must have"},
	} {
		answer := post(server(&registry{t: t}).Handler(), who, c.path, c.body)
		require.Equal(t, c.status, answer.Code, "%s %.80s: %s", c.path, c.body, answer.Body)
		require.Contains(t, answer.Body.String(), c.says, "%s %.80s", c.path, c.body)
	}
}
