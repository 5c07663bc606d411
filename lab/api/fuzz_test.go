package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

// fuzzedPaths are the requests with a body, of things that are there.
func fuzzedPaths(w *world) []string {
	droplet := itoa(w.create(request("web")).ID)
	volume, _, err := w.client.Storage.CreateVolume(w.t.Context(), &godo.VolumeCreateRequest{Name: "data", Region: "nyc3", SizeGigaBytes: 1})
	require.NoError(w.t, err)
	paths := []string{"account/keys", "images", "droplets", "droplets/" + droplet + "/actions", "tags", "tags/web/resources", "vpcs", "reserved_ips", "load_balancers",
		"certificates", "firewalls", "domains", "domains/example.com/records", "projects", "projects/default/resources", "volumes", "volumes/" + volume.ID + "/actions",
		"volumes/" + volume.ID + "/snapshots", "spaces/keys", "images/13001/actions"}
	for i := range paths {
		paths[i] = "/v2/" + paths[i]
	}
	return append(paths, "/lab/v1/faults")
}

// FuzzBodies sends any body to any path that takes one: no answer is the lab's own fault, and each is JSON.
func FuzzBodies(f *testing.F) {
	w := newWorld(f)
	_, _, err := w.client.Domains.Create(f.Context(), &godo.DomainCreateRequest{Name: "example.com"})
	require.NoError(f, err)
	paths := fuzzedPaths(w)
	f.Add(0, false, `{"name":"k","public_key":"ssh-ed25519 AAAA"}`)
	f.Add(2, false, `{"names":["a","b"],"region":"nyc3","size":"s-1vcpu-1gb","image":"debian-13-x64","volumes":["x",{"id":"y"}],"ssh_keys":[1,"aa:bb"]}`)
	f.Add(8, true, `{"name":"lb","region":"nyc3","forwarding_rules":[{"entry_protocol":"http","entry_port":80,"target_protocol":"http","target_port":80}],"health_check":null}`)
	f.Add(10, false, `{"name":"f","inbound_rules":[{"protocol":"tcp","ports":"all","sources":{"addresses":["::/0"]}}]}`)
	f.Add(16, false, `{"type":"attach","droplet_id":1e99}`)
	f.Add(20, false, `{"kind":"partition","groups":[[1],[1]],"for":"-1s"}`)
	f.Add(3, false, "{\"type\":\"rename\",\"name\":\"\\ud800\"}")
	f.Fuzz(func(t *testing.T, path int, put bool, body string) {
		method, target := http.MethodPost, paths[uint(path)%uint(len(paths))]
		if put {
			method = http.MethodPut
		}
		asked := httptest.NewRequest(method, target, strings.NewReader(body))
		asked.Header.Set("Authorization", "Bearer "+token)
		answer := httptest.NewRecorder()
		w.server.Handler().ServeHTTP(answer, asked)
		require.Less(t, answer.Code, 500, "%s %s %q: %s", method, target, body, answer.Body)
		require.True(t, answer.Code == http.StatusNoContent || json.Valid(answer.Body.Bytes()), "%s", answer.Body)
	})
}
