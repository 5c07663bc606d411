package stack_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// apiRole is a role of a user's own: an application with a database, an address, and settings of every type.
const apiRole = `version: 1
name: api
peers: client
watches: {database: db, proxy: proxy}
serves:
  - {name: raw, port: 9000, protocol: tcp}
  - {name: http, port: 8080, url: '{{setting "address"}}'}
  - {name: admin, port: 8081}
secrets:
  api.db_password: {length: 40}
  api.token: {make: given, help: of who takes the money}
databases:
  - {name: app, secret: api.db_password}
settings:
  greeting: {type: text, required: true, help: what it says first}
  address: {type: url}
  workers: {type: number, default: 4, min: 1, max: 64}
  patience: {type: duration, default: 30s}
  upload: {type: size, max: 1G}
  debug: {type: boolean}
  hosts: {type: list}
  mode: {type: text, one_of: [fast, safe], default: safe}
`

// storeRole is a database role of another name than the built-in one.
const storeRole = `version: 1
name: store
peers: member
driver: galera
watches: {database: store}
serves:
  - {name: mysql, port: 3306, protocol: tcp}
leases: {writer: store-writer}
`

// withRoles are the built-in manifests, and those of the texts.
func withRoles(t *testing.T, texts ...string) map[string]*roles.Manifest {
	t.Helper()
	folder := fstest.MapFS{}

	for _, text := range texts {
		_, rest, found := strings.Cut(text, "\nname: ")
		require.True(t, found, "a manifest has a name")

		name, _, _ := strings.Cut(rest, "\n")
		folder[name+"/role.yaml"] = &fstest.MapFile{Data: []byte(text)}
	}

	all, err := roles.LoadDir(roles.Overlay(folder))
	require.NoError(t, err)

	return all
}

// apiText is a stack with the role beside the built-in ones.
const apiText = `version: 1
name: shop
cloud: lab
region: fra1
roles:
  web: {title: Blog, admin_user: admin, admin_email: admin@example.org, url: "https://www.example.org"}
  api: {greeting: Hello}
nodes:
  - {name: db, role: db, count: 3}
  - {name: proxy, role: proxy, count: 2}
  - {name: web, role: web, count: 2}
  - {name: api, role: api, count: 2}
`

// changed is the text with changes: pairs of what stands in it and what stands there instead.
func changed(t *testing.T, changes ...string) string {
	t.Helper()
	text := apiText

	for i := 0; i+1 < len(changes); i += 2 {
		require.Contains(t, text, changes[i])
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}

	return text
}

// parseAPI reads the text with changes.
func parseAPI(t *testing.T, manifests map[string]*roles.Manifest, changes ...string) (*stack.Stack, error) {
	t.Helper()
	return stack.Parse("s.yaml", []byte(changed(t, changes...)), manifests)
}

// lines is what a run tells of several problems.
func lines(texts ...string) string { return strings.Join(texts, "\n") }
