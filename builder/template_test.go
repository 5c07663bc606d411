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
