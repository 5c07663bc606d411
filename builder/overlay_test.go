package builder_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
)

// inputs are what a role's digest is over, with a folder of the user's or without.
func inputs(t *testing.T, role, dir string) map[string]string {
	t.Helper()

	return load(t, builder.RecipeConfig{
		Role:            role,
		Release:         "debian-13",
		RolesDir:        dir,
		BootstrapBinary: writeProgram(t, nil),
	}).Inputs
}

// differing are the names of the inputs that only one has, or that the two have otherwise.
func differing(one, other map[string]string) []string {
	names := []string{}

	for name := range one {
		if one[name] != other[name] {
			names = append(names, name)
		}
	}

	for name := range other {
		if _, there := one[name]; !there {
			names = append(names, name)
		}
	}

	return names
}

// A user's folder needs nothing but what is otherwise in it.
func TestAFolderOfRolesIsOverTheBuiltInOnes(t *testing.T) {
	dir := t.TempDir()
	require.Empty(t, differing(inputs(t, "web", ""), inputs(t, "web", dir)))

	writeFile(t, filepath.Join(dir, "web/nginx.conf"), "server {}\n")
	require.Equal(t, []string{"roles/web/nginx.conf"}, differing(inputs(t, "web", ""), inputs(t, "web", dir)))
	require.Empty(t, differing(inputs(t, "db", ""), inputs(t, "db", dir)))
}

// A piece's folder is part of whoever includes it, and of nobody else.
func TestPiecesArePartOfTheRole(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "haproxy/haproxy.service"), "[Service]\nExecStart=/usr/sbin/haproxy\n")

	for role, want := range map[string][]string{
		"proxy":      {"roles/haproxy/haproxy.service"},
		"web":        {"roles/haproxy/haproxy.service"},
		"db":         {},
		"arbitrator": {},
	} {
		require.Equal(t, want, differing(inputs(t, role, ""), inputs(t, role, dir)), role)
	}

	web := inputs(t, "web", "")
	for _, name := range []string{"database-client/haproxy.cfg", "node-certificate/ca.pem", "haproxy/role.yaml"} {
		require.Contains(t, web, "roles/"+name)
	}

	require.NotContains(t, inputs(t, "db", ""), "roles/haproxy/role.yaml")
}

// The node renders what pieces bring, too: their folders are in the image, beside the role's, and what they install.
func TestPiecesAreInTheImage(t *testing.T) {
	layered := applied(t, object{"role": "web", "layer": "common"})

	for _, path := range []string{
		"/usr/lib/hornero/roles/web/role.yaml",
		"/usr/lib/hornero/roles/haproxy/role.yaml",
		"/usr/lib/hornero/roles/database-client/haproxy.cfg",
		"/usr/lib/hornero/roles/node-certificate/ca.pem",
		"/etc/systemd/system/haproxy.service",
	} {
		require.Contains(t, layered.files["files.list"], " "+path+"\n")
		require.Contains(t, layered.begun.Files, path)
	}

	require.Equal(t, 1, strings.Count(layered.files["files.list"], " /etc/systemd/system/haproxy.service\n"))
	require.NotContains(t, layered.files["files.list"], "/roles/common/")
	require.NotContains(t, layered.files["files.list"], "/roles/proxy/")
	require.Contains(t, layered.files["units"], "haproxy.service\n")
	require.Contains(t, layered.files["packages"], "haproxy\n")

	hosts := strings.Index(layered.files["commands.sh"], "name=db.hornero")
	own := strings.Index(layered.files["commands.sh"], "/usr/local/sbin/php-fpm")
	require.Positive(t, hosts)
	require.Greater(t, own, hosts, "a piece's commands come before the role's")
}

func TestAWrongFolderOfRolesIsTold(t *testing.T) {
	dir := writeRoles(t)
	config := builder.RecipeConfig{
		Role:            "tiny",
		Release:         "debian-13",
		RolesDir:        filepath.Join(dir, "nowhere"),
		BootstrapBinary: writeProgram(t, nil),
	}

	_, err := config.Load()
	require.ErrorIs(t, err, builder.ErrConfig)
	require.ErrorContains(t, err, "roles_dir: wrong configuration: open "+config.RolesDir)

	config.RolesDir = dir
	require.NoError(t, os.Remove(filepath.Join(dir, "tiny/motd")))
	require.NoError(t, os.Symlink("/etc/hostname", filepath.Join(dir, "tiny/motd")))

	_, err = config.Load()
	require.ErrorIs(t, err, builder.ErrConfig)
	require.ErrorContains(t, err, "tiny/role.yaml:8:18: error: files[0].source: cannot be read: ")
	require.ErrorContains(t, err, "path escapes from parent")

	config.Role = "haproxy"
	_, err = config.Load()
	require.ErrorContains(t, err, `role: wrong configuration: "haproxy" is abstract: it is only a part of other roles`)
}
