package bootstrap_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/immutable"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/roles"
)

// fakeImage is an image whose state the test sets.
type fakeImage struct {
	mu           sync.Mutex
	bootFinished bool
	refused      string
	locked       bool // MarkLocked was called
	mount        error
	readOnly     bool
	guard        string
	drift        []status.Finding
	broken       error
	unseen       string // by the whole comparison
	blind        error  // of who looks at the guard
}

func (i *fakeImage) do(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()

	f()
}

func (i *fakeImage) BootFinished() (yes bool) {
	i.do(func() { yes = i.bootFinished })
	return yes
}

func (i *fakeImage) Refuse(node, role string) error {
	i.do(func() { i.refused = node + " " + role })
	return nil
}

func (i *fakeImage) MarkLocked() error {
	i.do(func() { i.locked = true })
	return nil
}

func (i *fakeImage) ReadOnly() (err error) {
	i.do(func() {
		err = i.mount
		i.readOnly = i.mount == nil
	})

	return err
}

func (i *fakeImage) Writable() (paths []string, _ error) {
	i.do(func() {
		if !i.readOnly {
			paths = []string{"/usr"}
		}
	})

	return paths, nil
}

func (i *fakeImage) EnsureMetadataGuard(context.Context) (what string, err error) {
	i.do(func() { what, err = i.guard, i.blind })
	return what, err
}

func (i *fakeImage) CheckOwn(context.Context) (immutable.Pass, error) {
	return immutable.Pass{}, nil
}

func (i *fakeImage) Check(context.Context, float64) (pass immutable.Pass, err error) {
	i.do(func() {
		pass = immutable.Pass{Checked: 9, Findings: i.drift, Unseen: i.unseen}
		err = i.broken
	})

	return pass, err
}

// watchedAgent is an agent of web-1 with one file, in a stack with a web-2; it serves while the test runs.
type watchedAgent struct {
	*bootstrap.Agent
	*fakeImage
	*fakeSet
	path string
	log  *bytes.Buffer
}

func webNode(name string) peerset.Peer {
	return peerset.Peer{
		Name:    name,
		Role:    "web",
		Alive:   true,
		Healthy: true,
	}
}

// webRoles is a role with one file, at this path.
func webRoles(path string) fstest.MapFS {
	manifest := "version: 1\nname: web\npeers: client\nwatches: {nodes: self}\n" +
		"templates: [{source: web.conf, path: " + path + ", volatile: true, " +
		"check: [awk, '/nonsense/ {exit 1}', '{file}']}]\n"

	return fstest.MapFS{
		"web/role.yaml": {Data: []byte(manifest)},
		"web/web.conf":  {Data: []byte("node {{.Node}}\n{{if gt (len (peers \"nodes\")) 2}}nonsense\n{{end}}")},
	}
}

// serving runs the agent of web-1 on this image, in a stack that has this done about drift.
func serving(t *testing.T, action string, image *fakeImage) watchedAgent {
	folder := t.TempDir()
	path := filepath.Join(folder, "etc/web.conf")
	log := &bytes.Buffer{}

	a := watchedAgent{
		fakeImage: image,
		path:      path,
		log:       log,
		fakeSet: newFakeSet(peerset.Snapshot{
			Founded: "x",
			Quorum:  true,
			Peers:   []peerset.Peer{webNode("web-1"), webNode("web-2")},
		}),
		Agent: bootstrap.New(bootstrap.Config{
			State:     folder,
			Volatile:  filepath.Join(folder, "run"),
			Trial:     filepath.Join(folder, "trial"),
			Image:     image,
			Heartbeat: 5 * time.Millisecond,
			Retry:     5 * time.Millisecond,
			Roles:     webRoles(path),
			Times: bootstrap.ImageTimes{
				BootTimeout: time.Minute,
				QuickEvery:  5 * time.Millisecond,
				First:       time.Millisecond,
				Every:       10 * time.Millisecond,
			},
			Log: slog.New(slog.NewTextHandler(&lockedWriter{to: log}, nil)),
		}),
	}

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	settings := map[string]string{bootstrap.SettingDrift: action}

	go func() {
		ended <- a.ServeAs(ctx, "web", "web-1", settings, a.fakeSet)
	}()

	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
		t.Log(log.String())
	})

	a.untilApplied(t, 2) // as it was configured, and as it began to serve

	return a
}

// untilApplied waits until templates were applied so often: what the test does to a file meanwhile would be undone, or
// taken for the agent's own doing.
func (a watchedAgent) untilApplied(t *testing.T, times float64) {
	t.Helper()
	eventually(t, func() bool {
		return value(t, a.Agent, "hornero_template_applies_total", "result=ok") >= times
	}, "templates are applied")
}

// lockedWriter is a writer for many goroutines.
type lockedWriter struct {
	mu sync.Mutex
	to *bytes.Buffer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.to.Write(p)
}

func (a watchedAgent) until(t *testing.T, what string, holds func(status.Image) bool) {
	t.Helper()
	eventually(t, func() bool { return holds(a.Status().Image) }, what)
}

func TestANodeIsHeldToItsImageOnceCloudInitIsDone(t *testing.T) {
	a := serving(t, "", &fakeImage{mount: errors.New("mount /usr read-only: no")})

	a.do(func() {
		require.Empty(t, a.refused)
		require.False(t, a.locked, "what cloud-init does is the node's own")
	})
	require.False(t, a.Status().Image.ReadOnly)

	a.do(func() { a.bootFinished = true })
	a.until(t, "a failure is reported", func(s status.Image) bool {
		return s.Problem == "mount /usr read-only: no"
	})
	require.True(t, isHealthy(a.Agent), "and stops nothing")

	a.do(func() { a.mount = nil })
	a.until(t, "it is tried again", func(s status.Image) bool {
		return s.ReadOnly && s.Problem == ""
	})

	a.do(func() {
		require.Equal(t, "web-1 web", a.refused)
		require.True(t, a.locked)
		a.readOnly = false
	})
	a.until(t, "an undone mount is reported", func(s status.Image) bool {
		return !s.ReadOnly && s.DriftFiles == 1 && s.Findings[0].Path == "/usr"
	})
}

func TestDriftIsReportedAndOverWhenItIsMended(t *testing.T) {
	changed := status.Finding{Path: "/usr/bin/php", What: "is changed"}

	a := serving(t, "", &fakeImage{bootFinished: true})
	a.until(t, "a whole comparison", func(s status.Image) bool {
		return s.Checked == 9 && s.DriftFiles == 0
	})

	a.do(func() { a.drift = []status.Finding{changed} })
	require.NoError(t, os.Chmod(a.path, 0o666))
	a.until(t, "both are found", func(s status.Image) bool { return s.DriftFiles == 2 })

	found := a.Status().Image.Findings
	require.Len(t, found, 2)
	require.Equal(t, a.path, found[0].Path)
	require.Contains(t, found[0].What, "is 0666 ")
	require.Equal(t, changed, found[1])
	require.True(t, isHealthy(a.Agent), "by default it is only reported")

	a.do(func() { a.drift = nil })
	require.NoError(t, os.Chmod(a.path, 0o640))
	a.until(t, "it is over", func(s status.Image) bool { return s.DriftFiles == 0 })

	all, err := a.Drift(t.Context())
	require.NoError(t, err)
	require.Empty(t, all.Findings)

	a.do(func() { a.broken = errors.New("no such file") })
	all, err = a.Drift(t.Context())
	require.NoError(t, err)

	require.Equal(t,
		[]status.Finding{{Path: "/usr/lib/hornero/image.json", What: "cannot be compared with: no such file"}},
		all.Findings,
	)
}

func TestThatTheMetadataGuardWasGoneIsDrift(t *testing.T) {
	a := serving(t, "", &fakeImage{bootFinished: true})
	a.until(t, "nothing", func(s status.Image) bool {
		return s.Checked == 9 && s.DriftFiles == 0
	})

	a.do(func() { a.guard = "is not in force; loaded again" })
	a.until(t, "reported", func(s status.Image) bool { return s.DriftFiles == 1 })
	require.Equal(t,
		[]status.Finding{{Path: immutable.GuardFile, What: "is not in force; loaded again"}},
		a.Status().Image.Findings,
	)

	a.do(func() { a.guard = "" })
	a.until(t, "over", func(s status.Image) bool { return s.DriftFiles == 0 })
}

func TestAFileThatSomebodyChangedIsReportedAndWrittenAnewAtTheNextChange(t *testing.T) {
	const own = "node web-1\n"

	a := serving(t, "", &fakeImage{bootFinished: true})
	target, err := os.Readlink(a.path)
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(target, []byte("node of mine\n"), 0o640))
	a.until(t, "the change", func(s status.Image) bool {
		return s.DriftFiles == 1 && s.Findings[0].What == "is changed since the agent wrote it"
	})

	// Templates are applied only when the peer set changes.
	a.change(func(s *peerset.Snapshot) { s.Generation++ })
	a.untilApplied(t, 3)
	a.until(t, "the agent's text is back", func(s status.Image) bool {
		text, err := os.ReadFile(target)
		return err == nil && string(text) == own && s.DriftFiles == 0
	})

	require.NoError(t, os.Remove(a.path))
	require.NoError(t, os.WriteFile(a.path, []byte(own), 0o640))
	a.until(t, "a file in the link's place", func(s status.Image) bool {
		return s.DriftFiles == 1
	})
	require.Contains(t, a.Status().Image.Findings[0].What, "is no link to "+target)
}

// A text that its program would not read never takes the old one's place, and the node says which it is.
func TestATextThatItsCheckerRefusesLeavesTheOldOne(t *testing.T) {
	a := serving(t, "", &fakeImage{bootFinished: true})

	a.change(func(s *peerset.Snapshot) {
		s.Generation++
		s.Peers = append(s.Peers, webNode("web-3"))
	})
	eventually(t, func() bool {
		ready, reason := a.Ready()
		return !ready && strings.Contains(reason, "apply templates: check new "+a.path)
	}, "the node tells of it")
	require.Contains(t, a.Status().Templates, "check new "+a.path)
	require.True(t, isHealthy(a.Agent), "what it serves is as it was")

	text, err := os.ReadFile(a.path)
	require.NoError(t, err)
	require.Equal(t, "node web-1\n", string(text))

	a.change(func(s *peerset.Snapshot) {
		s.Generation++
		s.Peers = s.Peers[:2]
	})
	eventually(t, func() bool { return a.Status().Templates == "" }, "a text that is fine is applied again")
}

func TestANodeInQuarantineGivesItsWorkUpWhileAnotherServes(t *testing.T) {
	a := serving(t, "quarantine", &fakeImage{bootFinished: true})

	// The other node is down first: this one is the last that serves.
	a.change(func(s *peerset.Snapshot) { s.Peers[1].Healthy = false })
	a.do(func() {
		a.drift = []status.Finding{{Path: "/usr/bin/php", What: "is changed"}}
	})

	a.until(t, "the last one stays", func(s status.Image) bool {
		return s.Held == "no other web node serves"
	})
	require.True(t, isHealthy(a.Agent))

	a.change(func(s *peerset.Snapshot) { s.Peers[1].Healthy = true })
	a.until(t, "it leaves", func(s status.Image) bool {
		return s.Quarantine != "" && s.Held == ""
	})

	healthy, reason := a.Health()
	require.False(t, healthy)
	require.Equal(t, "quarantined: 1 files are not as the image has them", reason)
	require.Equal(t, http.StatusNotFound, a.UnhealthyCode(), "its connections may end by themselves")

	// The heartbeat comes after the decision: the peer set hears of it a little later.
	eventually(t, func() bool { return a.Snapshot().Peers[0].Draining })
	require.Contains(t, a.heldLeases(), "web.quarantine")

	a.change(func(s *peerset.Snapshot) { s.Peers[1].Alive = false })
	a.until(t, "nobody is left", func(s status.Image) bool { return s.Quarantine == "" })
	require.True(t, isHealthy(a.Agent))
}

func TestNothingIsComparedBeforeANodeIsConfigured(t *testing.T) {
	agent := bootstrap.New(bootstrap.Config{Image: &fakeImage{}})
	_, err := agent.Drift(t.Context())
	require.ErrorContains(t, err, "not configured yet")
}

func TestTheManifestsOfTheRolesPutSecretsOnNoDisk(t *testing.T) {
	for _, role := range []string{"arbitrator", "cache", "db", "proxy", "web"} {
		manifest, err := roles.Load(roles.Embedded(), role)
		require.NoError(t, err)

		for _, template := range manifest.Templates {
			text, err := template.Text()
			require.NoError(t, err)

			secret := bytes.Contains(text, []byte(`secret `)) || bytes.Contains(text, []byte(`pki "key"`))
			require.True(t, template.Volatile || !secret, template.Path)
		}
	}
}
