package roles_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

// named is a role of that name with these lines.
func named(name string, lines ...string) string {
	text := "version: 1\nname: " + name + "\npeers: client\n"
	for _, line := range lines {
		text += line + "\n"
	}

	return text
}

// words are those who may reach a port besides roles.
const words = "self, watchers, load_balancer, operator, peers, reserved_ip, visitors, " +
	"proxies, arbitrators, clients"

// directories are folders of roles, and what is told of them together.
var directories = []struct {
	name  string
	files map[string]string
	want  []string
}{
	{
		name: "roles that are there",
		files: map[string]string{
			"shop/role.yaml": named("shop", "watches: {store: store, mine: self}",
				"ports: [{port: 1, name: a, from: [store]}]"),
			"store/role.yaml": named("store", "ports:",
				"  - {port: 1, name: a, from: [self, watchers, load_balancer, operator, peers]}"),
		},
	},
	{
		name: "a watched role that is not",
		files: map[string]string{
			"shop/role.yaml":  named("shop", "watches:", "  store: stroe", "  bank: bank"),
			"store/role.yaml": named("store"),
		},
		want: []string{
			`shop/role.yaml:5:10: watches.store: there is no role "stroe"; did you mean "store"?`,
			`shop/role.yaml:6:9: watches.bank: there is no role "bank"`,
		},
	},
	{
		name: "a watched piece",
		files: map[string]string{
			"shop/role.yaml": named("shop", "watches: {store: till}"),
			"till/role.yaml": piece("till"),
		},
		want: []string{`shop/role.yaml:4:18: watches.store: there is no role "till"`},
	},
	{
		name: "what a piece watches stands in the piece, once, and not where the role says otherwise",
		files: map[string]string{
			"shop/role.yaml":  named("shop", "includes: [till]"),
			"stall/role.yaml": named("stall", "includes: [till]"),
			"fair/role.yaml":  named("fair", "includes: [till]", "watches: {store: shop}"),
			"till/role.yaml":  piece("till", "watches: {store: store}"),
		},
		want: []string{`till/role.yaml:4:18: watches.store: there is no role "store"; did you mean "shop"?`},
	},
	{
		name: "who may reach a port",
		files: map[string]string{
			"shop/role.yaml":   named("shop", "ports:", "  - {port: 1, name: a, from: [self, stroe, nobody]}"),
			"store/role.yaml":  named("store"),
			"common/role.yaml": piece("common", "ports: [{port: 22, name: ssh, from: [operators]}]"),
		},
		want: []string{
			`common/role.yaml:4:38: ports[0].from[0]: there is no role "operators", and it is none of ` + words,
			`shop/role.yaml:5:37: ports[0].from[1]: there is no role "stroe"; did you mean "store"?, ` +
				"and it is none of " + words,
			`shop/role.yaml:5:44: ports[0].from[2]: there is no role "nobody", and it is none of ` + words,
		},
	},
	{
		name: "a role with problems is one all the same",
		files: map[string]string{
			"shop/role.yaml":  named("shop", "watches: {store: store}"),
			"store/role.yaml": named("store", "driver: x"),
		},
		want: []string{`store/role.yaml:4:9: driver: must be arbitrator, galera, haproxy or left out, got "x"`},
	},
	{
		name: "a lease of two roles",
		files: map[string]string{
			"shop/role.yaml":  named("shop", "leases: {writer: writer, night: night}"),
			"store/role.yaml": named("store", "leases:", "  pen: writer"),
		},
		want: []string{
			`store/role.yaml:5:8: leases.pen: role shop has a lease "writer" already; take it out here: ` +
				`its name will be store.pen`,
		},
	},
	{
		name: "an included role keeps its lease to itself",
		files: map[string]string{
			"shop/role.yaml":  named("shop", "leases: {writer: writer}"),
			"store/role.yaml": named("store", "includes: [shop]"),
		},
	},
	{
		name: "a command of two roles",
		files: map[string]string{
			"shop/role.yaml":  named("shop", "commands: [{name: sell, help: x, run: [x]}]"),
			"store/role.yaml": named("store", "commands: [{name: sell, help: x, run: [x]}]"),
		},
	},
	{
		name: "a broken piece is told once",
		files: map[string]string{
			"shop/role.yaml":  named("shop", "includes: [till]"),
			"store/role.yaml": named("store", "includes: [till]"),
			"till/role.yaml":  piece("till", "drivr: x"),
		},
		want: []string{`till/role.yaml:4:1: drivr: unknown key; did you mean "driver"?`},
	},
}

func TestWhatOneManifestSaysOfAnother(t *testing.T) {
	for _, c := range directories {
		t.Run(c.name, func(t *testing.T) {
			manifests, err := roles.LoadDir(folder(c.files))
			if c.want == nil {
				require.NoError(t, err)
				require.Len(t, manifests, len(c.files))

				return
			}

			require.Error(t, err)
			require.Equal(t, c.want, said(t, err))
		})
	}
}

func TestARoleThatWatchesItself(t *testing.T) {
	files := folder(map[string]string{
		"shop/role.yaml":  named("shop", "watches: {mine: self}"),
		"store/role.yaml": named("store", "includes: [shop]"),
	})

	manifests, err := roles.LoadDir(files)
	require.NoError(t, err)
	require.Equal(t, "shop", manifests["shop"].Watches["mine"])
	require.Equal(t, "store", manifests["store"].Watches["mine"])
}
