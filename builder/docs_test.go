package builder_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/hashicorp/packer-plugin-sdk/communicator"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
)

// optionsOf lists the options of a struct by their tags, those of the structs that are squashed into it, too.
func optionsOf(of reflect.Type) map[string]bool {
	options := map[string]bool{}
	for i := range of.NumField() {
		name, how, _ := strings.Cut(of.Field(i).Tag.Get("mapstructure"), ",")
		switch {
		case how == "squash":
			for inner := range optionsOf(of.Field(i).Type) {
				options[inner] = true
			}

		case name != "":
			options[name] = true
		}
	}

	return options
}

// Options that are in the specs and in none of the structs' own: a generator that was not run would leave the
// two apart.
func TestTheSpecsAreOfTheStructs(t *testing.T) {
	for _, component := range []struct {
		options any
		spec    hcldec.ObjectSpec
	}{
		{
			options: builder.Config{},
			spec:    new(builder.Builder).ConfigSpec(),
		},
		{
			options: builder.RootfsConfig{},
			spec:    new(builder.RootfsBuilder).ConfigSpec(),
		},
		{
			options: builder.ProvisionerConfig{},
			spec:    new(builder.Provisioner).ConfigSpec(),
		},
		{
			options: builder.DatasourceConfig{},
			spec:    new(builder.Datasource).ConfigSpec(),
		},
		{
			options: builder.DatasourceOutput{},
			spec:    new(builder.Datasource).OutputSpec(),
		},
		{
			options: builder.ManifestConfig{},
			spec:    new(builder.ManifestPostProcessor).ConfigSpec(),
		},
		{
			options: builder.PruneConfig{},
			spec:    new(builder.PrunePostProcessor).ConfigSpec(),
		},
		{
			options: builder.ImageFilter{},
			spec:    new(builder.ImageFilter).FlatMapstructure().HCL2Spec(),
		},
	} {
		options := optionsOf(reflect.TypeOf(component.options))
		require.NotEmpty(t, options)

		for name := range options {
			require.Contains(t,
				component.spec,
				name,
				"%T: run go generate ./builder",
				component.options,
			)
		}

		for name := range component.spec {
			require.Contains(t, options, name, "%T: run go generate ./builder", component.options)
		}
	}
}

func TestThePageNamesEveryOption(t *testing.T) {
	text, err := os.ReadFile("../docs/packer.md")
	require.NoError(t, err)

	page := string(text)
	theirs := optionsOf(reflect.TypeOf(communicator.Config{}))
	sections := map[string]string{}

	for _, section := range strings.Split(page, "\n## ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		sections[title] = body
	}

	shared := sections["What every component knows of the API"]
	made := sections["What an image is made of"]
	for _, component := range []struct {
		spec  hcldec.ObjectSpec
		where string
	}{
		{
			spec:  new(builder.Builder).ConfigSpec(),
			where: made + shared + sections["Builder `hornero-droplet`"],
		},
		{
			spec:  new(builder.ImageFilter).FlatMapstructure().HCL2Spec(),
			where: sections["Builder `hornero-droplet`"],
		},
		{new(builder.Provisioner).ConfigSpec(), made},
		{
			spec:  new(builder.Datasource).ConfigSpec(),
			where: shared + sections["Data source `hornero-image`"],
		},
		{
			spec:  new(builder.Datasource).OutputSpec(),
			where: sections["Data source `hornero-image`"],
		},
		{
			spec:  new(builder.ManifestPostProcessor).ConfigSpec(),
			where: sections["Post-processor `hornero-manifest`"],
		},
		{
			spec:  new(builder.PrunePostProcessor).ConfigSpec(),
			where: shared + sections["Post-processor `hornero-prune`"],
		},
	} {
		for option := range component.spec {
			if !theirs[option] && !strings.HasPrefix(option, "packer_") {
				require.Contains(t, component.where, "`"+option+"`")
			}
		}
	}
}

func TestThePageOfRootfsNamesEveryOption(t *testing.T) {
	text, err := os.ReadFile("../docs/rootfs.md")
	require.NoError(t, err)

	_, options, _ := strings.Cut(string(text), "\n| option | is |\n")
	table, _, _ := strings.Cut(options, "\n\n")

	for option := range new(builder.RootfsBuilder).ConfigSpec() {
		if !strings.HasPrefix(option, "packer_") {
			require.Contains(t, table, "`"+option+"`")
		}
	}
}

// The page's blocks of HCL are as packer fmt writes them, and name options that exist.
func TestThePagesTemplatesAreFormatted(t *testing.T) {
	text, err := os.ReadFile("../docs/packer.md")
	require.NoError(t, err)
	var blocks []string

	for _, block := range strings.Split(string(text), "\n\n    ") {
		block, _, _ = strings.Cut("    "+block, "\n\n#")
		var lines []string

		for line := range strings.Lines(block) {
			if inside, ok := strings.CutPrefix(line, "    "); ok {
				lines = append(lines, inside)
			}
		}

		if code := strings.Join(lines, ""); strings.HasPrefix(code, "source ") ||
			strings.HasPrefix(code, "data ") ||
			strings.HasPrefix(code, "build ") {
			blocks = append(blocks, strings.TrimRight(code, "\n")+"\n")
		}
	}

	require.Len(t, blocks, 3)

	for _, block := range blocks {
		require.Equal(t,
			string(hclwrite.Format([]byte(block))),
			block,
			"packer fmt would change it",
		)
	}
}
