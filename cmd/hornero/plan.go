package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

const planHelp = `Compares stack.yaml, the secrets file and the newest images with what the cloud has. Prints a line
for each difference: what is to be done, why, and which command does it. It changes nothing and makes no secret. It asks
the API and no node: how healthy nodes are is for "hornero status". With cloud: lab it starts the lab, as all do.

  +  to be made           ~  to be changed, replaced or turned on
  -  to be removed        !  nothing is done, and somebody should know

Compared are
- nodes: is each there and on, does its group still exist, its image, size and region, its monitoring, IPv6 and
  backups, and the settings, secrets, SSH keys, databases and rights of roles that it was launched with, and the tags
  that give it traffic;
- load balancers: every option of stack.yaml, target, certificate and network;
- firewalls, one a role: who may reach which port (the manifests' ports, and operator_addresses), and their target;
- records of the domain that stack.yaml names: address and ttl;
- the site's certificate, the network and its region;
- the project that stack.yaml names: are Droplets, load balancers and a free reserved IP in it;
- images, secrets and SSH keys that are missing, and whether the reserved IP can be used.

A Droplet's user-data cannot be read back. A tag of each Droplet, hornero:STACK:spec:1-..., tells what it was made from
without showing it: it is keyed with the secret plan.key. A Droplet of an earlier version has no such tag, and is "not
comparable" until it is replaced.

Not compared yet: Spaces; who holds the reserved IP; on which day backups are taken; files that changed on a node
("hornero-bootstrap drift"). Where a line says "nothing yet", no command of this version brings the change about. A line
of a secret, an image or the reserved IP comes first: where one is missing, "up" and "replace" stop before they change
anything.

A warning is what is legal and unwise, or a certificate that ends before long: nodes get theirs at their launch, so
that "hornero roll ROLE --all" renews them. It is no difference: no command changes it by itself.

Exits 0, or 1 on an error. With --detailed-exitcode it exits 2 when there is a difference, as Terraform does,
but for a roll that waits for its operator (canary, blue-green): that is shown, and is no drift.`

// planNothing is what is printed where nothing differs.
const planNothing = "Nothing to do: the cloud is as stack.yaml says. `hornero plan --help` tells what was compared."

func planCommand(file *string) *cobra.Command {
	var asJSON, detailed bool
	var out string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "show what differs between stack.yaml and the cloud, and what each command would do about it",
		Long:  planHelp,
		Example: "  hornero plan\n" +
			"  hornero plan --out plan.json && hornero up --plan plan.json\n" +
			"  hornero plan --detailed-exitcode || echo \"something differs, or could not be compared\"\n" +
			"  hornero plan --json | jq -r '.differences[] | select(.action == \"replace\") | .name'",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := fleetConfig(cmd, *file, leaveSecrets)
			if err != nil {
				return err
			}

			plan, err := fleet.ReadPlan(cmd.Context(), config)
			if err != nil {
				return err
			}

			if err := writePlan(out, plan); err != nil {
				return err
			}

			if err := printPlan(cmd.OutOrStdout(), plan, asJSON); err != nil {
				return err
			}

			return planExit(plan, detailed)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&out, "out", "", "also write it to this file, for `hornero up --plan FILE`")
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit 2 when there is a difference")

	return cmd
}

// writePlan keeps a plan for `hornero up --plan`.
func writePlan(path string, plan fleet.Plan) error {
	if path == "" {
		return nil
	}

	text, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return err
	}

	_, err = file.Write(path, append(text, '\n'), file.Options{})

	return err
}

// readPlan reads what writePlan wrote; nil where no file is named.
func readPlan(path string) (*fleet.Plan, error) {
	if path == "" {
		return nil, nil
	}

	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}

	var plan fleet.Plan
	if err := json.Unmarshal(text, &plan); err != nil {
		return nil, fmt.Errorf("read plan %s: %w; `hornero plan --out %s` writes one", path, err, path)
	}

	if plan.Version != fleet.PlanVersion {
		return nil, fmt.Errorf("read plan %s: it is of version %d, and this is version %d; make a new one",
			path, plan.Version, fleet.PlanVersion)
	}

	return &plan, nil
}

// planExit is 2 for differences only where that was asked for: CI takes any other number than 0 for a failure.
func planExit(plan fleet.Plan, detailed bool) error {
	// Of a roll that stands its operator knows: it is no drift.
	known := func(one fleet.Difference) bool { return one.Kind == fleet.KindRoll }
	drift := slices.DeleteFunc(slices.Clone(plan.Differences), known)

	if detailed && len(drift) > 0 {
		return exitDifferences
	}

	return nil
}

// leaveSecrets opens the secrets file as it is: a plan makes nothing.
func leaveSecrets(s *stack.Stack, _ map[string]*roles.Manifest, progress io.Writer) (*stack.Secrets, error) {
	return readSecrets(s, progress)
}

// signs are what stands before a line, as Terraform's users know it.
var signs = map[string]string{
	fleet.ActionCreate:  "+",
	fleet.ActionLaunch:  "+",
	fleet.ActionTurnOn:  "~",
	fleet.ActionChange:  "~",
	fleet.ActionReplace: "~",
	fleet.ActionRemove:  "-",
	fleet.ActionNothing: "!",
}

// totals are in the order of the last line.
var totals = []struct{ action, text string }{
	{fleet.ActionCreate, "to create"},
	{fleet.ActionLaunch, "to launch"},
	{fleet.ActionTurnOn, "to turn on"},
	{fleet.ActionChange, "to change"},
	{fleet.ActionReplace, "to replace"},
	{fleet.ActionRemove, "to remove"},
	{fleet.ActionNothing, "to know"},
}

func printPlan(w io.Writer, plan fleet.Plan, asJSON bool) error {
	if asJSON {
		return printJSON(w, plan)
	}

	fmt.Fprintf(w, "stack %s on %s\n", plan.Stack, plan.Cloud)

	if len(plan.Differences) == 0 {
		fmt.Fprintf(w, "%s\n%s\n", planNothing, priceText(plan.Price))
	} else {
		printDifferences(w, plan)
	}

	for _, line := range plan.Warnings {
		fmt.Fprintf(w, "\nwarning: %s\n", line)
	}

	return nil
}

func printDifferences(w io.Writer, plan fleet.Plan) {
	wide, last := 0, ""
	for _, one := range plan.Differences {
		wide = max(wide, len(one.Name))
	}

	count := map[string]int{}

	for _, one := range plan.Differences {
		// They come sorted by kind.
		if one.Kind != last {
			fmt.Fprintf(w, "\n%s\n", one.Kind)
			last = one.Kind
		}

		count[one.Action]++
		printPlanLine(w, one, wide)
	}

	fmt.Fprintf(w, "\nPlan: %s. %s\n", totalsText(count), priceText(plan.Price))
}

// priceText tells what the stack costs.
func priceText(price fleet.Price) string {
	text := fmt.Sprintf("It costs about $%.0f a month", price.Now)
	if price.After != price.Now {
		text += fmt.Sprintf(", and $%.0f afterwards", price.After)
	}

	if len(price.Unknown) > 0 {
		text += " (without " + strings.Join(price.Unknown, ", ") + ", whose price the API does not tell)"
	}

	return text + "."
}

// printPlanLine keeps to one line what a command does, and puts below it what somebody has to do himself.
func printPlanLine(w io.Writer, one fleet.Difference, wide int) {
	fmt.Fprintf(w, "  %s %-*s  %s: %s", signs[one.Action], wide, one.Name, one.Action, one.Reason)

	if strings.HasPrefix(one.By, fleet.NothingYet) {
		fmt.Fprintf(w, "\n    %-*s  %s\n", wide, "", one.By)
		return
	}

	fmt.Fprintf(w, " (`%s`)\n", one.By)
}

func totalsText(count map[string]int) string {
	var texts []string

	for _, total := range totals {
		if number := count[total.action]; number > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", number, total.text))
		}
	}

	return strings.Join(texts, ", ")
}
