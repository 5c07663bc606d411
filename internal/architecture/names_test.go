package architecture_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// roleNames are the built-in roles and the application of one of them: what a user may rename or do without.
var roleNames = regexp.MustCompile(`(?i)^(db|web|proxy)$|wordpress`)

// repository is where the code begins.
const repository = "../.."

func TestGoKnowsNoRoleByName(t *testing.T) {
	files := 0

	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		switch name := entry.Name(); {
		case entry.IsDir() && isNoCode(name):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}

		files++
		checkStrings(t, path)

		return nil
	})
	require.NoError(t, err)
	require.Greater(t, files, 200, "the code was looked at")
}

// isNoCode tells folders that are passed over: an example's own program is no part of Hornero, and what is hidden, or a
// test's data, is none of its code.
func isNoCode(folder string) bool {
	hidden := strings.HasPrefix(folder, ".") && folder != ".."
	return hidden || folder == "examples" || folder == "testdata"
}

// checkStrings looks at every text in a file's code.
func checkStrings(t *testing.T, path string) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, 0)
	require.NoError(t, err)

	ast.Inspect(file, func(node ast.Node) bool {
		literal, ok := node.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}

		text, err := strconv.Unquote(literal.Value)
		require.NoError(t, err)

		if roleNames.MatchString(text) {
			t.Errorf("%s names a role: %s; ask for its driver, or for what its manifest says",
				set.Position(literal.Pos()), literal.Value)
		}

		return true
	})
}
