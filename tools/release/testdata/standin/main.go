// Command standin stands for hornero and its companions in the tests of a release: it says what cobra would.
package main

import (
	"fmt"
	"os"
	"strings"
)

const general = `Standin launches what stack.yaml says. What fails is replaced.

Usage:
  hornero [command]

Commands:
  completion  Generate the autocompletion script for the specified shell
  help        Help about any command
  images      list and bake images

Flags:
  -f, --file string   the stack's file (default "stack.yaml")

Use "hornero [command] --help" for more information about a command.
`

const images = `list and bake images

Usage:
  hornero images [command]

Available Commands:
  bake        bake what changed

Global Flags:
  -f, --file string   the stack's file (default "stack.yaml")
`

const bake = `Bakes one image per role:

.cache is where Packer is looked for.

Usage:
  hornero images bake [ROLE...] [flags]

Flags:
      --keep        leave the Droplet

Global Flags:
  -f, --file string   the stack's file (default "stack.yaml")
`

// description is what Packer asks a plugin for.
const description = `{"version": "0.7.1", "sdk_version": "0.6.0", "api_version": "x5.0", "builders": ["droplet"]}
`

func main() {
	answers := map[string]string{
		"describe":           description,
		"--help":             general,
		"images --help":      images,
		"images bake --help": bake,
		"completion bash":    "# bash\n",
		"completion zsh":     "#compdef hornero\n",
		"completion fish":    "# fish\n",
	}

	answer, found := answers[strings.Join(os.Args[1:], " ")]
	if !found {
		fmt.Fprintln(os.Stderr, "standin: nothing to say to", os.Args[1:])
		os.Exit(1)
	}

	fmt.Print(answer)
}
