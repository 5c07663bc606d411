package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/stack"
)

// firstStack is what `hornero init` writes; the checked-in stack.yaml tells more of each key.
const firstStack = `# What is to be; ` + "`hornero up`" + ` makes it so, and ` + "`hornero validate`" + ` checks it.
version: 1

name: %s
cloud: %s              # lab or digitalocean
region: %s
release: debian-13
secrets: secrets.age    # encrypted, beside this file

site:
  title: %q
  admin_user: admin
  admin_email: %s

nodes:
  - {name: db, role: db, count: 3, size: s-1vcpu-1gb}
  - {name: proxy, role: proxy, count: 2, size: s-1vcpu-1gb}
  - {name: web, role: web, count: 2, size: s-1vcpu-1gb}

load_balancer:
  nodes: web
  http: 80
  https: 443
`

func initCommand(file *string) *cobra.Command {
	var name, cloud, region, title, email string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "write a first stack.yaml and its encrypted secrets file",
		Args:  cobra.NoArgs,
	}

	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		text := fmt.Sprintf(firstStack, name, cloud, region, title, email)
		if err := writeFirst(*file, text); err != nil {
			return err
		}

		// Read back as any stack: what a flag said is checked by the same rules.
		s, manifests, err := loadStack(*file)
		if err != nil {
			return errors.Join(err, os.Remove(*file)) // what a flag said is unfit
		}

		// Made now, so that the operator copies the key before there is a stack to lose.
		if _, err := openSecrets(s, manifests, cmd.ErrOrStderr()); err != nil {
			return err
		}

		fmt.Fprintf(
			cmd.OutOrStdout(),
			"%s is written: stack %s, %d nodes; next: `make images`, then `hornero up`\n",
			*file,
			s.Name,
			len(s.All()),
		)

		return nil
	}

	flags := cmd.Flags()
	flags.StringVar(&name, "name", "hornero", "the stack's name")
	flags.StringVar(&cloud, "cloud", stack.CloudLab, "lab or digitalocean")
	flags.StringVar(&region, "region", "nyc3", "a DigitalOcean region's slug")
	flags.StringVar(&title, "title", "Hornero", "what the front page is called")
	flags.StringVar(&email, "email", "admin@example.org", "the administrator's mail address")

	return cmd
}

func writeFirst(path, text string) error {
	// O_EXCL: a stack.yaml that is there is somebody's work.
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already; edit it, or name another with -f", path)
	}
	if err != nil {
		return fmt.Errorf("write stack: %w", err)
	}

	_, err = io.WriteString(out, text)

	return errors.Join(err, out.Close())
}
