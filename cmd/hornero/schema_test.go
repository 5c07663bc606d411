package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/jsonschema/judge"
)

// schemaOfFiles is what the command prints.
func schemaOfFiles(t *testing.T, arguments ...string) *judge.Judge {
	t.Helper()
	printed := hornero(t, append([]string{"schema"}, arguments...)...)
	require.Zero(t, printed.code, printed.stderr)
	require.Empty(t, printed.stderr)

	j, err := judge.New([]byte(printed.stdout))
	require.NoError(t, err)
	require.Equal(t, "http://json-schema.org/draft-07/schema#", j.Whole["$schema"])

	return j
}

func requireVerdict(t *testing.T, j *judge.Judge, want bool, text string) {
	t.Helper()
	allowed, err := j.Allows(text)
	require.NoError(t, err)
	require.Equal(t, want, allowed, text)
}

// The roles are those beside the stack's file, wherever the command is run.
func TestTheSchemaOfAStackKnowsItsRoles(t *testing.T) {
	folder := toolStack(t)
	text, err := os.ReadFile("stack.yaml")
	require.NoError(t, err)

	t.Chdir(t.TempDir())

	requireVerdict(t, schemaOfFiles(t, "stack", "-f", filepath.Join(folder, "stack.yaml")), true, string(text))
	requireVerdict(t, schemaOfFiles(t, "stack"), false, string(text)) // no such role here
}

// What the scaffold writes has no mark in an editor.
func TestTheSchemasAllowWhatIsBegun(t *testing.T) {
	emptyFolder(t)

	for _, arguments := range [][]string{{"init"}, {"roles", "new", "api", "--with", "database,balanced"}} {
		begun := hornero(t, arguments...)
		require.Zero(t, begun.code, begun.stderr)
	}

	for kind, name := range map[string]string{"stack": "stack.yaml", "role": "roles/api/role.yaml"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)

		j := schemaOfFiles(t, kind)
		requireVerdict(t, j, true, string(text))
		requireVerdict(t, j, false, string(text)+"\nsetings: {}\n")
	}
}

func TestTheSchemaOfWhat(t *testing.T) {
	emptyFolder(t)

	require.Equal(t, said{
		code:   1,
		stderr: "hornero: there is no schema of \"stak\"; did you mean \"stack\"?\n",
	}, hornero(t, "schema", "stak"))
	require.Equal(t, said{
		code:   1,
		stderr: "hornero: there is no schema of \"secrets\"; say stack or role\n",
	}, hornero(t, "schema", "secrets"))
	require.Equal(t, 1, hornero(t, "schema").code)

	// A schema of half the roles would refuse the settings of the rest.
	write(t, ".", "roles/api/role.yaml", "version: 2\nname: api\npeers: client\n")
	broken := hornero(t, "schema", "stack")
	require.Equal(t, said{
		code:   1,
		stderr: "hornero: roles/api/role.yaml:1:10: error: version: must be 1, got 2\n",
	}, broken)
	schemaOfFiles(t, "role")

	completed := hornero(t, "__complete", "schema", "").stdout
	require.Contains(t, completed, "stack\tof stack.yaml, with the settings of the roles beside it\n")
	require.Contains(t, completed, "role\tof a role's manifest, roles/NAME/role.yaml\n")
	require.Contains(t, completed, ":4\n", "no files' names")

	help := hornero(t, "schema", "--help").stdout
	require.Contains(t, help, "# yaml-language-server: $schema=stack.schema.json\n")
	require.Contains(t, help, "# yaml-language-server: $schema=../../role.schema.json\n")
}
