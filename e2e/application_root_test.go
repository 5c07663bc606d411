//go:build root

package e2e_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// application is a user's own folder, on a machine that has the three programs and Packer and nothing else of ours.
type application struct {
	*stack
	work     string // the folder
	programs string
	home     string
}

// applicationStack has the user's own role on a database and a proxy of other names than the built-in ones, beside a
// built-in database: two clusters in one peer set.
const applicationStack = `version: 1
name: notes
cloud: lab
region: nyc3

nodes:
  - {name: orders, role: orders, count: 1}
  - {name: router, role: router, count: 1}
  - {name: db, role: db, count: 1}
  - {name: api, role: api, count: 2}
  - {name: shop, role: shop, count: 2}

roles:
  api:
    greeting: good morning
  shop:
    greeting: welcome

balancers:
  - {name: api, nodes: api, http: 8080}
  - {name: shop, nodes: shop, http: 8081}
`

// ownRoles are the roles of other names, as a user would write them.
var ownRoles = map[string]string{
	"orders": `version: 1
name: orders
summary: the database of the orders
includes: [db]
`,
	"router": `version: 1
name: router
summary: the way to the orders
includes: [proxy]
watches: {database: orders, site: api}
`,
}

// itRunsAnApplicationOfOnesOwn begins with an empty folder, and runs the commands of docs/roles.md word for word.
func itRunsAnApplicationOfOnesOwn(t *testing.T, s *stack) {
	a := newApplication(t, s)
	var done []string

	for _, words := range a.documented() {
		began := time.Now()
		line := strings.Join(words, " ")

		switch words[0] {
		case "replace":
			a.replaces(words[1])
		default:
			a.command(words...)
		}

		t.Logf("hornero %s: %.1f s", line, time.Since(began).Seconds())
		done = append(done, words[0])

		// What the page tells its reader to do between two commands.
		switch {
		case words[0] == "roles" && words[1] == "new":
			a.describe()
			t.Cleanup(func() { a.command("destroy", "--yes") })
		case words[0] == "up":
			a.answers()
		}
	}

	require.Equal(t, []string{"init", "roles", "roles", "validate", "images", "up", "replace"}, done)

	began := time.Now()
	a.command("up")
	require.Less(t, time.Since(began), 20*time.Second, "a stack that is as it should be")
}

// documented are the commands of docs/roles.md, from an empty folder on.
func (a *application) documented() (commands [][]string) {
	a.t.Helper()
	page, err := os.ReadFile(filepath.Join(a.root, "docs/roles.md"))
	require.NoError(a.t, err)

	_, part, found := strings.Cut(string(page), "\n## From an empty folder\n")
	require.True(a.t, found)

	part, _, _ = strings.Cut(part, "\n## ")

	for line := range strings.Lines(part) {
		command, isCommand := strings.CutPrefix(line, "    hornero ")
		if isCommand {
			command, _, _ = strings.Cut(command, "#")
			commands = append(commands, strings.Fields(command))
		}
	}

	return commands
}

// answers looks at both applications: each has its page, its database and what else is its own.
func (a *application) answers() {
	a.t.Helper()
	api := a.address("api")

	a.serves(api, "good morning", "api-")
	a.serves(a.address("shop"), "welcome", "shop-")
	a.keepsItsDataApart()
	a.keepsNotes(api)
}

func newApplication(t *testing.T, s *stack) *application {
	t.Helper()
	folder := t.TempDir()
	a := &application{
		stack:    s.with(t),
		work:     filepath.Join(folder, "shop"),
		programs: filepath.Join(folder, "bin"),
		home:     filepath.Join(folder, "home"),
	}

	for _, made := range []string{
		a.work,
		a.programs,
		a.home,
	} {
		require.NoError(t, os.Mkdir(made, 0o755))
	}

	// All that a user has who unpacked a release, and Packer.
	for name, from := range map[string]string{
		"hornero":               "bin/hornero",
		"hornero-bootstrap":     "bin/hornero-bootstrap",
		"packer-plugin-hornero": "bin/packer-plugin-hornero",
		"hornero-acme":          "bin/hornero-acme",
		"hornero-db":            "bin/hornero-db",
		"hornero-media":         "bin/hornero-media",
		"packer":                ".cache/packer",
	} {
		data, err := os.ReadFile(filepath.Join(s.root, from))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(a.programs, name), data, 0o755))
	}

	return a
}

// describe puts the application's program in the place of the placeholder, and writes the two other roles.
func (a *application) describe() {
	a.t.Helper()
	write := func(name, text string) {
		path := filepath.Join(a.work, name)
		require.NoError(a.t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(a.t, os.WriteFile(path, []byte(text), 0o644))
	}

	write("stack.yaml", applicationStack)

	for role, text := range ownRoles {
		write("roles/"+role+"/role.yaml", text)
	}

	example := os.DirFS(filepath.Join(a.root, "examples/api/roles/api"))
	require.NoError(a.t, os.CopyFS(filepath.Join(a.work, "roles/api"), example))

	for _, role := range []string{"api", "shop"} {
		manifest := filepath.Join(a.work, "roles", role, "role.yaml")
		text, err := os.ReadFile(manifest)
		require.NoError(a.t, err)
		write("roles/"+role+"/role.yaml", string(text)+"\nwatches: {proxy: router, database: orders}\n")

		// In the place of the placeholder, or of what `go build` left in the checkout.
		program := filepath.Join(a.work, "roles", role, role)
		require.NoError(a.t, os.RemoveAll(program))

		build := exec.Command(
			"go",
			"build",
			"-trimpath",
			"-o",
			program,
			"./examples/api/service",
		)
		build.Dir = a.root
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := build.CombinedOutput()
		require.NoError(a.t, err, string(out))
	}
}

// command runs hornero in a mount namespace where Go and the checkout's sources are not, from the user's folder.
func (a *application) command(args ...string) string {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()

	const hidden = `set -e
for folder in "$(go env GOROOT)" "$ROOT/roles" "$ROOT/images" "$ROOT/cmd" "$ROOT/builder"; do
	mount -t tmpfs -o ro none "$folder"
done
cd "$WORK"
exec env -i HOME="$USER_HOME" PATH="$PROGRAMS" LAB="$LAB" ` + runVariable + `="$LAB" hornero "$@"`

	line := []string{
		"--mount",
		"sh",
		"-c",
		hidden,
		"hornero",
	}
	command := exec.CommandContext(ctx, "unshare", append(line, args...)...)
	command.Env = append(os.Environ(),
		"ROOT="+a.root,
		"WORK="+a.work,
		"USER_HOME="+a.home,
		"PROGRAMS="+a.programs,
		"LAB="+a.lab,
	)

	out, err := output(command)
	require.NoErrorf(a.t, err, "hornero %s\n%s", strings.Join(args, " "), out)

	return out
}

// address is where one of the stack's load balancers is reached from here.
func (a *application) address(balancer string) string {
	a.t.Helper()

	type balancerLine struct {
		Name string
		URL  string
	}

	var said struct {
		Balancers []balancerLine `json:"load_balancers"`
	}

	text := a.command("status", "--json")
	require.NoError(a.t, json.Unmarshal([]byte(text), &said), text)

	for _, one := range said.Balancers {
		if one.Name == balancer {
			return one.URL
		}
	}

	require.Failf(a.t, "no load balancer", "%s in %s", balancer, text)

	return ""
}

// serves wants the front page of an application: it reads its database.
func (a *application) serves(address, greeting, node string) {
	a.t.Helper()

	var said struct {
		Greeting, Node string
		Notes          int
	}

	a.get(address, &said)
	require.Equal(a.t, greeting, said.Greeting)
	require.Contains(a.t, said.Node, node)
}

// get asks for a page, which must be there.
func (a *application) get(address string, answer any) {
	a.t.Helper()
	response, err := http.Get(address)
	require.NoError(a.t, err)

	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	require.NoError(a.t, err)

	require.Equal(a.t, http.StatusOK, response.StatusCode, string(body))
	require.NoError(a.t, json.Unmarshal(body, answer), string(body))
}

// keepsItsDataApart looks for the application's database where it is to be, and nowhere else.
func (a *application) keepsItsDataApart() {
	a.t.Helper()
	ask := func(role string) string {
		return a.command("db", "--role", role, "-e", "SHOW DATABASES; SELECT @@wsrep_cluster_name")
	}

	orders, db := ask("orders"), ask("db")
	require.Contains(a.t, orders, "\napi\n")
	require.Contains(a.t, orders, "\nshop\n")
	require.Contains(a.t, orders, "notes-orders")
	require.NotContains(a.t, db, "\napi\n")
	require.NotContains(a.t, db, "notes-orders", "each database is a cluster of its own")
}

// keepsNotes writes a note with the application's own secret, reads it with its own command, and waits until its task
// has counted it.
func (a *application) keepsNotes(address string) {
	a.t.Helper()
	token := strings.TrimSpace(a.command("secrets", "show", "api.token"))

	for shown, want := range map[string]int{
		"wrong": http.StatusUnauthorized,
		token:   http.StatusCreated,
	} {
		note := strings.NewReader("it's 5 o'clock")
		request, err := http.NewRequest(http.MethodPost, address+"notes", note)
		require.NoError(a.t, err)
		request.Header.Set("Authorization", "Bearer "+shown)

		response, err := http.DefaultClient.Do(request)
		require.NoError(a.t, err)
		response.Body.Close()
		require.Equal(a.t, want, response.StatusCode)
	}

	list := a.command("notes", "3")
	require.Contains(a.t, list, "it's 5 o'clock")

	const counted = "SELECT COUNT(*) > 0 AS counted FROM api.counts WHERE notes = 1"

	require.Eventually(a.t, func() bool {
		said := a.command("db", "--role", "orders", "-e", counted)

		return strings.Contains(said, "\n1\n")
	}, 30*time.Second, time.Second, "the task runs on one node, under its lease")
}

// replaces replaces a node of the shop while a client asks for its page.
func (a *application) replaces(node string) {
	a.t.Helper()
	visited := visit(a.t, a.address("shop"))
	a.command("replace", node)

	asked, failed := visited()
	a.t.Logf("%d requests while a node was replaced, %d failed", asked, len(failed))
	require.Empty(a.t, failed)
}

// ask asks once, over a connection of its own.
func ask(address string) error {
	client := &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true},
	}

	response, err := client.Get(address)
	if err != nil {
		return err
	}
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = &unexpectedAnswer{response.Status, string(body)}
	}

	return err
}

type unexpectedAnswer struct{ status, body string }

func (u *unexpectedAnswer) Error() string { return u.status + ": " + u.body }
