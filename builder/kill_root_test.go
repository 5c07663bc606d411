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
	"github.com/hornero/hornero/lab/api"
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
func (l *bakeLab) packer(url string, heard func(line string), args ...string) *run {
	l.Helper()
	environment := append(packerEnvironment(l.T), l.environment(url)...)

	r := &run{
		T:       l.T,
		heard:   heard,
		ended:   make(chan error, 1),
		command: exec.Command("../.cache/packer", args...),
	}

	r.command.Env = environment

	reader, writer, err := os.Pipe()
	require.NoError(l, err)

	r.command.Stdout = writer
	r.command.Stderr = writer
	require.NoError(l, r.command.Start())
	require.NoError(l, writer.Close())

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
	// They are nobody's children here, so that they can only be looked at, not waited for.
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
func (l *bakeLab) killLab() {
	status, err := lab.StatusOf(l.Context(), l.started.name)
	if err == nil {
		err = syscall.Kill(status.PID, syscall.SIGKILL)
	}

	for err == nil { // until its lock is free
		if _, err = lab.Locate(l.started.name); err != nil && errors.Is(err, lab.ErrNotRunning) {
			err = nil
			break
		}
	}

	if err == nil {
		_, _, err = lab.Start(context.WithoutCancel(l.Context()), l.started.name, l.server())
	}

	if err != nil {
		l.Errorf("kill the lab: %v", err)
	}
}

// kill is who is killed, and after which request of the build or at which line of its output.
type kill struct{ who, at string }

// kills are all of them, by the lab that they happen in. A build mostly waits, so the labs take their turns at the
// same time; in one lab each kill needs the end of the one before.
var kills = []struct {
	lab   labOptions
	kills []kill
}{
	{
		lab: labOptions{name: "killpacker"},
		kills: []kill{
			{"interrupt", "POST droplets/N/actions snapshot"},
			{"packer", "on the Droplet"},
			{"packer", "POST droplets/N/actions snapshot"},
			{"packer", "POST images/N/actions transfer"},
		},
	},
	{
		lab: labOptions{name: "killall"},
		kills: []kill{
			{"both", "POST droplets"},
			{"both", "POST droplets/N/actions snapshot"},
			{"both", "PUT images/N"},
			{"plugin", "POST account/keys"},
		},
	},
	{
		lab: labOptions{name: "killlab"},
		kills: []kill{
			{"plugin", "on the Droplet"},
			{"lab", "POST droplets"},
			{"lab", "on the Droplet"},
			{"lab", "POST droplets/N/actions snapshot"},
		},
	},
}

// killDelays leave time to kill somebody between a request and what comes of it.
var killDelays = []string{"create=500ms", "action=300ms", "transfer=1s", "delete=300ms"}

// Whoever is killed, and whenever: the next run finishes, and nothing is left.
func TestAKilledBuildIsClearedAwayByTheNext(t *testing.T) {
	t.Parallel()

	for _, group := range kills {
		t.Run(group.lab.name, func(t *testing.T) {
			t.Parallel()
			group.lab.profile = api.ProfileReal
			group.lab.delays = killDelays
			newBakeLab(t, group.lab).checkKills(group.kills)
		})
	}
}

// checkKills kills one build after the other, each followed by one that is left alone.
func (l *bakeLab) checkKills(kills []kill) {
	l.role()

	template := filepath.Join(l.TempDir(), "bare.pkr.hcl")
	manifest := filepath.Join(l.TempDir(), "manifest.json")
	bare := fmt.Sprintf(bareTemplate, l.roles, l.options["bootstrap_binary"], manifest)
	writeFile(l.T, template, bare)

	proxy := newAPIProxy(l.T, l.url())

	for _, kill := range kills {
		l.Run(kill.who+" at "+kill.at, func(t *testing.T) {
			l := l.of(t)
			begun := time.Now()
			l.killed(proxy, kill.who, kill.at, "build", "-color=false", template)

			after := time.Now()
			text, err := l.packer(proxy.URL, nil, "build", "-color=false", template).end()
			require.NoError(t, err, text)
			l.onlyWholeImages()

			t.Logf(
				"killed after %.1f s, the next run took %.1f s",
				after.Sub(begun).Seconds(),
				time.Since(after).Seconds(),
			)
		})
	}

	l.checkManifest(proxy, manifest, len(kills))
}

// checkManifest looks at what the runs that finished left: an entry each, of images of which the newest is
// kept, where the data source finds it.
func (l *bakeLab) checkManifest(proxy *apiProxy, path string, runs int) {
	l.Helper()
	manifest, err := builder.ReadManifest(path)
	require.NoError(l, err)

	require.GreaterOrEqual(l, len(manifest.Builds), runs)

	last := manifest.Builds[len(manifest.Builds)-1]
	require.NotNil(l, last.Image)
	require.Equal(l, "tiny", last.Image.Role)
	require.ElementsMatch(l, []string{"nyc3", "ams3"}, last.Image.Regions)
	require.NotEmpty(l, last.Run)

	require.Equal(l,
		last.Artifact,
		strconv.Itoa(l.newest("tiny").ID),
	)

	l.nothingLeft(1)

	finding := filepath.Join(l.TempDir(), "finding.pkr.hcl")
	writeFile(l.T, finding, fmt.Sprintf(findingTemplate, path))

	text, err := l.packer(proxy.URL, nil, "build", "-color=false", finding).end()
	require.NoError(l, err, text)

	manifest, err = builder.ReadManifest(path)
	require.NoError(l, err)

	found := manifest.Builds[len(manifest.Builds)-1]
	require.Nil(l, found.Image)
	require.Equal(l, last.Artifact, found.CustomData["found"])
	require.Contains(l, []string{"nyc3 ams3", "ams3 nyc3"}, found.CustomData["at"])
}

// killed runs Packer, and kills something of it at a moment.
func (l *bakeLab) killed(proxy *apiProxy, who, at string, args ...string) {
	l.Helper()
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
				"lab":         l.killLab,
			}[who]()
		})
	}

	proxy.watch(func(call string) {
		if call == at {
			strike()
		}
	})
	defer proxy.watch(nil)

	r = l.packer(proxy.URL, func(line string) {
		if strings.HasSuffix(line, at) {
			strike()
		}
	}, args...)

	close(started)

	text, err := r.end()
	once.Do(func() {
		require.Fail(l, "nothing was killed", text)
	})

	if who != "lab" { // a build may outlive the lab's crash
		require.Error(l, err, text)
	}

	r.waitForOrphans()

	if who == "packer" || who == "interrupt" {
		l.onlyWholeImages() // by the build itself
	}
}

// onlyWholeImages looks for what a build may leave: nothing but published images.
func (l *bakeLab) onlyWholeImages() {
	l.Helper()
	images, err := do.UserImages(l.Context(), l.client)
	require.NoError(l, err)

	for _, image := range images {
		require.True(l,
			slices.ContainsFunc(image.Tags, func(tag string) bool {
				return strings.HasPrefix(tag, "hornero:digest:")
			}),
			"half an image: %v",
			image,
		)
	}

	l.nothingLeft(len(images))

	tags, err := do.Tags(l.Context(), l.client)
	require.NoError(l, err)

	for _, tag := range tags {
		require.False(l, strings.HasPrefix(tag.Name, "hornero-build:"), tag.Name)
	}
}
