package main

import (
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

func TestANewRole(t *testing.T) {
	for name, c := range map[string]struct {
		role, with   string
		databases    int
		from, prints string
	}{
		"alone": {
			role: "api",
			from: "peers",
		},
		"with a database": {
			role:      "api-2",
			with:      "database",
			databases: 1,
			from:      "peers",
		},
		"before a balancer": {
			role:   "api",
			with:   "balanced",
			from:   "load_balancer",
			prints: "nodes: api, http: 80",
		},
		"with everything": {
			role:      "a",
			with:      "database,balanced",
			databases: 1,
			from:      "load_balancer",
		},
		"with a long name": {
			role:      "a23456789-123456789-123456789-12",
			with:      "database",
			databases: 1,
			from:      "peers",
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := emptyFolder(t)
			require.Zero(t, hornero(t, "init").code)

			made := hornero(t, "roles", "new", c.role, "--with", c.with)
			require.Zero(t, made.code, made.stderr)
			require.Contains(t, made.stdout, "  - {name: "+c.role+", role: "+c.role+", count: 2}\n")
			require.Contains(t, made.stdout, c.prints)
			require.Equal(t, strings.Contains(c.with, "balanced"), strings.Contains(made.stdout, "balancers:"))

			checked := hornero(t, "roles", "check", c.role)
			require.Zero(t, checked.code, checked.stdout)

			program, err := os.Stat(filepath.Join(folder, "roles", c.role, c.role))
			require.NoError(t, err)
			require.NotZero(t, program.Mode()&0o100, "it runs")

			manifest := loadRole(t, c.role)
			require.Len(t, manifest.Databases, c.databases)
			require.Equal(t, []string{c.from}, manifest.Ports[len(manifest.Ports)-1].From)
			require.Equal(t, "http://127.0.0.1:8080/", manifest.Checks()[0].URL)
		})
	}
}

func loadRole(t *testing.T, name string) *roles.Manifest {
	t.Helper()

	folders, err := openRoles("stack.yaml")
	require.NoError(t, err)

	manifest, err := folders.loadOne(name)
	require.NoError(t, err)

	return manifest
}

// What `hornero roles new` prints, put into what `hornero init` writes, is a stack.
func TestWhatANewRolePrintsFitsTheStack(t *testing.T) {
	folder := emptyFolder(t)
	require.Zero(t, hornero(t, "init").code)

	made := hornero(t, "roles", "new", "api", "--with", "database,balanced")
	require.Zero(t, made.code, made.stderr)

	text, err := os.ReadFile("stack.yaml")
	require.NoError(t, err)

	whole, _, found := strings.Cut(string(text), "load_balancer:")
	require.True(t, found)

	_, lines, found := strings.Cut(made.stdout, "\nnodes:\n")
	require.True(t, found)

	node, rest, found := strings.Cut(lines, "\n\n")
	require.True(t, found)

	balancers, _, found := strings.Cut(rest, "\n\n")
	require.True(t, found)

	write(t, folder, "stack.yaml", whole[:strings.LastIndex(whole, "\n\n")+1]+node+"\n\n"+balancers+"\n")
	validated := hornero(t, "validate")
	require.Zero(t, validated.code, validated.stderr)
	require.Equal(t, "stack.yaml is right: stack hornero, 9 nodes\n", validated.stdout)

	s, manifests, err := loadStack("stack.yaml")
	require.NoError(t, err)
	require.Equal(t, []stack.Balancer{{Name: "api", Nodes: "api", HTTP: 80}}, s.AllBalancers())
	require.Contains(t, s.SecretNames(manifests), "api.db_password")
}

// The variables are read by systemd: a value with quotes and backslashes comes through as it is.
func TestTheVariablesOfANewRole(t *testing.T) {
	emptyFolder(t)
	require.Zero(t, hornero(t, "roles", "new", "pay-api", "--with", "database").code)

	manifest := loadRole(t, "pay-api")
	at := len(manifest.Templates) - 1
	require.Equal(t, "/etc/hornero-pay-api/env", manifest.Templates[at].Path)

	text, err := manifest.Render(manifest.Templates[at], roles.Facts{
		Settings: map[string]string{"greeting": `say "hi" \ $HOME`},
		Secrets:  map[string]report.Secret{"pay_api.db_password": "pass'word"},
	})
	require.NoError(t, err)
	require.Contains(t, string(text), `GREETING="say \"hi\" \\ $HOME"`+"\n")
	require.Contains(t, string(text), "DATABASE_HOST=db.hornero\n")
	require.Contains(t, string(text), "DATABASE_NAME=pay_api\n")
	require.Contains(t, string(text), `DATABASE_PASSWORD="pass'word"`+"\n")
}

// The placeholder serves what the manifest's health check asks for.
func TestThePlaceholderServes(t *testing.T) {
	folder := emptyFolder(t)
	require.Zero(t, hornero(t, "roles", "new", "api").code)

	// The port is taken by nobody else between the two: a test that runs at the same time asks for another.
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)

	port := strconv.Itoa(free.Addr().(*net.TCPAddr).Port)
	require.NoError(t, free.Close())

	program := exec.CommandContext(t.Context(), filepath.Join(folder, "roles/api/api"))
	program.Env = append(os.Environ(), "PORT="+port, "GREETING=good day")
	program.Stderr = t.Output()
	require.NoError(t, program.Start())

	t.Cleanup(func() {
		_ = program.Process.Kill()
		_ = program.Wait()
	})

	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		answer, err := http.Get("http://127.0.0.1:" + port + "/")
		if !assert.NoError(collect, err) {
			return
		}
		defer answer.Body.Close()

		text, err := io.ReadAll(answer.Body)
		assert.NoError(collect, err)
		assert.Equal(collect, http.StatusOK, answer.StatusCode)
		assert.Equal(collect, "good day\n", string(text))
	}, 20*time.Second, 20*time.Millisecond)
}

func TestANewRoleIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		want string
	}{
		"a built-in role":   {line: "web", want: "role web is built in"},
		"a piece":           {line: "haproxy", want: "role haproxy is built in"},
		"a capital":         {line: "Api", want: `role "Api": a name is at most 32 lower-case letters`},
		"a path":            {line: "../api", want: `role "../api": a name is`},
		"a dash at the end": {line: "api-", want: `role "api-": a name is`},
		"too long":          {line: strings.Repeat("a", 33), want: "a name is at most 32 lower-case letters"},
		"an unknown addition": {
			line: "api --with balanced,databse",
			want: `there is no "databse"; did you mean "database"?`,
		},
		"one that is there": {line: "mine", want: "roles/mine is there already"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := emptyFolder(t)
			write(t, folder, "roles/mine/notes", "mine")

			refused := hornero(t, append([]string{"roles", "new"}, strings.Fields(c.line)...)...)
			require.Equal(t, 1, refused.code)
			require.Contains(t, refused.stderr, c.want)

			left, err := fs.Glob(os.DirFS(folder), "roles/*/*")
			require.NoError(t, err)
			require.Equal(t, []string{"roles/mine/notes"}, left)
		})
	}
}
