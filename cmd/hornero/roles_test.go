package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"gopkg.in/yaml.v3"

	"github.com/hornero/hornero/roles"
)

func TestRolesAreThoseBesideTheStack(t *testing.T) {
	folder := toolStack(t)
	t.Chdir(t.TempDir()) // with no roles of its own

	var lines []roleLine
	file := filepath.Join(folder, "stack.yaml")
	listed := hornero(t, "roles", "list", "--json", "-f", file)
	require.Zero(t, listed.code, listed.stderr)
	require.NoError(t, json.Unmarshal([]byte(listed.stdout), &lines))

	kinds := map[string]string{}
	for _, line := range lines {
		kinds[line.Name] = line.Kind
	}

	require.Equal(t, kindOwn, kinds["vault"])
	require.Equal(t, kindBuiltIn, kinds["db"])
	require.NotContains(t, hornero(t, "roles", "list").stdout, "vault", "there is no stack here")
}

// What is a copy is not a change: a checkout of Hornero has all built-in roles beside its stack.
func TestTheKindOfARole(t *testing.T) {
	folder := emptyFolder(t)

	built, err := fs.Sub(roles.Embedded(), "haproxy")
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(filepath.Join(folder, "roles/haproxy"), built))

	config, err := fs.ReadFile(roles.Embedded(), "web/nginx.conf")
	require.NoError(t, err)
	write(t, folder, "roles/web/nginx.conf", string(config)+"# one line more\n")
	write(t, folder, "roles/proxy/notes.md", "a file more")
	write(t, folder, "roles/mine/role.yaml", "version: 1\nname: mine\npeers: client\n")

	folders, err := openRoles("stack.yaml")
	require.NoError(t, err)

	for role, want := range map[string]string{
		"haproxy": kindBuiltIn,
		"db":      kindBuiltIn,
		"web":     kindOver,
		"proxy":   kindOver,
		"mine":    kindOwn,
	} {
		require.Equal(t, want, folders.kind(role), role)
	}

	shown := hornero(t, "roles", "show", "web")
	require.Zero(t, shown.code, shown.stderr)
	require.Contains(t, shown.stdout, "# role web, own over built-in, with all that it includes: database-client")
	require.Contains(t, shown.stdout, "source: nginx.conf # roles/web/nginx.conf\n")
	require.Contains(t, shown.stdout, "source: php-fpm.conf # built-in/web/php-fpm.conf\n")
	require.Contains(t, shown.stdout, "source: haproxy.cfg # built-in/database-client/haproxy.cfg\n")
}

// What is shown is the manifest: read as one, it says the same.
func TestAShownManifestIsTheManifest(t *testing.T) {
	emptyFolder(t)

	manifests, err := roles.LoadDir(roles.Embedded())
	require.NoError(t, err)

	for _, manifest := range roles.Deployable(manifests) {
		t.Run(manifest.Name, func(t *testing.T) {
			shown := hornero(t, "roles", "show", manifest.Name)
			require.Zero(t, shown.code, shown.stderr)

			var again roles.Manifest
			decoder := yaml.NewDecoder(strings.NewReader(shown.stdout))
			decoder.KnownFields(true)
			require.NoError(t, decoder.Decode(&again))

			require.Equal(t, manifest.Settings, again.Settings)
			require.Equal(t, manifest.Secrets, again.Secrets)
			require.Equal(t, manifest.Packages, again.Packages)
			require.Len(t, again.Variables, len(manifest.Variables))
			require.Equal(t, manifest.Serves, again.Serves)
			require.Equal(t, manifest.Tasks, again.Tasks)
			require.Equal(t, manifest.Commands, again.Commands)
			require.Equal(t, manifest.Databases, again.Databases)
			require.Equal(t, manifest.Bake, again.Bake)
			require.Equal(t, manifest.ReservedIP == nil, again.ReservedIP == nil)

			var asJSON struct {
				Kind  string
				Files []shownFile
			}
			shown = hornero(t, "roles", "show", "--json", manifest.Name)
			require.NoError(t, json.Unmarshal([]byte(shown.stdout), &asJSON))
			require.Equal(t, kindBuiltIn, asJSON.Kind)
			baked := len(manifest.Files) + len(manifest.Programs)
			require.Len(t, asJSON.Files, baked+len(manifest.Templates))
		})
	}
}

func TestRolesAreChecked(t *testing.T) {
	const start = "version: 1\nname: mine\npeers: client\n"

	for name, c := range map[string]struct {
		files map[string]string
		named []string
		want  []string // what the lines hold; none: nothing is wrong
	}{
		"all of them": {},
		"one of them": {
			named: []string{"web"},
		},
		"an unknown key and a file that is not there": {
			files: map[string]string{
				"mine/role.yaml": start + "paket: {}\nfiles:\n  - {source: no-such, path: /etc/x}\n",
			},
			want: []string{
				"roles/mine/role.yaml:4:1: error: paket: unknown key",
				"roles/mine/role.yaml:6:14: error: files[0].source: no file \"no-such\"",
			},
		},
		"a setting that nobody declares": {
			files: map[string]string{
				"mine/role.yaml": start + "templates: [{source: conf, path: /etc/conf}]\n",
				"mine/conf":      "# first\nx = {{setting \"size\"}}\n",
			},
			want: []string{"roles/mine/conf:2:"},
		},
		"commands of hornero's": {
			files: map[string]string{
				"mine/role.yaml": start + "commands:\n" +
					"  - {name: up, help: no, run: [x]}\n" +
					"  - {name: fine, help: yes it is, run: [x]}\n" +
					"  - {name: roles list, help: no, run: [x]}\n",
			},
			named: []string{"mine"},
			want: []string{
				"roles/mine/role.yaml:5:12: error: commands[0].name: hornero has a command up of its own",
				"roles/mine/role.yaml:7:12: error: commands[2].name: hornero has a command roles of its own",
			},
		},
		"a command of hornero's among all roles": {
			files: map[string]string{
				"mine/role.yaml": start + "commands: [{name: help, help: no, run: [x]}]\n",
			},
			want: []string{"roles/mine/role.yaml:4:19: error: commands[0].name: hornero has a command help"},
		},
		"only the roles that are named": {
			files: map[string]string{"mine/role.yaml": start + "paket: {}\n"},
			named: []string{"web", "db"},
		},
		"a role that includes itself": {
			files: map[string]string{"mine/role.yaml": start + "includes: [mine]\n"},
			want:  []string{"roles/mine/role.yaml:4:12: error: includes[0]: mine includes itself: mine -> mine"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := emptyFolder(t)
			for file, text := range c.files {
				write(t, folder, "roles/"+file, text)
			}

			checked := hornero(t, append([]string{"roles", "check"}, c.named...)...)
			require.Empty(t, checked.stderr)

			if c.want == nil {
				require.Zero(t, checked.code, checked.stdout)
				require.Contains(t, checked.stdout, "right\n")

				return
			}

			require.Equal(t, 1, checked.code)

			lines := strings.Split(strings.TrimSpace(checked.stdout), "\n")
			require.Len(t, lines, len(c.want), checked.stdout)

			for i, want := range c.want {
				require.Contains(t, lines[i], want)
				require.True(t, strings.HasPrefix(lines[i], "roles/mine/"), "an editor jumps there")
			}
		})
	}
}

func TestARoleThatIsNotThere(t *testing.T) {
	toolStack(t)

	for _, line := range []string{"roles show valut", "roles check valut"} {
		got := hornero(t, strings.Fields(line)...)
		require.Equal(t, 1, got.code)
		require.Equal(t, "hornero: there is no role \"valut\"; did you mean \"vault\"?\n", got.stderr)
	}
}

func TestALinkOutOfTheFolderIsNotFollowed(t *testing.T) {
	folder := emptyFolder(t)
	write(t, folder, "outside", "secret")
	write(t, folder, "roles/mine/role.yaml",
		"version: 1\nname: mine\npeers: client\nfiles: [{source: link, path: /etc/x}]\n")
	require.NoError(t, os.Symlink("../../outside", filepath.Join(folder, "roles/mine/link")))

	checked := hornero(t, "roles", "check", "mine")
	require.Equal(t, 1, checked.code)
	require.Contains(t, checked.stdout, "roles/mine/role.yaml:4:18: error: files[0].source")
}

// What a role says of others is looked at where it is named, too.
func TestANamedRoleIsCheckedAmongAll(t *testing.T) {
	folder := emptyFolder(t)
	write(t, folder, "roles/mine/role.yaml", "version: 1\nname: mine\npeers: client\nwatches: {database: dbs}\n")
	write(t, folder, "roles/other/role.yaml", "version: 1\nname: other\npeers: client\nwatches: {database: no-such}\n")

	checked := hornero(t, "roles", "check", "mine")
	require.Equal(t, 1, checked.code)
	require.Equal(t,
		"roles/mine/role.yaml:4:21: error: watches.database: there is no role \"dbs\"; did you mean \"db\"?\n",
		checked.stdout,
	)
}

// To open a pipe waits for somebody who writes to it: nobody does.
func TestAPipeIsNotRead(t *testing.T) {
	const start = "version: 1\nname: mine\npeers: client\n"

	for at, want := range map[string]string{
		"roles/pipe":           "all roles are right\n",
		"roles/mine/role.yaml": "hornero: read role mine: open mine/role.yaml: it is neither a file nor a folder\n",
		"roles/mine/program": "roles/mine/role.yaml:4:18: error: files[0].source: cannot be read: " +
			"open mine/program: it is neither a file nor a folder\n",
	} {
		folder := emptyFolder(t)
		require.NoError(t, os.MkdirAll(filepath.Join(folder, "roles/mine"), 0o700))
		require.NoError(t, unix.Mkfifo(filepath.Join(folder, at), 0o600))

		if filepath.Base(at) == "program" {
			write(t, folder, "roles/mine/role.yaml", start+"files: [{source: program, path: /srv/program}]\n")
		}

		checked := hornero(t, "roles", "check")
		require.Equal(t, want, checked.stdout+checked.stderr, at)
	}
}

// The library panics on such a document.
func TestAManifestThatTheLibraryCannotRead(t *testing.T) {
	folder := emptyFolder(t)
	write(t, folder, "roles/mine/role.yaml", "version: 1\nname: mine\npeers: client\n? &x {}\n<<:\n")

	checked := hornero(t, "roles", "check")
	require.Equal(t, 1, checked.code)
	require.Contains(t, checked.stdout, "roles/mine/role.yaml:5:1: error: <<: unknown key")
}

// Nobody is told otherwise why his role is not there.
func TestAManifestByAnotherName(t *testing.T) {
	folder := emptyFolder(t)
	write(t, folder, "roles/mine/role.yml", "version: 1\nname: mine\npeers: client\n")

	checked := hornero(t, "roles", "check")
	require.Equal(t, 1, checked.code)
	require.Equal(t, "roles/mine/role.yml:1:1: error: is not read; call it role.yaml\n", checked.stdout)
}
