package builder_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hcldec"
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

// Options that are in the specs and in none of the structs' own: a generator that was not run would leave the two apart.
func TestTheSpecsAreOfTheStructs(t *testing.T) {
	for _, component := range []struct {
		options any
		spec    hcldec.ObjectSpec
	}{
		{builder.Config{}, new(builder.Builder).ConfigSpec()},
		{builder.ProvisionerConfig{}, new(builder.Provisioner).ConfigSpec()},
		{builder.DatasourceConfig{}, new(builder.Datasource).ConfigSpec()},
		{builder.DatasourceOutput{}, new(builder.Datasource).OutputSpec()},
		{builder.ManifestConfig{}, new(builder.ManifestPostProcessor).ConfigSpec()},
		{builder.PruneConfig{}, new(builder.PrunePostProcessor).ConfigSpec()},
		{builder.ImageFilter{}, new(builder.ImageFilter).FlatMapstructure().HCL2Spec()},
	} {
		options := optionsOf(reflect.TypeOf(component.options))
		require.NotEmpty(t, options)
		for name := range options {
			require.Contains(t, component.spec, name, "%T: run go generate ./builder", component.options)
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
		{new(builder.Builder).ConfigSpec(), made + shared + sections["Builder `hornero-droplet`"]},
		{new(builder.ImageFilter).FlatMapstructure().HCL2Spec(), sections["Builder `hornero-droplet`"]},
		{new(builder.Provisioner).ConfigSpec(), made},
		{new(builder.Datasource).ConfigSpec(), shared + sections["Data source `hornero-image`"]},
		{new(builder.Datasource).OutputSpec(), sections["Data source `hornero-image`"]},
		{new(builder.ManifestPostProcessor).ConfigSpec(), sections["Post-processor `hornero-manifest`"]},
		{new(builder.PrunePostProcessor).ConfigSpec(), shared + sections["Post-processor `hornero-prune`"]},
	} {
		for option := range component.spec {
			if !theirs[option] && !strings.HasPrefix(option, "packer_") {
				require.Contains(t, component.where, "`"+option+"`")
			}
		}
	}
}
