package builder_test

import (
	"io/fs"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
	"github.com/hornero/hornero/images"
	"github.com/hornero/hornero/roles"
)

func TestTheTemplateNamesOptionsThatExist(t *testing.T) {
	text, err := fs.ReadFile(images.FS(), "roles.pkr.hcl")
	require.NoError(t, err)

	require.Equal(t,
		string(hclwrite.Format(text)),
		string(text),
		"packer fmt would change it",
	)

	file, problems := hclsyntax.ParseConfig(text, "roles.pkr.hcl", hcl.InitialPos)
	require.False(t, problems.HasErrors(), problems.Error())

	droplet, role := new(builder.Builder).ConfigSpec(), new(builder.Provisioner).ConfigSpec()

	for _, block := range file.Body.(*hclsyntax.Body).Blocks {
		switch block.Type {
		case "source":
			for name := range block.Body.Attributes {
				require.Contains(t, droplet, name)
			}

		case "build":
			for _, inner := range block.Body.Blocks {
				for name := range inner.Body.Attributes {
					if inner.Type == "provisioner" {
						require.Contains(t, role, name)
					}
				}
			}
		}
	}
}

// A bare `packer build` bakes what there is.
func TestTheTemplateNamesTheBuiltInRoles(t *testing.T) {
	manifests, err := roles.LoadDir(roles.Embedded())
	require.NoError(t, err)

	var want []string
	for _, manifest := range roles.Deployable(manifests) {
		want = append(want, manifest.Name)
	}

	text, err := fs.ReadFile(images.FS(), "roles.pkr.hcl")
	require.NoError(t, err)

	file, problems := hclsyntax.ParseConfig(text, "roles.pkr.hcl", hcl.InitialPos)
	require.False(t, problems.HasErrors(), problems.Error())

	for _, block := range file.Body.(*hclsyntax.Body).Blocks {
		if block.Type != "variable" || block.Labels[0] != "roles" {
			continue
		}

		value, problems := block.Body.Attributes["default"].Expr.Value(nil)
		require.False(t, problems.HasErrors(), problems.Error())

		var got []string
		for _, name := range value.AsValueSlice() {
			got = append(got, name.AsString())
		}

		require.Equal(t, want, got)

		return
	}

	require.Fail(t, "the template has no variable roles")
}
