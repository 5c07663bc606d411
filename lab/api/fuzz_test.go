package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fuzzedPaths are the requests with a body, of things that are there. The seeds name them by their place.
func fuzzedPaths(w *world) []string {
	droplet := itoa(w.create(request("web")).ID)
	volume := w.volume("data", "nyc3").ID

	return []string{
		"/v2/account/keys",
		"/v2/images",
		"/v2/droplets",
		"/v2/droplets/" + droplet + "/actions",
		"/v2/tags",
		"/v2/tags/web/resources",
		"/v2/vpcs",
		"/v2/reserved_ips",
		"/v2/load_balancers",
		"/v2/certificates",
		"/v2/firewalls",
		"/v2/domains",
		"/v2/domains/example.com/records",
		"/v2/projects",
		"/v2/projects/default/resources",
		"/v2/volumes",
		"/v2/volumes/" + volume + "/actions",
		"/v2/volumes/" + volume + "/snapshots",
		"/v2/spaces/keys",
		"/v2/images/13001/actions",
		"/lab/v1/faults",
	}
}

const (
	fuzzKey = `{"name":"k","public_key":"ssh-ed25519 AAAA"}`

	fuzzDroplets = `{"names":["a","b"],"region":"nyc3","size":"s-1vcpu-1gb","image":"debian-13-x64",` +
		`"volumes":["x",{"id":"y"}],"ssh_keys":[1,"aa:bb"]}`

	fuzzBalancer = `{"name":"lb","region":"nyc3","forwarding_rules":[{"entry_protocol":"http","entry_port":80,` +
		`"target_protocol":"http","target_port":80}],"health_check":null}`

	fuzzFirewall = `{"name":"f","inbound_rules":[{"protocol":"tcp","ports":"all",` +
		`"sources":{"addresses":["::/0"]}}]}`

	fuzzFault = `{"kind":"partition","groups":[[1],[1]],"for":"-1s"}`
)

// FuzzBodies sends any body to any path that takes one. No answer is an error of the lab itself, and each is JSON.
func FuzzBodies(f *testing.F) {
	w := newWorld(f)
	w.domain("example.com")
	paths := fuzzedPaths(w)

	f.Add(0, false, fuzzKey)
	f.Add(2, false, fuzzDroplets)
	f.Add(8, true, fuzzBalancer)
	f.Add(10, false, fuzzFirewall)
	f.Add(16, false, `{"type":"attach","droplet_id":1e99}`)
	f.Add(20, false, fuzzFault)
	f.Add(3, false, "{\"type\":\"rename\",\"name\":\"\\ud800\"}")

	f.Fuzz(func(t *testing.T, path int, put bool, body string) {
		target := paths[uint(path)%uint(len(paths))]

		method := http.MethodPost
		if put {
			method = http.MethodPut
		}

		asked := httptest.NewRequest(method, target, strings.NewReader(body))
		asked.Header.Set("Authorization", "Bearer "+token)

		answer := httptest.NewRecorder()
		w.server.Handler().ServeHTTP(answer, asked)
		require.Less(t, answer.Code, 500, "%s %s %q: %s", method, target, body, answer.Body)

		valid := answer.Code == http.StatusNoContent || json.Valid(answer.Body.Bytes())
		require.True(t, valid, "%s", answer.Body)
	})
}
