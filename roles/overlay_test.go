package roles_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

// ownFolder leaves a user's folder of roles and opens it as the programs do.
func ownFolder(t *testing.T, files map[string]string) (fs.FS, string) {
	t.Helper()
	dir := t.TempDir()

	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}

	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })

	return roles.Overlay(root.FS()), dir
}

func TestOneTemplateTakesABuiltInOnesPlace(t *testing.T) {
	whole, _ := ownFolder(t, map[string]string{"web/nginx.conf": "own {{setting \"title\"}}\n"})
	manifests, err := roles.LoadDir(whole)
	require.NoError(t, err)

	built, err := roles.LoadDir(roles.Embedded())
	require.NoError(t, err)
	require.Len(t, manifests, len(built))

	for i, template := range manifests["web"].Templates {
		text, err := template.Text()
		require.NoError(t, err)

		before, err := built["web"].Templates[i].Text()
		require.NoError(t, err)

		if template.Source == "nginx.conf" {
			require.Equal(t, "own {{setting \"title\"}}\n", string(text))
			continue
		}

		require.Equal(t, string(before), string(text), template.Source)
	}
}

// What a piece brings can be replaced for all who include it.
func TestAPiecesFileIsReplaced(t *testing.T) {
	whole, _ := ownFolder(t, map[string]string{"haproxy/haproxy.service": "own"})

	for _, role := range []string{"proxy", "web"} {
		manifest, err := roles.Load(whole, role)
		require.NoError(t, err)

		for _, file := range manifest.On("debian-13").Files {
			if file.Path == "/etc/systemd/system/haproxy.service" {
				data, err := file.Data()
				require.NoError(t, err)
				require.Equal(t, "own", string(data), role)
			}
		}
	}
}

func TestAFolderOfTheUsersIsARoleMore(t *testing.T) {
	whole, _ := ownFolder(t, map[string]string{
		"shop/role.yaml": shop("includes: [database-client]", "templates: [{source: shop.env, path: /etc/shop.env}]"),
		"shop/shop.env":  `{{role "database"}}`,
		"README.md":      "no role",
		"notes/todo":     "no role either",
	})

	manifests, err := roles.LoadDir(whole)
	require.NoError(t, err)
	require.Equal(t, "db", manifests["shop"].Watches["database"])
	require.NotContains(t, manifests, "notes")
	require.Contains(t, manifests, "db")

	own := manifests["shop"].Templates
	text, err := manifests["shop"].Render(own[len(own)-1], roles.Facts{})
	require.NoError(t, err)
	require.Equal(t, "db", string(text))
}

func TestAManifestOfTheUsersKeepsTheBuiltInFiles(t *testing.T) {
	const manifest = `version: 1
name: arbitrator
peers: member
templates: [{source: garbd.cnf, path: /etc/garbd.cnf}, {source: own.cnf, path: /etc/own.cnf}]
watches: {database: db}
`
	whole, _ := ownFolder(t, map[string]string{"arbitrator/role.yaml": manifest, "arbitrator/own.cnf": "own"})
	own, err := roles.Load(whole, "arbitrator")
	require.NoError(t, err)
	require.Len(t, own.Templates, 2)
	require.Empty(t, own.Services, "nothing of the built-in manifest is left")

	built, err := fs.ReadFile(roles.Embedded(), "arbitrator/garbd.cnf")
	require.NoError(t, err)

	text, err := own.Templates[0].Text()
	require.NoError(t, err)
	require.Equal(t, string(built), string(text))
	require.NoError(t, fstest.TestFS(own.Folders()[0].FS, "role.yaml", "garbd.cnf", "own.cnf", "garbd.service"))
}

func TestAnOverlaysFoldersAreOfBoth(t *testing.T) {
	whole, _ := ownFolder(t, map[string]string{"web/files/own.php": "<?php", "web/nginx.conf": "own"})

	for name, want := range map[string]int{"web": 0, "web/files": 1} {
		there, err := fs.ReadDir(whole, name)
		require.NoError(t, err)

		built, err := fs.ReadDir(roles.Embedded(), name)
		require.NoError(t, err)
		require.Len(t, there, len(built)+want, name)
	}

	_, err := fs.ReadDir(whole, "nowhere")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestALinkOutOfTheFolderIsRefused(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))

	whole, dir := ownFolder(t, map[string]string{
		"shop/role.yaml": shop("files: [{source: out, path: /etc/out}, {source: in, path: /etc/in}]"),
		"shop/text":      "inside",
	})
	require.NoError(t, os.Symlink("text", filepath.Join(dir, "shop/in")))
	require.NoError(t, os.Symlink(secret, filepath.Join(dir, "shop/out")))

	_, err := roles.Load(whole, "shop")
	require.ErrorContains(t, err, `shop/role.yaml:5:18: error: files[0].source: cannot be read: `)
	require.ErrorContains(t, err, `path escapes from parent`)
	require.NotContains(t, err.Error(), "files[1]")

	// Nor is a built-in file read in its place.
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "db"), 0o755))
	require.NoError(t, os.Symlink(secret, filepath.Join(dir, "db/mariadb.cnf")))

	_, err = roles.Load(whole, "db")
	require.ErrorContains(t, err, `templates[`)
	require.ErrorContains(t, err, `path escapes from parent`)
}

func TestALinkedFolderOfRoles(t *testing.T) {
	whole, dir := ownFolder(t, map[string]string{"teams/shop/role.yaml": shop()})
	require.NoError(t, os.Symlink("teams/shop", filepath.Join(dir, "shop")))

	manifests, err := roles.LoadDir(whole)
	require.NoError(t, err)
	require.Equal(t, "sells", manifests["shop"].Summary)

	require.NoError(t, os.Symlink(t.TempDir(), filepath.Join(dir, "outside")))

	_, err = roles.LoadDir(whole)
	require.ErrorContains(t, err, "read roles: ")
	require.ErrorContains(t, err, "outside: path escapes from parent")
}
