package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/images"
	"github.com/hornero/hornero/lab"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// Variables of DigitalOcean's clients.
const (
	tokenVariable      = "DIGITALOCEAN_ACCESS_TOKEN"
	otherTokenVariable = "DIGITALOCEAN_TOKEN"
	urlVariable        = "DIGITALOCEAN_API_URL"
)

// bake is what `hornero images bake` is told.
type bake struct {
	images    *imagesCommands
	bootstrap string
	image     string
	mirror    string
	security  string
	variables []string // for the templates, as NAME=VALUE
	parallel  int
	force     bool
	unchecked bool // neither packages nor ages are looked at
	flat      bool // no layer
}

func (c *imagesCommands) bakeCommand() *cobra.Command {
	b := &bake{images: c}
	command := &cobra.Command{
		Use:   "bake [ROLE...]",
		Short: "bake the images of the stack's roles that changed, or of the roles that are named",
		Long: "Bakes with Packer what changed: first the layer that all roles share (role common), then the roles on " +
			"it, all at once. The folder\nroles/ beside stack.yaml adds roles, or changes built-in ones.\n\n" +
			"What is unchanged is baked again when Debian has a security update for a package of its newest image, " +
			"or when that is older than\nimages.max_age of stack.yaml. Debian's signed package lists are asked for " +
			"at most once an hour. What is in an image is known from\nits record (--records), or from a node of the " +
			"stack that runs it.\n\n" +
			"Packer is the one that " + packerVariable + " names, or the first in PATH; its plugin and the program " +
			"that goes into every image\n(hornero-bootstrap) are found beside hornero, in PATH or in /usr/lib/hornero.",
		RunE:              b.run,
		ValidArgsFunction: completeRole(c.file, len("any number of them")),
	}

	const (
		bootstrapHelp = "the static hornero-bootstrap `FILE` that goes into every image"
		imageHelp     = "the base image's slug or number, where the release has none of its own"
		mirrorHelp    = "where packages are fetched from; empty: as the base image's own sources say"
		securityHelp  = "where security updates are fetched from; only beside --mirror"
		variableHelp  = "one more variable of the Packer templates, as `NAME=VALUE`; may be repeated"
		uncheckedHelp = "do not look for security updates, nor at images.max_age"
		flatHelp      = "bake each role from the base image, without the layer that they share"
	)

	flags := command.Flags()
	flags.BoolVar(&b.force, "force", false, "bake what is unchanged, too")
	flags.BoolVar(&b.unchecked, "no-updates-check", false, uncheckedHelp)
	flags.IntVar(&b.parallel, "parallel", 0, "how many roles at once; 0 for all")
	flags.StringVar(&b.bootstrap, "bootstrap", "", bootstrapHelp)
	flags.StringVar(&b.image, "image", "", imageHelp)
	flags.StringVar(&b.mirror, "mirror", "", mirrorHelp)
	flags.StringVar(&b.security, "security-mirror", "", securityHelp)
	flags.StringArrayVar(&b.variables, "var", nil, variableHelp)
	flags.BoolVar(&b.flat, "no-layer", false, flatHelp)

	return command
}

func (b *bake) run(cmd *cobra.Command, named []string) error {
	order, err := b.order(named)
	if err != nil {
		return err
	}

	variables, err := b.templateVariables(order)
	if err != nil {
		return err
	}

	ctx := cmd.Context()
	p := packer{stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr()}

	// The programs before the cloud: that may start a lab, which nobody needs who has no Packer.
	if err := p.find(ctx); err != nil {
		return err
	}

	environment, err := cloudEnvironment(ctx, *b.images.file, cmd.ErrOrStderr())
	if err != nil {
		return err
	}

	p.environment = append(environment, p.environment...)

	outdated, err := b.outdated(cmd, order, environment)
	if err != nil {
		return err
	}

	renew, err := renewVariable(outdated)
	if err != nil {
		return err
	}

	templates, err := writeTemplates()
	if err != nil {
		return err
	}
	defer os.RemoveAll(templates)

	signing, err := b.images.signing(cmd, environment)
	if err != nil {
		return err
	}

	err = b.build(ctx, p, order, slices.Concat(variables, renew, []string{templates}))

	// Also when another role's bake did not end well: what was made is there.
	return errors.Join(err, signing.finish(cmd))
}

// build bakes the layer first: the roles are baked on it.
func (b *bake) build(ctx context.Context, p packer, order bakeOrder, arguments []string) error {
	if order.layer {
		if err := p.build(ctx, append([]string{"-only=common.*"}, arguments...)...); err != nil {
			return err
		}
	}

	if len(order.roles) == 0 {
		return nil
	}

	options := []string{"-only=roles.*", "-parallel-builds=" + strconv.Itoa(b.parallel)}

	return p.build(ctx, append(options, arguments...)...)
}

// bakeOrder is what is to be baked.
type bakeOrder struct {
	roles   []string
	layer   bool
	folder  string // of the user's roles; empty where there is none
	release string // empty: the templates' own
	region  string // empty: the templates' own
	stack   string // empty: there is none
	maxAge  stack.Age
}

// order tells what to bake: the roles of the stack, or those that are named, for which there need be no stack.
func (b *bake) order(named []string) (bakeOrder, error) {
	file := *b.images.file
	order := bakeOrder{layer: !b.flat, release: b.images.release}

	folders, err := openRoles(file)
	if err != nil {
		return order, err
	}

	if order.folder, err = absolute(folders.path); err != nil {
		return order, err
	}

	manifests, err := folders.load()
	if err != nil {
		return order, err
	}

	order.roles, err = bakeable(named, manifests)
	if err != nil {
		return order, err
	}

	s, err := stack.Load(file, manifests)
	if errors.Is(err, fs.ErrNotExist) && len(named) > 0 {
		return order, nil
	}
	if err != nil {
		return order, err
	}

	order.of(s, len(named) == 0)

	return order, nil
}

// of takes from the stack what nobody said.
func (o *bakeOrder) of(s *stack.Stack, all bool) {
	if all {
		o.roles = slices.Sorted(maps.Keys(s.Expected()))
	}

	if o.release == "" {
		o.release = s.Release
	}

	o.region = s.Region
	o.stack = s.Name
	o.maxAge = s.Images.MaxAge
}

// bakeable are the named roles, once each; the layer is baked before any.
func bakeable(named []string, manifests map[string]*roles.Manifest) ([]string, error) {
	var known []string
	for _, manifest := range roles.Deployable(manifests) {
		known = append(known, manifest.Name)
	}

	wanted := slices.Sorted(slices.Values(named))
	wanted = slices.DeleteFunc(slices.Compact(wanted), func(name string) bool { return name == roles.Common })

	for _, name := range wanted {
		if manifest := manifests[name]; manifest != nil && manifest.Abstract {
			return nil, fmt.Errorf("%s is a piece of other roles: no image is baked of it alone", name)
		}

		if err := checkKnown(name, known); err != nil {
			return nil, err
		}
	}

	return wanted, nil
}

func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}

	return filepath.Abs(path)
}

// templateVariables are Packer's arguments for the templates; those that the user gives come last, and win.
func (b *bake) templateVariables(order bakeOrder) ([]string, error) {
	places, err := newPrograms()
	if err != nil {
		return nil, err
	}

	bootstrap, err := places.bootstrap(b.bootstrap)
	if err != nil {
		return nil, err
	}

	names, err := json.Marshal(append([]string{}, order.roles...))
	if err != nil {
		return nil, err
	}

	layer := roles.Common
	if b.flat {
		layer = ""
	}

	variables := []string{
		"roles=" + string(names),
		"layer=" + layer,
		"image=" + b.image,
		"mirror=" + b.mirror,
		"security_mirror=" + b.security,
		"bootstrap_binary=" + bootstrap,
		"force=" + strconv.FormatBool(b.force),
	}

	variables = append(variables, given("roles_dir", order.folder)...)
	variables = append(variables, given("records_dir", b.images.records)...)
	variables = append(variables, given("release", order.release)...)
	variables = append(variables, given("region", order.region)...)

	var arguments []string
	for _, variable := range slices.Concat(variables, b.variables) {
		arguments = append(arguments, "-var", variable)
	}

	return arguments, nil
}

// given is a variable that is left to the environment (PKR_VAR_...) and to the templates where nobody says it.
func given(name, value string) []string {
	if value == "" || os.Getenv("PKR_VAR_"+name) != "" {
		return nil
	}

	return []string{name + "=" + value}
}

// find finds Packer, and gives it our plugin.
func (p *packer) find(ctx context.Context) error {
	places, err := newPrograms()
	if err != nil {
		return err
	}

	if p.program, err = places.packer(ctx); err != nil {
		return err
	}

	plugin, err := places.companion(pluginProgram)
	if err != nil {
		return err
	}

	folder, err := pluginFolderOf(plugin)
	if err != nil {
		return err
	}

	p.environment = folder.environment()

	return folder.install(ctx, p.program, plugin)
}

// cloudEnvironment is that of a program that asks the stack's cloud.
func cloudEnvironment(ctx context.Context, file string, progress io.Writer) ([]string, error) {
	cloud, err := cloudOf(file)
	if err != nil {
		return nil, err
	}

	if cloud == stack.CloudDigitalOcean {
		if os.Getenv(tokenVariable) == "" {
			return nil, errNoToken
		}

		return os.Environ(), nil
	}

	endpoint, err := ensureLab(ctx, file, progress)
	if err != nil {
		return nil, err
	}

	return labEnvironment(os.Environ(), endpoint), nil
}

// labEnvironment points DigitalOcean's clients at the lab: what is an account's never reaches it, and the other way
// round.
func labEnvironment(environment []string, endpoint lab.Endpoint) []string {
	account := func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains([]string{tokenVariable, otherTokenVariable, urlVariable}, name)
	}

	return append(
		slices.DeleteFunc(slices.Clone(environment), account),
		urlVariable+"="+endpoint.URL,
		tokenVariable+"="+endpoint.Token,
		otherTokenVariable+"="+endpoint.Token,
	)
}

// writeTemplates writes the Packer templates into a folder that the caller removes.
func writeTemplates() (string, error) {
	folder, err := os.MkdirTemp("", "hornero-bake-")
	if err != nil {
		return "", fmt.Errorf("write Packer's templates: %w", err)
	}

	if err := os.CopyFS(folder, images.FS()); err != nil {
		return "", errors.Join(fmt.Errorf("write Packer's templates: %w", err), os.RemoveAll(folder))
	}

	return folder, nil
}
