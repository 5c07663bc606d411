package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

func stackCommands(file *string) []*cobra.Command {
	return []*cobra.Command{
		planCommand(file),
		changing(file, upCommand(file)),
		statusCommand(file),
		eventsCommand(file),
		logsCommand(file),
		openCommand(file),
		recoverCommand(file),
		changing(file, scaleCommand(file)),
		changing(file, rollCommand(file)),
		changing(file, replaceCommand(file)),
		changing(file, healCommand(file)),
		execCommand(file),
		sshCommand(file),
		changing(file, destroyCommand(file)),
		lockCommand(file),
		runsCommand(file),

		validateCommand(file),
		rolesCommand(file),
		schemaCommand(file),
		secretsCommand(file),
		reservedIPCommand(file),
		initCommand(file),
		userdataCommand(file),
		versionCommand(),
	}
}

// loadStack reads a stack's file, and the roles that its nodes may have.
func loadStack(file string) (*stack.Stack, map[string]*roles.Manifest, error) {
	folders, err := openRoles(file)
	if err != nil {
		return nil, nil, err
	}

	manifests, err := folders.load()
	if err != nil {
		return nil, nil, err
	}

	s, err := stack.Load(file, manifests)
	if err != nil {
		return nil, nil, err
	}

	// After the file is checked: its own cloud must be right, too.
	if cloud := os.Getenv("CLOUD"); cloud != "" {
		if err := checkCloud(cloud); err != nil {
			return nil, nil, err
		}

		s.Cloud = cloud
	}

	return s, manifests, nil
}

// readSecrets opens the secrets file, and makes nothing that is missing from it.
func readSecrets(s *stack.Stack, progress io.Writer) (*stack.Secrets, error) {
	key, err := stack.DefaultKey()
	if err != nil {
		return nil, err
	}

	return stack.OpenSecretsWith(s.SecretsPath(), key, func(line string) {
		fmt.Fprintln(progress, line)
	})
}

func openSecrets(s *stack.Stack, manifests map[string]*roles.Manifest, progress io.Writer) (*stack.Secrets, error) {
	secrets, err := readSecrets(s, progress)
	if err != nil {
		return nil, err
	}

	// A role that was added to the stack may need secrets that nobody made yet.
	return secrets, secrets.Ensure(s, manifests)
}

// withFleet wires a fleet to its cloud and hands it to work.
func withFleet(cmd *cobra.Command, file string, work func(context.Context, *fleet.Fleet) error) error {
	config, err := fleetConfig(cmd, file, openSecrets)
	if err != nil {
		return err
	}

	f, err := fleet.New(config)
	if err != nil {
		return err
	}
	defer f.Close()

	return work(cmd.Context(), f)
}

// secretsOpener opens a stack's secrets file.
type secretsOpener = func(*stack.Stack, map[string]*roles.Manifest, io.Writer) (*stack.Secrets, error)

// fleetConfig reads a stack and its secrets, and finds its cloud.
func fleetConfig(cmd *cobra.Command, file string, open secretsOpener) (fleet.Config, error) {
	progress := cmd.ErrOrStderr()

	s, manifests, err := loadStack(file)
	if err != nil {
		return fleet.Config{}, err
	}

	secrets, err := open(s, manifests, progress)
	if err != nil {
		return fleet.Config{}, err
	}

	records, err := record.DefaultFolder()
	if err != nil {
		return fleet.Config{}, err
	}

	config := fleet.Config{
		Stack:     s,
		Records:   records,
		Secrets:   secrets,
		Manifests: manifests,
		Progress:  func(line string) { fmt.Fprintln(progress, line) },
		Cache:     nodeCache(s),
	}

	// The cloud comes last: it may start a lab, and nothing of that is needed for a wrong file.
	client, found, err := connect(cmd.Context(), s.Cloud, file, retriesOf(cmd), progress)
	if err != nil {
		return fleet.Config{}, err
	}

	config.Client = client

	// On DigitalOcean nodes and this machine reach everything at the same addresses.
	if s.Cloud == stack.CloudLab {
		config.Published = found.Published
		config.APIInside = found.Inside
		config.SpacesFrom = found.Spaces
	}

	return config, nil
}

const upHelp = `Brings about what "hornero plan" shows: launches what is missing, changes load balancers and their
certificate in place, waits until every node is healthy and every load balancer answers, replaces nodes that are not as
wanted (image, size, settings, secrets), removes those that no group has any more, and prints the first load balancer's
address.

Nodes are replaced role by role as "hornero roll" does it: behind an extra node that goes first. A database node that
was scaled away takes its copy of the data along, so that is asked for (--confirm=STACK). Run twice, the second changes
nothing; killed halfway and run again, it finishes.

A node gets traffic when it is healthy: by the tag hornero:STACK:lb:NAME, which up puts on it again when it is missing.
A load balancer that stack.yaml does not name any more is removed last. Its address is lost for good, so that is asked
for before anything is done (--yes). What stack.yaml cannot say of a load balancer (sticky sessions, firewall, size) is
left. None moves to another network: "up --replace-balancer NAME" makes it anew, at another address.`

func upCommand(file *string) *cobra.Command {
	var timeout time.Duration
	var soak time.Duration
	var planned string
	var confirmed *confirmation
	var replaced []string
	var locked *locking
	cmd := &cobra.Command{
		Use:   "up",
		Short: "make what exists equal stack.yaml, and wait until it serves",
		Args:  cobra.NoArgs,
		Long:  upHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := readPlan(planned)
			if err != nil {
				return err
			}

			return withFleet(cmd, *file, func(ctx context.Context, f *fleet.Fleet) error {
				f.Planned = plan
				f.Timeout = timeout
				f.ReplaceBalancers = replaced
				f.Soak = soak
				f.Confirm = confirmed.of(f.Stack.Name, cmd.InOrStdin(), cmd.ErrOrStderr())
				return runUp(ctx, cmd, f, locked)
			})
		},
	}
	timeoutFlag(cmd, &timeout)
	soakFlag(cmd, &soak)
	cmd.Flags().StringVar(&planned, "plan", "", "a file of `hornero plan --out`: bring about nothing that it has not")
	confirmed = confirmFlags(cmd)
	cmd.Flags().StringArrayVar(&replaced, "replace-balancer", nil,
		"make the load balancer `NAME` anew, at another address; the short form's NAME is the role behind it")
	locked = lockFlags(cmd)

	return cmd
}

// runUp makes what exists equal what a fleet's stack says, and prints how that went.
func runUp(ctx context.Context, cmd *cobra.Command, f *fleet.Fleet, locked *locking) error {
	var url string
	var took fleet.Breakdown

	err := locked.change(ctx, cmd, f, func(ctx context.Context) (err error) {
		url, took, err = f.Up(ctx)
		return err
	})
	if err != nil {
		return err
	}

	fmt.Fprintf(
		cmd.ErrOrStderr(),
		"launch %.1f s, peers formed %.1f s, Galera formed %.1f s, first 200 %.1f s, all healthy %.1f s\n",
		took.Launched,
		took.Peers,
		took.Galera,
		took.First,
		took.Healthy,
	)

	// The URL alone is on standard output, for scripts. A stack without a load balancer has none.
	if url != "" {
		fmt.Fprintln(cmd.OutOrStdout(), url)
	}

	return nil
}

func timeoutFlag(cmd *cobra.Command, timeout *time.Duration) {
	cmd.Flags().DurationVar(
		timeout,
		"timeout",
		fleet.DefaultTimeout,
		"how long nodes may take to become healthy",
	)
}

func soakFlag(cmd *cobra.Command, soak *time.Duration) {
	cmd.Flags().DurationVar(
		soak,
		"soak",
		fleet.DefaultSoak,
		"how long the first new node of a role is watched before the others are replaced",
	)
}

const replaceHelp = `Recreates a node from its image. A node that its role's guards keep, as one with uploads that no
other node has, is given half a minute; then it is asked for, or said with --confirm=STACK, that these go with it.`

func replaceCommand(file *string) *cobra.Command {
	var timeout time.Duration
	var confirmed *confirmation
	var locked *locking
	cmd := &cobra.Command{
		Use:   "replace NODE",
		Short: "recreate a node from its image instead of repairing it",
		Long:  replaceHelp,
		Args:  cobra.ExactArgs(1),

		ValidArgsFunction: completeNode(file),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withFleet(cmd, *file, func(ctx context.Context, f *fleet.Fleet) error {
				f.Timeout = timeout
				f.Confirm = confirmed.of(f.Stack.Name, cmd.InOrStdin(), cmd.ErrOrStderr())

				return locked.change(ctx, cmd, f, func(ctx context.Context) error { return f.Replace(ctx, args[0]) })
			})
		},
	}
	timeoutFlag(cmd, &timeout)
	confirmed = confirmFlags(cmd)
	locked = lockFlags(cmd)

	return cmd
}

// exitOf makes a command's exit code that of this program.
func exitOf(code int, err error) error {
	if err == nil && code != 0 {
		return exit(code)
	}

	return err
}

func destroyCommand(file *string) *cobra.Command {
	var yes bool
	var locked *locking
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "remove the stack's Droplets, load balancers and network; images and secrets are kept",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return errors.New("destroy removes the databases and all their data; say --yes to do it")
			}

			return withFleet(cmd, *file, func(ctx context.Context, f *fleet.Fleet) error {
				return locked.change(ctx, cmd, f, f.Destroy)
			})
		},
	}
	locked = lockFlags(cmd)
	locked.leaving = true
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")

	return cmd
}

func validateCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "validate",
		Short: "check stack.yaml and say everything that is wrong with it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, manifests, err := loadStack(*file)
			if err != nil {
				return err
			}

			// The file can be right while `hornero up` would still stop for a secret.
			if err := checkSecrets(s, manifests); err != nil {
				return fmt.Errorf("%s is right, and something else is missing: %w", *file, err)
			}

			fmt.Fprintf(
				cmd.OutOrStdout(),
				"%s is right: stack %s, %d nodes\n",
				*file,
				s.Name,
				len(s.All()),
			)

			return nil
		},
	}
}
