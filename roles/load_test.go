package roles_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

// loadShop loads a role whose folder holds its manifest and an empty file.
func loadShop(manifest string) (*roles.Manifest, error) {
	folder := fstest.MapFS{
		"shop/role.yaml": {Data: []byte(manifest)},
		"shop/text":      {Data: []byte("")},
	}

	return roles.Load(folder, "shop")
}

func TestCheckerNamesTheFile(t *testing.T) {
	check := []string{"php", "-l", "{file}", "--from={file}"}
	want := []string{"php", "-l", "/run/x", "--from=/run/x"}
	require.Equal(t, want, roles.Checker(check, "/run/x"))
	require.Equal(t, "{file}", check[2])
}

const limited = `version: 1
name: shop
summary: sells
peers: client
limits: {debian-9: [fast]}
templates:
  - {source: text, path: /etc/a}
  - {source: text, path: /etc/b, only: [debian-9]}
  - {source: text, path: /etc/c, except: [debian-9]}
files: [{source: text, path: /etc/d, except: [debian-9]}]
`

func TestWhatAReleaseCannotIsData(t *testing.T) {
	manifest, err := loadShop(limited)
	require.NoError(t, err)

	paths := func(release string) (list []string) {
		there := manifest.On(release)
		for _, template := range there.Templates {
			list = append(list, template.Path)
		}

		for _, file := range there.Files {
			list = append(list, file.Path)
		}

		return list
	}
	require.Equal(t, []string{"/etc/a", "/etc/b"}, paths("debian-9"))
	require.Equal(t, []string{"/etc/a", "/etc/c", "/etc/d"}, paths("debian-14"))

	for release, want := range map[string]string{"debian-9": "slow", "debian-13": "fast"} {
		facts := roles.Facts{Release: release}
		text, err := manifest.RenderText("x", `{{if can "fast"}}fast{{else}}slow{{end}}`, facts)
		require.NoError(t, err)
		require.Equal(t, want, string(text))
	}

	facts := roles.Facts{Release: "debian-13"}
	_, err = manifest.RenderText("x", `{{if can "fats"}}fast{{end}}`, facts)
	require.ErrorContains(t, err, `"fats" is no limit of any release in the manifest`)
}

func TestAWrongLimitIsTold(t *testing.T) {
	_, err := loadShop(`version: 1
name: shop
summary: sells
peers: client
limits: {debian-9: [Fast]}
bake:
  varies: {etc/x: ""}
files: [{source: role.yaml, path: /etc/d, only: [debian-9], except: [debian-12]}]
`)
	require.ErrorContains(t, err, "shop/role.yaml:5:21: error: limits.debian-9[0]: must be lower-case words")
	require.ErrorContains(t, err, "shop/role.yaml:7:11: error: bake.varies: must name absolute paths")
	require.ErrorContains(t, err, "error: files[0].except: cannot stand beside only; keep one")
}
