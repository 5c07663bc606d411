//go:build root

package builder_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/lab"
)

// bareTemplate bakes without a role's packages: what is killed here is the build, not the bake's commands
// (TestLayers kills in those).
const bareTemplate = `
source "hornero-droplet" "tiny" {
  role             = "tiny"
  roles_dir        = %q
  bootstrap_binary = %q
  snapshot_regions = ["ams3"]
  force            = true
  cleanup_timeout  = "30s"
  state_timeout    = "2m"
}
build {
  sources = ["source.hornero-droplet.tiny"]
  provisioner "shell" {
    inline = ["echo on the Droplet", "sleep 0.3", "echo still there"]
  }
  post-processor "hornero-manifest" { output = %q }
  post-processor "hornero-prune" { keep = 1 }
}
`

// findingTemplate finds what bareTemplate left.
const findingTemplate = `
data "hornero-image" "tiny" {
  role   = "tiny"
  region = "ams3"
}
source "null" "nothing" { communicator = "none" }
build {
  sources = ["source.null.nothing"]
  post-processor "hornero-manifest" {
    output      = %q
    custom_data = { found = data.hornero-image.tiny.id, at = join(" ", data.hornero-image.tiny.regions) }
  }
}
`

// patience of these tests.
const (
	endsWithin  = 5 * time.Minute // a build whose helpers are killed
	goneWithin  = time.Minute     // plugins whose Packer is killed
	lookingEach = 50 * time.Millisecond
)

// run is a Packer that may be killed.
type run struct {
	*testing.T
	command *exec.Cmd
	output  strings.Builder
	mutex   sync.Mutex
	ended   chan error
	heard   func(line string)
	orphans []int
}

// packer starts Packer with the plugin of this checkout on what answers at url.
func (o *oven) packer(url string, heard func(line string), args ...string) *run {
	o.Helper()
	made(o.T, "bin/packer-plugin-hornero", "packer")

	r := &run{
		T:       o.T,
		heard:   heard,
		ended:   make(chan error, 1),
		command: exec.Command("../.cache/packer", args...),
	}

	r.command.Env = append(
		packerEnvironment(o.T),
		"DIGITALOCEAN_API_URL="+url,
		"DIGITALOCEAN_ACCESS_TOKEN="+o.options["api_token"].(string),
	)

	reader, writer, err := os.Pipe()
	require.NoError(o, err)

	r.command.Stdout = writer
	r.command.Stderr = writer
	require.NoError(o, r.command.Start())
	require.NoError(o, writer.Close())

	go func() {
		r.listen(reader)
		r.ended <- r.command.Wait()
	}()

	return r
}

func (r *run) listen(from io.ReadCloser) {
	defer from.Close()

	for lines := bufio.NewScanner(from); lines.Scan(); {
		r.mutex.Lock()
		r.output.WriteString(lines.Text() + "\n")
		r.mutex.Unlock()

		if r.heard != nil {
			r.heard(lines.Text())
		}
	}
}

// end waits for Packer's end and returns it with what it said.
func (r *run) end() (string, error) {
	r.Helper()

	select {
	case err := <-r.ended:
		r.mutex.Lock()
		defer r.mutex.Unlock()
		return r.output.String(), err

	case <-time.After(endsWithin):
		r.kill(r.processes(""))
		r.mutex.Lock()
		defer r.mutex.Unlock()

		require.Fail(r, "Packer does not end", r.output.String())

		return "", nil
	}
}

// processes lists the run's processes whose command line has this in it: Packer starts itself a second time,
// and a plugin for each component.
func (r *run) processes(like string) []int {
	children := map[int][]int{}
	lines := map[int]string{}
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		pid, _ := strconv.Atoi(filepath.Base(folder))
		stat, err := os.ReadFile(folder + "/stat")
		if err != nil {
			continue
		}

		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		parent, _ := strconv.Atoi(fields[1])
		text, _ := os.ReadFile(folder + "/cmdline")
		lines[pid], children[parent] = strings.ReplaceAll(
			string(text),
			"\x00",
			" ",
		), append(children[parent], pid)
	}

	var found []int

	for at := []int{r.command.Process.Pid}; len(at) > 0; at = at[1:] {
		at = append(at, children[at[0]]...)
		if strings.Contains(lines[at[0]], like) {
			found = append(found, at[0])
		}
	}

	return found
}

func (r *run) kill(pids []int) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
	}
}

// killPacker kills Packer and leaves its plugins alone.
func (r *run) killPacker() {
	r.orphans = r.processes("packer-plugin-hornero")
	r.kill(slices.DeleteFunc(
		r.processes(""),
		func(pid int) bool {
			return slices.Contains(r.orphans, pid)
		},
	))
}

// waitForOrphans waits until the plugins of a killed Packer have cleared away what they made, and ended.
func (r *run) waitForOrphans() {
	for deadline := time.Now().Add(goneWithin); ; time.Sleep(lookingEach) {
		r.orphans = slices.DeleteFunc(r.orphans, func(pid int) bool {
			return !alive(pid)
		})
		if len(r.orphans) == 0 {
			return
		}
		if time.Now().After(deadline) {
			r.kill(r.orphans)
			r.Errorf("plugins outlive Packer by %s", goneWithin)
			return
		}
	}
}

// alive tells whether a process does anything yet; one that nobody waited for is only a name.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}

	_, state, _ := strings.Cut(string(stat), ") ")

	return !strings.HasPrefix(state, "Z")
}

// killAll kills Packer and its plugins, as the end of their machine does.
func (r *run) killAll() {
	r.kill(r.processes(""))
}

// interrupt does what Ctrl-C on a terminal does: Packer and its plugins are told.
func (r *run) interrupt() {
	for _, pid := range r.processes("") {
		_ = syscall.Kill(pid, syscall.SIGINT) // it may have ended by itself
	}
}

// killPlugin kills a component's process.
func (r *run) killPlugin(component string) func() {
	return func() {
		found := r.processes("start " + component)
		if len(found) == 0 {
			r.Errorf("no process of a %s", component)
		}

		r.kill(found)
	}
}

// killLab kills the lab and starts it again.
func (o *oven) killLab() {
	status, err := lab.StatusOf(o.Context(), o.at.name)
	if err == nil {
		err = syscall.Kill(status.PID, syscall.SIGKILL)
	}

	for err == nil { // until its lock is free
		if _, err = lab.Locate(o.at.name); err != nil && errors.Is(err, lab.ErrNotRunning) {
			err = nil
			break
		}
	}

	if err == nil {
		_, _, err = lab.Start(context.WithoutCancel(o.Context()), o.at.name, o.server())
	}

	if err != nil {
		o.Errorf("kill the lab: %v", err)
	}
}

// kills are who is killed, and after which request of the build or at which line of its output.
var kills = []struct{ who, at string }{
	{"interrupt", "POST droplets/N/actions snapshot"},
	{"packer", "on the Droplet"},
	{"packer", "POST droplets/N/actions snapshot"},
	{"packer", "POST images/N/actions transfer"},
	{"both", "POST droplets"},
	{"both", "POST droplets/N/actions snapshot"},
	{"both", "PUT images/N"},
	{"plugin", "POST account/keys"},
	{"plugin", "on the Droplet"},
	{"lab", "POST droplets"},
	{"lab", "on the Droplet"},
	{"lab", "POST droplets/N/actions snapshot"},
}

// Whoever is killed, and whenever: the next run finishes, and nothing is left.
func TestAKilledBuildIsClearedAwayByTheNext(t *testing.T) {
	o := newOvenAt(t, plot{
		name:   "killtest",
		delays: []string{"create=500ms", "action=300ms", "transfer=1s", "delete=300ms"},
	})
	o.role()

	template := filepath.Join(t.TempDir(), "bare.pkr.hcl")
	manifest := filepath.Join(t.TempDir(), "manifest.json")
	writeFile(t,
		template,
		fmt.Sprintf(bareTemplate, o.roles, o.options["bootstrap_binary"], manifest),
	)

	g := newGate(t, o.options["api_url"].(string))

	for _, kill := range kills {
		t.Run(kill.who+" at "+kill.at, func(t *testing.T) {
			o := &oven{
				T:       t,
				at:      o.at,
				client:  o.client,
				options: o.options,
				roles:   o.roles,
			}

			begun := time.Now()
			o.killed(g, kill.who, kill.at, "build", "-color=false", template)

			after := time.Now()
			text, err := o.packer(g.URL, nil, "build", "-color=false", template).end()
			require.NoError(t, err, text)
			o.onlyWholeImages()

			t.Logf(
				"killed after %.1f s, the next run took %.1f s",
				after.Sub(begun).Seconds(),
				time.Since(after).Seconds(),
			)
		})
	}

	o.checkManifest(g, manifest)
}

// checkManifest looks at what the runs that finished left: an entry each, of images of which the newest is
// kept, where the data source finds it.
func (o *oven) checkManifest(g *gate, path string) {
	o.Helper()
	manifest, err := builder.ReadManifest(path)
	require.NoError(o, err)

	require.GreaterOrEqual(o,
		len(manifest.Builds),
		len(kills),
	)

	last := manifest.Builds[len(manifest.Builds)-1]
	require.NotNil(o, last.Image)
	require.Equal(o, "tiny", last.Image.Role)
	require.ElementsMatch(o, []string{"nyc3", "ams3"}, last.Image.Regions)
	require.NotEmpty(o, last.Run)

	require.Equal(o,
		last.Artifact,
		strconv.Itoa(o.newest("tiny").ID),
	)

	o.nothingLeft(1)

	finding := filepath.Join(o.TempDir(), "finding.pkr.hcl")
	writeFile(o.T, finding, fmt.Sprintf(findingTemplate, path))

	text, err := o.packer(g.URL, nil, "build", "-color=false", finding).end()
	require.NoError(o, err, text)

	manifest, err = builder.ReadManifest(path)
	require.NoError(o, err)

	found := manifest.Builds[len(manifest.Builds)-1]
	require.Nil(o, found.Image)
	require.Equal(o, last.Artifact, found.CustomData["found"])
	require.Contains(o, []string{"nyc3 ams3", "ams3 nyc3"}, found.CustomData["at"])
}

// killed runs Packer, and kills something of it at a moment.
func (o *oven) killed(g *gate, who, at string, args ...string) {
	o.Helper()
	var r *run
	var once sync.Once
	started := make(chan struct{})
	strike := func() {
		<-started

		once.Do(func() {
			map[string]func(){
				"packer":      r.killPacker,
				"both":        r.killAll,
				"interrupt":   r.interrupt,
				"plugin":      r.killPlugin("builder"),
				"provisioner": r.killPlugin("provisioner"),
				"lab":         o.killLab,
			}[who]()
		})
	}

	g.watch(func(call string) {
		if call == at {
			strike()
		}
	})
	defer g.watch(nil)

	r = o.packer(g.URL, func(line string) {
		if strings.HasSuffix(line, at) {
			strike()
		}
	}, args...)

	close(started)

	text, err := r.end()
	once.Do(func() {
		require.Fail(o, "nothing was killed", text)
	})

	if who != "lab" { // a build may outlive the lab's crash
		require.Error(o, err, text)
	}

	r.waitForOrphans()

	if who == "packer" || who == "interrupt" {
		o.onlyWholeImages() // by the build itself
	}
}

// onlyWholeImages looks for what a build may leave: nothing but published images.
func (o *oven) onlyWholeImages() {
	o.Helper()
	images, err := do.UserImages(o.Context(), o.client)
	require.NoError(o, err)

	for _, image := range images {
		require.True(o,
			slices.ContainsFunc(image.Tags, func(tag string) bool {
				return strings.HasPrefix(tag, "hornero:digest:")
			}),
			"half an image: %v",
			image,
		)
	}

	o.nothingLeft(len(images))

	tags, err := do.Tags(o.Context(), o.client)
	require.NoError(o, err)

	for _, tag := range tags {
		require.False(o, strings.HasPrefix(tag.Name, "hornero-build:"), tag.Name)
	}
}
