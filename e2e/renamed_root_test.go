//go:build root

package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// renamed are the built-in roles by what they are called in a run with E2E_RENAMED: nothing may depend on a role's
// name.
var renamed = map[string]string{
	"db":    "store",
	"proxy": "gateway",
	"web":   "pages",
}

// isRenamed tells whether this run has roles of other names than the built-in ones.
func isRenamed() bool { return os.Getenv("E2E_RENAMED") != "" }

// called is what a built-in role is called in this run.
func called(role string) string {
	if isRenamed() {
		return renamed[role]
	}

	return role
}

// builtIn is the built-in role that a role of this run is.
func builtIn(role string) string {
	for name, other := range renamed {
		if isRenamed() && other == role {
			return name
		}
	}

	return role
}

// rename gives the stack the user's own roles: whole copies of the built-in folders, by other names.
func (s *setup) rename(t *testing.T, root string) {
	t.Helper()
	s.RolesFrom = filepath.Join(root, "roles")

	// Groups keep their names: they are those of the nodes.
	for name, other := range renamed {
		inStack := regexp.MustCompile(`(?m)((?:role|nodes): |^  )` + name + `( |:$|$)`)
		s.StackFile = inStack.ReplaceAllString(s.StackFile, "${1}"+other+"${2}")
	}
}

// writeRoles writes the renamed roles beside the stack's file.
func (s *setup) writeRoles(t *testing.T, beside string) {
	t.Helper()

	if s.RolesFrom == "" {
		return
	}

	folder := filepath.Join(filepath.Dir(beside), "roles")
	require.NoError(t, os.RemoveAll(folder))

	for name, other := range renamed {
		own := filepath.Join(folder, other)
		builtIn := os.DirFS(filepath.Join(s.RolesFrom, name))
		require.NoError(t, os.CopyFS(own, builtIn))

		manifest := filepath.Join(own, "role.yaml")
		text, err := os.ReadFile(manifest)
		require.NoError(t, err)

		changed := renameIn(string(text), name)
		require.NoError(t, os.WriteFile(manifest, []byte(changed), 0o644))
	}
}

var (
	// ownLeases are the names that members of earlier versions know: those of the built-in role alone.
	ownLeases = regexp.MustCompile(`(?m)^leases:\n(  .*\n)+`)
	watched   = regexp.MustCompile(`(?m)^watches:\n(  .*\n)+`)
)

// renameIn is a built-in manifest by another name, with the roles that it watches by theirs.
func renameIn(text, name string) string {
	text = strings.Replace(text, "name: "+name+"\n", "name: "+renamed[name]+"\n", 1)
	text = ownLeases.ReplaceAllString(text, "")
	text = watched.ReplaceAllStringFunc(text, func(watches string) string {
		for from, to := range renamed {
			watches = regexp.MustCompile(`: `+from+`\n`).ReplaceAllString(watches, ": "+to+"\n")
		}

		return watches
	})

	// Web nodes watch by what they include.
	if name == "web" {
		text += "\nwatches:\n"
		text += "  proxy: " + renamed["proxy"] + "\n"
		text += "  database: " + renamed["db"] + "\n"
	}

	return text
}
