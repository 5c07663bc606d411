//go:build root

package builder_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/digitalocean/godo"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/lab"
	"github.com/hornero/hornero/lab/api"
	labmachine "github.com/hornero/hornero/lab/machine"
)

// labOptions are what a test's lab is started with. Tests run beside each other, so each lab has a name of its own,
// and takes a public range that is free. A lab answers at once unless its test is about the moments between two
// answers.
type labOptions struct {
	name    string
	profile string // of delays; empty means instant
	delays  []string
}

func init() {
	setups = append(setups, shareFolder, runMoreAtOnce)

	programs["serve-lab"] = func(args []string) error {
		options := lab.Options{
			Name: args[0],
			Pace: lab.Pace{
				Profile: args[1],
				Delays:  args[2:],
			},
			Launcher: []string{os.Args[0], "launch-droplet"},
		}

		return lab.ServeForeground(context.Background(), options, os.Stderr, func(lab.Endpoint) {})
	}

	programs["launch-droplet"] = func(args []string) error {
		return labmachine.Launch(args[0])
	}
}

// sharedFolder holds the labs of all tests of this run, and what else they share.
var sharedFolder string

// shareFolder makes the shared folder. The variable that moves the labs there is of the whole process, and tests
// that run beside each other cannot each set it.
func shareFolder() (remove func() error, err error) {
	if sharedFolder, err = os.MkdirTemp("", "hornero-builder-"); err != nil {
		return nil, err
	}

	if err := os.Setenv(lab.FolderVariable, filepath.Join(sharedFolder, "labs")); err != nil {
		return nil, err
	}

	return func() error { return os.RemoveAll(sharedFolder) }, nil
}

// atOnce is how many tests run at the same time, unless -parallel says otherwise: more than there are processors,
// as a bake waits for half of its time.
const atOnce = "4"

func runMoreAtOnce() (undo func() error, err error) {
	flag.Parse()

	told := false
	flag.Visit(func(one *flag.Flag) { told = told || one.Name == "test.parallel" })

	if !told {
		err = flag.Set("test.parallel", atOnce)
	}

	return func() error { return nil }, err
}

// bakeLab is a lab to bake in, with this checkout's role common and a role of the test's own.
type bakeLab struct {
	*testing.T
	started labOptions
	client  *godo.Client
	options object
	roles   string
	data    string // XDG_DATA_HOME of the programs that bake
}

func newBakeLab(t *testing.T, options labOptions) *bakeLab {
	t.Helper()

	// Two runs on one computer do not meet.
	options.name = fmt.Sprintf("p%d-%s", os.Getpid(), options.name)

	l := &bakeLab{
		T:       t,
		started: options,
		roles:   t.TempDir(),
		data:    t.TempDir(),
	}

	quiet := slog.New(slog.NewTextHandler(t.Output(), nil))
	t.Cleanup(func() {
		require.NoError(t, lab.Reset(context.Background(), options.name, quiet))
	})

	endpoint, _, err := lab.Start(t.Context(), options.name, l.server())
	require.NoError(t, err)

	l.client, err = do.NewClient(endpoint.URL, endpoint.Token, "test")
	require.NoError(t, err)

	common := os.DirFS("../roles/common")
	require.NoError(t, os.CopyFS(filepath.Join(l.roles, "common"), common))

	l.options = object{
		"api_url":          endpoint.URL,
		"api_token":        endpoint.Token,
		"role":             "tiny",
		"roles_dir":        l.roles,
		"records_dir":      filepath.Join(l.data, "hornero/images"),
		"bootstrap_binary": made(t, "bin/hornero-bootstrap"),
	}

	return l
}

// of is the same lab for a test within the test that started it.
func (l *bakeLab) of(t *testing.T) *bakeLab {
	same := *l
	same.T = t

	return &same
}

// server is the command that serves the lab: the tests' own program.
func (l *bakeLab) server() []string {
	program, err := os.Executable()
	require.NoError(l, err)

	profile := l.started.profile
	if profile == "" {
		profile = api.ProfileInstant
	}

	command := []string{program, "serve-lab", l.started.name, profile}

	return append(command, l.started.delays...)
}

// environment is that of a program that bakes in the lab, which it reaches at url.
func (l *bakeLab) environment(url string) []string {
	return []string{
		"CLOUD=digitalocean",
		"DIGITALOCEAN_API_URL=" + url,
		"DIGITALOCEAN_ACCESS_TOKEN=" + l.options["api_token"].(string),
		"XDG_DATA_HOME=" + l.data,
	}
}

// url is where the lab's API answers.
func (l *bakeLab) url() string {
	return l.options["api_url"].(string)
}

// tinyRole is the manifest of the role tiny but for its bake commands.
const tinyRole = `version: 1
name: tiny
summary: small
peers: client
packages: {all: [cron]}
excluded: {all: [exim4]}
services: [{unit: cron.service}]
secrets: {tiny.word: {}}
files:
  - source: motd
    path: /etc/motd
    mode: "0640"
    owner: "root:daemon"
    check: [grep, -q, baked, "{file}"]
templates:
  - source: tiny.conf
    path: /etc/tiny/tiny.conf
    mode: "0600"
    owner: daemon
    bake_check: [sh, -ec, 'grep word /etc/tiny/tiny.conf; touch /etc/t /tmp/t /var/log/t']
    reload: [cron.service]
`

// role writes the manifest of the role tiny, with these bake commands.
func (l *bakeLab) role(commands ...string) {
	l.Helper()
	list, err := json.Marshal(commands)
	require.NoError(l, err)

	manifest := tinyRole + "bake: {commands: " + string(list) + "}\n"
	writeFile(l.T, filepath.Join(l.roles, "tiny/role.yaml"), manifest)
	writeFile(l.T, filepath.Join(l.roles, "tiny/motd"), "baked\n")
	writeFile(
		l.T,
		filepath.Join(l.roles, "tiny/tiny.conf"),
		"word {{secret \"tiny.word\"}} of {{.Node}}\n",
	)
}

// rewrite replaces text in a file of the lab's roles.
func (l *bakeLab) rewrite(file, old, now string) {
	l.Helper()
	path := filepath.Join(l.roles, file)
	text, err := os.ReadFile(path)
	require.NoError(l, err)
	require.Contains(l, string(text), old)

	writeFile(l.T, path, strings.Replace(string(text), old, now, 1))
}

// recordingUI is a Ui that keeps what it is told.
type recordingUI struct {
	packersdk.Ui
	mutex sync.Mutex
	text  strings.Builder
	heard func(string)
}

func (u *recordingUI) Say(text string) {
	u.mutex.Lock()
	defer u.mutex.Unlock()

	u.text.WriteString(text + "\n")

	if u.heard != nil {
		u.heard(text)
	}
}

// provisionHook runs the provisioner, as Packer does.
type provisionHook struct{ options object }

func (h provisionHook) Run(
	ctx context.Context,
	name string,
	ui packersdk.Ui,
	comm packersdk.Communicator,
	data any,
) error {
	if name != packersdk.HookProvision {
		return nil
	}

	given := object{}

	// The builder's other options are none of the provisioner's, which refuses what it does not know.
	for _, option := range []string{
		"role",
		"roles_dir",
		"layer",
		"release",
		"image",
		"mirror",
		"records_dir",
		"bootstrap_binary",
	} {
		if value, ok := h.options[option]; ok {
			given[option] = value
		}
	}

	p := &builder.Provisioner{Version: "0.0.0"}

	if err := p.Prepare(given); err != nil {
		return err
	}

	return p.Provision(ctx, ui, comm, data.(map[string]any))
}

// bake bakes a role in this process, and tells each line that the build says to heard, which may be nil.
func (l *bakeLab) bake(ctx context.Context, heard func(string)) (packersdk.Artifact, string, error) {
	l.Helper()
	b := new(builder.Builder)
	_, _, err := b.Prepare(l.options)
	require.NoError(l, err)

	ui := &recordingUI{
		Ui:    packersdk.TestUi(l.T),
		heard: heard,
	}

	artifact, err := b.Run(ctx, ui, provisionHook{l.options})

	return artifact, ui.text.String(), err
}

// nothingLeft wants no Droplet and no key in the lab, and so many images.
func (l *bakeLab) nothingLeft(images int) {
	l.Helper()
	droplets, err := do.Droplets(l.Context(), l.client)
	require.NoError(l, err)
	require.Empty(l, droplets)

	keys, err := do.Keys(l.Context(), l.client)
	require.NoError(l, err)
	require.Empty(l, keys)

	all, err := do.UserImages(l.Context(), l.client)
	require.NoError(l, err)
	require.Len(l, all, images)
}

// newest is the newest image of a role.
func (l *bakeLab) newest(role string) godo.Image {
	l.Helper()
	images, err := do.ImagesByTag(l.Context(), l.client, "hornero:role:"+role)
	require.NoError(l, err)
	require.NotEmpty(l, images)

	return newestOf(images)
}
