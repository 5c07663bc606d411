// Package architecture_test holds the doors between the rooms shut: who may import whom (docs/architecture.md).
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
	"cloudinit":      {"godo", "go-dqlite", "hornero/roles", "hornero/fleet", "hornero/lab"},
	"roles":          {"os/exec", "net/http", "godo", "go-dqlite"},
	"images":         {"hornero/internal", "hornero/roles", "hornero/builder"},
	"builder":        {"hornero/bootstrap", "hornero/fleet", "hornero/lab"},
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
	"bootstrap/seal":       {"go-dqlite", "hornero/cloudinit"},
	"lab":                  {"hornero/bootstrap", "hornero/builder", "hornero/fleet", "hornero/stack", "go-dqlite"},
	"internal":             {"hornero/cmd", "hornero/fleet", "hornero/lab", "hornero/builder", "hornero/bootstrap"},
}

func TestImportsRunOneWay(t *testing.T) {
	for room, walls := range forbidden {
		t.Run(room, func(t *testing.T) {
			out, err := exec.Command(
				"go",
				"list",
				"-deps",
				"-f",
				"{{.ImportPath}}",
				module+room+"/...",
			).CombinedOutput()
			require.NoError(t, err, string(out))

			for dependency := range strings.Lines(string(out)) {
				dependency = strings.TrimSpace(dependency)
				for _, wall := range walls {
					if room == "bootstrap" && wall == "go-dqlite" {
						continue
					}

					require.Falsef(t,
						matches(dependency, wall),
						"%s depends on %s",
						room,
						dependency,
					)
				}
			}
		})
	}
}

func TestOnlyPeersLinksDqlite(t *testing.T) {
	out, err := exec.Command(
		"go",
		"list",
		"-f",
		`{{.ImportPath}} {{join .Imports " "}}`,
		module+"...",
	).CombinedOutput()
	require.NoError(t, err, string(out))

	for line := range strings.Lines(string(out)) {
		importer, imports, _ := strings.Cut(line, " ")
		if strings.Contains(imports, "go-dqlite") {
			require.Equal(t, module+"bootstrap/peers", importer)
		}
	}
}

// matches compares whole path elements, so that net/http does not match net/http/httptrace's neighbours by
// prefix only.
func matches(path, wall string) bool {
	return path == wall || strings.Contains("/"+path+"/", "/"+wall+"/")
}
