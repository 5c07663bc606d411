// Command hornero is the command line: it wires the parts together, and exits with what they say.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(context.Background(), os.Args[1:])) }

func run(ctx context.Context, arguments []string) int {
	root := &cobra.Command{Use: "hornero", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(newLabCommand())
	root.SetArgs(arguments)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "hornero:", err)
		return 1
	}
	return 0
}
