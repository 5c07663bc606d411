package stack_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

const editable = `# ours: älter als alle
version: 1
name: blog
cloud: lab
region: fra1
roles:
  web: {title: "Tom & Ann", admin_user: admin, admin_email: admin@example.org}
nodes:
  - name: db            # the data
    role: db            # never fewer than three
    count: 3

  - {name: "proxy", role: proxy, count: 2} # ü
  - name: web
    role: web
    count: 2 # two are enough

    size: s-1vcpu-2gb
load_balancer: {nodes: web, http: 80}
`

// edit makes changes in the text above and returns what of it changed, a line each.
func edit(t *testing.T, edits ...stack.Edit) ([]string, error) {
	manifests, err := roles.LoadDir(roles.Overlay(fstest.MapFS{}))
	require.NoError(t, err)

	path := filepath.Join(t.TempDir(), "stack.yaml")
	require.NoError(t, os.WriteFile(path, []byte(editable), 0o640))

	edited, err := stack.EditFile(path, manifests, edits...)
	before, _ := os.ReadFile(path)
	require.Equal(t, editable, string(before), "nothing is written before it is asked for")

	if err != nil {
		return nil, err
	}

	require.NoError(t, edited.Write())

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode())

	after, err := os.ReadFile(path)
	require.NoError(t, err)

	var changed []string

	for _, line := range strings.Split(string(after), "\n") {
		if !strings.Contains("\n"+editable+"\n", "\n"+line+"\n") {
			changed = append(changed, line)
		}
	}

	// Whatever stands there stands in the old order.
	require.Equal(t, strings.Count(editable, "#"), strings.Count(string(after), "#"))

	return changed, nil
}

func TestAnEditChangesOneNumberAndNothingElse(t *testing.T) {
	for name, c := range map[string]struct {
		edits []stack.Edit
		want  []string
	}{
		"a count in a block": {
			edits: []stack.Edit{{Group: "web", Key: "count", Value: 5}},
			want:  []string{"    count: 5 # two are enough"},
		},
		"a count in braces, with a name in quotes": {
			edits: []stack.Edit{{Group: "proxy", Key: "count", Value: 10}},
			want:  []string{`  - {name: "proxy", role: proxy, count: 10} # ü`},
		},
		"a key that is not there": {
			edits: []stack.Edit{
				{Group: "db", Key: "image", Value: 77},
				{Group: "proxy", Key: "image", Value: 78},
			},
			want: []string{"    image: 77", `  - {name: "proxy", role: proxy, image: 78, count: 2} # ü`},
		},
		"there and away again": {
			edits: []stack.Edit{
				{Group: "db", Key: "image", Value: 77},
				{Group: "proxy", Key: "image", Value: 78},
				{Group: "db", Key: "image"},
				{Group: "proxy", Key: "image"},
				{Group: "web", Key: "image"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			changed, err := edit(t, c.edits...)

			require.NoError(t, err)
			require.Equal(t, c.want, changed)
		})
	}
}

func TestAnEditThatWouldBeWrongChangesNothing(t *testing.T) {
	_, err := edit(t, stack.Edit{Group: "wep", Key: "count", Value: 5})
	require.ErrorContains(t, err, `did you mean "web"?`)

	_, err = edit(t, stack.Edit{Group: "mail", Key: "count", Value: 5})
	require.ErrorContains(t, err, "the groups are db, proxy, web")

	_, err = edit(t, stack.Edit{Group: "web", Key: "count", Value: -1})
	require.ErrorContains(t, err, "stack.yaml:16:12: error: nodes[2].count")
}
