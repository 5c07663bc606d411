package fleet_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// apiRole is a role of the user's own, which has nothing to do with a web site.
func apiRole() fstest.MapFS {
	manifest := `version: 1
name: api
summary: a service of the user's own
peers: client
serves:
  - name: api
    port: 8080
    url: '{{setting "url"}}'
    ready: {path: /ready, status: 204}
  - {name: pages, port: 8090}
settings:
  greeting: {type: text, required: true}
  url: {type: url}
secrets:
  api.token: {make: given, help: of the payment service}
leases:
  report: old-report
commands:
  - {name: greet, help: greets, run: [greet, --loud]}
`

	return fstest.MapFS{"api/role.yaml": &fstest.MapFile{Data: []byte(manifest)}}
}

const apiText = `version: 1
name: blog
cloud: lab
region: fra1
roles:
  api: {greeting: hello}
nodes:
  - {name: db, role: db, count: 1}
  - {name: api, role: api, count: 2}
  - {name: late, role: api, count: 1, settings: {greeting: good day}}
`

// newAPIWorld has a stack with role api, whose operator gave the secret that it wants.
func newAPIWorld(t *testing.T, text string) *world {
	w := newWorldOf(t, text, apiRole())
	require.NoError(t, w.config.Secrets.Set("api.token", "t0ken"))

	return w
}
