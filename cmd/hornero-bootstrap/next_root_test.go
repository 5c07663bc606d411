//go:build root

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the next version of the program may be like: of each kind of thing that a version adds, one.
const (
	nextEvent   = "weathered"     // every node says so as it begins to serve
	nextLease   = "season-change" // a lease that the next version's documents give web nodes
	nextSetting = "web.season"    // written under that lease
	nextOwn     = "peers.season"  // comes with the schema
)

// nextFiles are added to the program by their path in the repository.
var nextFiles = map[string]string{
	"bootstrap/peers/next.go": `package peers

func init() {
	additions = append(additions, []string{
		"CREATE TABLE seasons (name TEXT PRIMARY KEY, days INTEGER NOT NULL)",
		"INSERT INTO seasons (name, days) VALUES ('spring', 92)",
		"ALTER TABLE peers ADD COLUMN zone TEXT NOT NULL DEFAULT ''",
		"ALTER TABLE leases ADD COLUMN why TEXT NOT NULL DEFAULT ''",
		"INSERT INTO settings (key, value) VALUES ('` + nextOwn + `', 'spring')",
	})
}
`,
	"bootstrap/peerset/next.go": `package peerset

func init() {
	noteDrivers["` + nextEvent + `"] = ""
}
`,
}

// nextEdits change what is there: a field of a report that has a column of its own, in the peer set and in the
// snapshots.
var nextEdits = []struct{ path, before, after string }{
	{
		path:   "bootstrap/peerset/peerset.go",
		before: "type Peer struct {\n",
		after:  "type Peer struct {\n\tZone string `json:\"zone,omitempty\"`\n",
	},
	{
		path:   "bootstrap/peerset/peerset.go",
		before: "type Report struct {\n",
		after:  "type Report struct {\n\tZone string `json:\"zone,omitempty\"`\n",
	},
	{
		path:   "bootstrap/peers/beats.go",
		before: "return a.State == b.State",
		after:  "return a.Zone == b.Zone && a.State == b.State",
	},
	{
		path:   "bootstrap/peers/beats.go",
		before: "peerset.Report{State: peer.State",
		after:  "peerset.Report{Zone: peer.Zone, State: peer.State",
	},
	{
		path:   "bootstrap/peers/report.go",
		before: "facts = ?4\n\t\t\tWHERE name = ?5 AND NOT (",
		after:  "facts = ?4, zone = ?6\n\t\t\tWHERE name = ?5 AND NOT (zone = ?6 AND ",
	},
	{
		path:   "bootstrap/peers/report.go",
		before: "string(facts), who.Name)",
		after:  "string(facts), who.Name, report.Zone)",
	},
	{"bootstrap/peers/watch.go", "draining, facts FROM peers", "draining, facts, zone FROM peers"},
	{"bootstrap/peers/watch.go", "&peer.Draining, &facts)", "&peer.Draining, &facts, &peer.Zone)"},
	{
		path:   "bootstrap/serve.go",
		before: "report := peerset.Report{",
		after:  "report := peerset.Report{Zone: \"zone-of-\" + strconv.Itoa(a.node.Incarnation), ",
	},
	{
		path:   "bootstrap/serve.go",
		before: "\ta.startKeeper(ctx, &work)\n",
		after:  "\ta.startKeeper(ctx, &work)\n\ta.note(\"" + nextEvent + "\", a.node.Node+\" weathers\")\n",
	},
}

// nextProgram builds the next version from this one's files and the changes above, which are in no other program.
func nextProgram(t *testing.T) string {
	repository, err := filepath.Abs("../..")
	require.NoError(t, err)

	dir := t.TempDir()
	changed := map[string]string{}

	for path, text := range nextFiles {
		changed[path] = text
	}

	for _, edit := range nextEdits {
		if changed[edit.path] == "" {
			text, err := os.ReadFile(filepath.Join(repository, edit.path))
			require.NoError(t, err)
			changed[edit.path] = string(text)
		}

		require.Equal(t,
			1,
			strings.Count(changed[edit.path], edit.before),
			"%s has changed: fit nextEdits to it (%q)",
			edit.path,
			edit.before,
		)

		changed[edit.path] = strings.Replace(changed[edit.path], edit.before, edit.after, 1)
	}

	overlay := struct{ Replace map[string]string }{map[string]string{}}

	for path, text := range changed {
		instead := filepath.Join(dir, strings.ReplaceAll(path, "/", "_"))
		require.NoError(t, os.WriteFile(instead, []byte(text), 0o600))
		overlay.Replace[filepath.Join(repository, path)] = instead
	}

	data, err := json.Marshal(overlay)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), data, 0o600))

	built := filepath.Join(dir, "hornero-bootstrap")
	said, err := exec.Command(
		"make",
		"-s",
		"-C",
		repository,
		"BOOTSTRAP="+built,
		"BOOTSTRAP_FLAGS=-overlay="+filepath.Join(dir, "overlay.json"),
		"VERSION=next",
		built,
	).CombinedOutput()
	require.NoError(t, err, "%s", said)

	return built
}
