// Command packer-plugin-hornero is Hornero's Packer plugin. Packer starts it; "describe" tells what is in it.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/packer-plugin-sdk/plugin"
	pluginversion "github.com/hashicorp/packer-plugin-sdk/version"

	"github.com/hornero/hornero/builder"
)

// version is the release's number; a release's build sets it.
var version = "0.1.0"

func main() { os.Exit(run(os.Stderr)) }

// run serves one component to Packer. The component's name is the plugin's and the part after the dash.
func run(stderr io.Writer) int {
	set := plugin.NewSet()
	set.RegisterBuilder("droplet", new(builder.Builder))
	set.RegisterBuilder("rootfs", new(builder.RootfsBuilder))
	set.RegisterProvisioner("role", &builder.Provisioner{Version: version})
	set.RegisterDatasource("image", new(builder.Datasource))
	set.RegisterPostProcessor("manifest", new(builder.ManifestPostProcessor))
	set.RegisterPostProcessor("prune", new(builder.PrunePostProcessor))
	set.SetVersion(pluginversion.NewPluginVersion(version, "", ""))

	if err := set.Run(); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}

	return 0
}
