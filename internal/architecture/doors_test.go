// Package architecture_test holds the packages to the table of who may import whom (docs/architecture.md).
package architecture_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/hornero/hornero/"

// forbidden lists, for a package and all below it, what it must not depend on, directly or through others.
var forbidden = map[string][]string{
	"stack": {
		"godo",
		"go-dqlite",
		"hornero/fleet",
		"hornero/builder",
		"hornero/lab",
		"hornero/bootstrap",
	},
	"fleet":          {"hornero/builder", "hornero/bootstrap", "hornero/lab", "go-dqlite"},
	"fleet/lock":     {"godo", "hornero/stack", "hornero/roles", "hornero/cloudinit", "hornero/internal/do"},
	"cloudinit":      {"godo", "go-dqlite", "hornero/roles", "hornero/fleet", "hornero/lab"},
	"roles":          {"os/exec", "net/http", "godo", "go-dqlite"},
	"images":         {"hornero/internal", "hornero/roles", "hornero/builder"},
	"builder":        {"hornero/bootstrap", "hornero/fleet", "hornero/lab"},
	"builder/code":   {"packer-plugin-sdk", "godo", "hornero/images"},
	"builder/rootfs": {"packer-plugin-sdk", "godo", "hornero/roles", "hornero/images"},
	"bootstrap": {
		"packer-plugin-sdk",
		"hornero/stack",
		"hornero/fleet",
		"hornero/builder",
		"hornero/lab",
		"godo",
	},
	"bootstrap/galera":     {"go-dqlite", "hornero/roles", "hornero/cloudinit"},
	"bootstrap/haproxy":    {"go-dqlite", "hornero/cloudinit"},
	"bootstrap/reservedip": {"go-dqlite", "hornero/cloudinit", "hornero/roles", "os/exec"},
	"bootstrap/cloud":      {"go-dqlite", "hornero/cloudinit", "hornero/roles", "hornero/bootstrap/peerset"},
	"bootstrap/immutable":  {"go-dqlite", "hornero/cloudinit", "hornero/roles"},
	"bootstrap/walls":      {"go-dqlite", "hornero/cloudinit"},
	"bootstrap/seal":       {"go-dqlite", "hornero/cloudinit"},
	"dump":                 {"hornero/internal", "database/sql"},
	"media": {
		"hornero/roles",
		"hornero/cloudinit",
		"hornero/fleet",
		"hornero/lab",
		"hornero/bootstrap",
		"go-dqlite",
	},
	"acme": {
		"hornero/roles",
		"hornero/cloudinit",
		"hornero/stack",
		"hornero/fleet",
		"hornero/lab",
		"hornero/bootstrap",
		"go-dqlite",
	},
	"lab":      {"hornero/bootstrap", "hornero/builder", "hornero/fleet", "hornero/stack", "go-dqlite"},
	"internal": {"hornero/cmd", "hornero/fleet", "hornero/lab", "hornero/builder", "hornero/bootstrap"},
}

func TestImportsRunOneWay(t *testing.T) {
	for owner, dependencies := range forbidden {
		t.Run(owner, func(t *testing.T) {
			found := list(t, "-deps", "-f", "{{.ImportPath}}", module+owner+"/...")

			for line := range strings.Lines(found) {
				dependency := strings.TrimSpace(line)

				for _, banned := range dependencies {
					require.Falsef(t, matches(dependency, banned), "%s depends on %s", owner, dependency)
				}
			}
		})
	}
}

func TestOnlyPeersLinksDqlite(t *testing.T) {
	found := list(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...")

	for line := range strings.Lines(found) {
		importer, imports, _ := strings.Cut(line, " ")

		if strings.Contains(imports, "go-dqlite") {
			require.Equal(t, module+"bootstrap/peers", importer)
		}
	}
}

// list is what `go list` prints.
func list(t *testing.T, args ...string) string {
	t.Helper()

	words := append([]string{"list"}, args...)
	out, err := exec.Command("go", words...).CombinedOutput()
	require.NoError(t, err, string(out))

	return string(out)
}

// matches compares whole path elements, so that net/http does not match net/http/httptrace's neighbours by
// prefix only.
func matches(path, banned string) bool {
	return path == banned || strings.Contains("/"+path+"/", "/"+banned+"/")
}
