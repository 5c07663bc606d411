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

// disk is an image whose state the test sets.
type disk struct {
	mu       sync.Mutex
	settled  bool
	refused  string
	noted    bool // that it is held
	mount    error
	readOnly bool
	guard    string
	drift    []status.Finding
	broken   error
}

func (d *disk) do(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()

	f()
}

func (d *disk) Settled() (yes bool) {
	d.do(func() { yes = d.settled })
	return yes
}

func (d *disk) Refuse(node, role string) error {
	d.do(func() { d.refused = node + " " + role })
	return nil
}

func (d *disk) Held() error {
	d.do(func() { d.noted = true })
	return nil
}

func (d *disk) ReadOnly() (err error) {
	d.do(func() {
		err = d.mount
		d.readOnly = d.mount == nil
	})

	return err
}

func (d *disk) Writable() (paths []string, _ error) {
	d.do(func() {
		if !d.readOnly {
			paths = []string{"/usr"}
		}
	})

	return paths, nil
}

func (d *disk) Guard(context.Context) (what string) {
	d.do(func() { what = d.guard })
	return what
}

func (d *disk) CheckOwn(context.Context) (immutable.Pass, error) {
	return immutable.Pass{}, nil
}

func (d *disk) Check(context.Context, float64) (pass immutable.Pass, err error) {
	d.do(func() {
		pass = immutable.Pass{Checked: 9, Findings: d.drift}
		err = d.broken
	})

	return pass, err
}

// others is a peer set in which leases are granted and reports are seen at once.
type others struct {
	peerset.Set
	mu       sync.Mutex
	snapshot peerset.Snapshot
	changed  chan struct{}
	held     []string
}

func (o *others) Snapshot() peerset.Snapshot {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.snapshot.Clone()
}

func (o *others) Changed() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.changed
}

func (o *others) change(f func(*peerset.Snapshot)) {
	o.mu.Lock()
	defer o.mu.Unlock()

	f(&o.snapshot)
	close(o.changed)

	o.changed = make(chan struct{})
}

func (o *others) Report(_ context.Context, report peerset.Report) error {
	if last := o.Snapshot().Peers[0]; last.Healthy == report.Healthy && last.Draining == report.Draining {
		return nil
	}

	o.change(func(s *peerset.Snapshot) {
		s.Peers[0].Healthy, s.Peers[0].Draining = report.Healthy, report.Draining
	})

	return nil
}

func (o *others) Hold(_ context.Context, lease string, _ time.Duration) (peerset.Lease, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()

	o.held = append(o.held, lease)

	return peerset.Lease{Name: lease, Holder: "web-1"}, true, nil
}

func (o *others) Release(context.Context, peerset.Lease) error {
	return nil
}

// configured is an agent of web-1 with one file, in a stack with a web-2; it serves while the test runs.
type configured struct {
	*bootstrap.Agent
	*disk
	*others
	path string
	log  *bytes.Buffer
}

func serving(t *testing.T, action string, d *disk) configured {
	folder := t.TempDir()
	c := configured{
		disk: d,
		path: filepath.Join(folder, "etc/web.conf"),
		log:  &bytes.Buffer{},
		others: &others{
			changed: make(chan struct{}),
			snapshot: peerset.Snapshot{
				Founded: "x",
				Quorum:  true,
				Peers: []peerset.Peer{
					{
						Name:    "web-1",
						Role:    "web",
						Alive:   true,
						Healthy: true,
					}, {
						Name:    "web-2",
						Role:    "web",
						Alive:   true,
						Healthy: true,
					}},
			},
		},
	}

	manifest := "version: 1\nname: web\npeers: client\ntemplates: [{source: web.conf, path: " + c.path +
		", volatile: true}]\n"
	c.Agent = bootstrap.New(bootstrap.Config{
		State:     folder,
		Volatile:  filepath.Join(folder, "run"),
		Image:     d,
		Heartbeat: 5 * time.Millisecond,
		Retry:     5 * time.Millisecond,
		Roles: fstest.MapFS{
			"web/role.yaml": {Data: []byte(manifest)},
			"web/web.conf":  {Data: []byte("node {{.Node}}\n")},
		},
		Times: bootstrap.ImageTimes{
			Patience: time.Minute,
			Glance:   5 * time.Millisecond,
			First:    time.Millisecond,
			Every:    10 * time.Millisecond,
		},
		Log: slog.New(slog.NewTextHandler(&locked{to: c.log}, nil)),
	})

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- c.ServeAs(ctx, "web", "web-1", map[string]string{"drift": action}, c.others)
	}()

	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
		t.Log(c.log.String())
	})

	require.Eventually(t,
		func() bool {
			_, err := os.Stat(c.path)
			return err == nil
		},
		5*time.Second,
		time.Millisecond,
	)

	return c
}

type locked struct {
	mu sync.Mutex
	to *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(p)
}

func (c configured) until(t *testing.T, what string, holds func(status.Image) bool) {
	t.Helper()

	require.Eventually(t,
		func() bool {
			return holds(c.Status().Image)
		},
		5*time.Second,
		2*time.Millisecond,
		what,
	)
}

func TestANodeIsHeldToItsImageOnceCloudInitIsDone(t *testing.T) {
	c := serving(t, "", &disk{mount: errors.New("mount /usr read-only: no")})
	require.Empty(t, c.refused)
	c.do(func() {
		require.False(t, c.noted, "what cloud-init does is the node's own")
	})
	require.False(t, c.Status().Image.ReadOnly)
	c.do(func() { c.settled = true })
	c.until(t, "a failure is told", func(s status.Image) bool {
		return s.Problem == "mount /usr read-only: no"
	})

	healthy, _ := c.Health()
	require.True(t, healthy, "and stops nothing")
	c.do(func() { c.mount = nil })
	c.until(t, "it is tried again", func(s status.Image) bool {
		return s.ReadOnly && s.Problem == ""
	})

	c.do(func() {
		require.Equal(t, "web-1 web", c.refused)
		require.True(t, c.noted)
		c.readOnly = false
	})

	c.until(t, "who undoes it is told on", func(s status.Image) bool {
		return !s.ReadOnly && s.DriftFiles == 1 && s.Findings[0].Path == "/usr"
	})
}

func TestDriftIsToldAndOverWhenItIsMended(t *testing.T) {
	c := serving(t, "", &disk{settled: true})
	c.until(t, "a pass", func(s status.Image) bool {
		return s.Checked == 9 && s.DriftFiles == 0
	})
	c.do(func() {
		c.drift = []status.Finding{{Path: "/usr/bin/php", What: "is changed"}}
	})

	c.until(t, "both are found", func(s status.Image) bool {
		require.NoError(t, os.Chmod(c.path, 0o666))
		return s.DriftFiles == 2
	})

	require.Equal(t,
		[]status.Finding{
			{
				Path: c.path,
				What: c.Status().Image.Findings[0].What,
			},
			{Path: "/usr/bin/php", What: "is changed"},
		},
		c.Status().Image.Findings,
	)

	require.Contains(t, c.Status().Image.Findings[0].What, "is 0666 ")

	healthy, _ := c.Health()
	require.True(t, healthy, "by default it is only told")
	c.do(func() { c.drift = nil })
	require.NoError(t, os.Chmod(c.path, 0o640))
	c.until(t, "it is over", func(s status.Image) bool { return s.DriftFiles == 0 })

	all, err := c.Drift(t.Context())
	require.NoError(t, err)
	require.Empty(t, all.Findings)
	c.do(func() {
		c.broken = errors.New("no such file")
	})

	all, err = c.Drift(t.Context())
	require.NoError(t, err)

	require.Equal(t,
		[]status.Finding{{Path: "/usr/lib/hornero/image.json", What: "cannot be compared with: no such file"}},
		all.Findings,
	)
}

func TestThatTheMetadataGuardWasGoneIsDrift(t *testing.T) {
	c := serving(t, "", &disk{settled: true})
	c.until(t, "nothing", func(s status.Image) bool {
		return s.Checked == 9 && s.DriftFiles == 0
	})
	c.do(func() { c.guard = "is not in force; loaded again" })
	c.until(t, "told", func(s status.Image) bool { return s.DriftFiles == 1 })

	require.Equal(t,
		[]status.Finding{{Path: immutable.GuardFile, What: "is not in force; loaded again"}},
		c.Status().Image.Findings,
	)

	c.do(func() { c.guard = "" })
	c.until(t, "over", func(s status.Image) bool { return s.DriftFiles == 0 })
}

func TestAFileThatSomebodyChangedIsToldAndWrittenAnewAtTheNextChange(t *testing.T) {
	c := serving(t, "", &disk{settled: true})
	target, err := os.Readlink(c.path)
	require.NoError(t, err)

	c.until(t, "the change", func(s status.Image) bool {
		// again, should the agent have just begun to serve
		require.NoError(t, os.WriteFile(target, []byte("node of mine\n"), 0o640))
		return s.DriftFiles == 1 && s.Findings[0].What == "is changed since the agent wrote it"
	})

	c.change(func(s *peerset.Snapshot) { s.Generation++ })
	const own = "node web-1\n"
	c.until(t, "the agent's text is back", func(s status.Image) bool {
		text, err := os.ReadFile(target)
		return err == nil && string(text) == own && s.DriftFiles == 0
	})

	require.NoError(t, os.Remove(c.path))
	require.NoError(t, os.WriteFile(c.path, []byte(own), 0o640))
	c.until(t, "a file in the link's place", func(s status.Image) bool {
		return s.DriftFiles == 1
	})
	require.Contains(t, c.Status().Image.Findings[0].What, "is no link to "+target)
}

func TestANodeInQuarantineGivesItsWorkUpWhileAnotherServes(t *testing.T) {
	c := serving(t, "quarantine", &disk{settled: true})
	c.change(func(s *peerset.Snapshot) {
		s.Peers[1].Healthy = false
	})
	c.do(func() {
		c.drift = []status.Finding{{Path: "/usr/bin/php", What: "is changed"}}
	})
	c.until(t, "the last one stays", func(s status.Image) bool {
		return s.Held == "no other web node serves"
	})

	healthy, _ := c.Health()
	require.True(t, healthy)
	c.change(func(s *peerset.Snapshot) {
		s.Peers[1].Healthy = true
	})
	c.until(t, "it leaves", func(s status.Image) bool {
		return s.Quarantine != "" && s.Held == ""
	})

	healthy, reason := c.Health()
	require.False(t, healthy)
	require.Equal(t, "quarantined: 1 files are not as the image has them", reason)
	require.Equal(t, http.StatusNotFound, c.Unfit(), "what it has comes to its end")

	require.Eventually(t,
		func() bool {
			return c.Snapshot().Peers[0].Draining
		},
		5*time.Second,
		time.Millisecond,
	)

	require.Contains(t, strings.Join(c.held, " "), "web.quarantine")
	c.change(func(s *peerset.Snapshot) {
		s.Peers[1].Alive = false
	})
	c.until(t, "nobody is left", func(s status.Image) bool { return s.Quarantine == "" })

	healthy, _ = c.Health()
	require.True(t, healthy)
}

func TestNothingIsComparedBeforeANodeIsConfigured(t *testing.T) {
	agent := bootstrap.New(bootstrap.Config{Image: &disk{}})
	_, err := agent.Drift(t.Context())
	require.ErrorContains(t, err, "not configured yet")
}

func TestTheManifestsOfTheRolesPutSecretsOnNoDisk(t *testing.T) {
	for _, role := range []string{"arbitrator", "db", "proxy", "web"} {
		manifest, err := roles.Load(roles.Embedded(), role)
		require.NoError(t, err)

		for _, template := range manifest.Templates {
			text, err := os.ReadFile(filepath.Join("../roles", role, template.Source))
			require.NoError(t, err)

			secret := bytes.Contains(
				text,
				[]byte(`secret "`),
			) || bytes.Contains(text, []byte(`pki "key"`))
			require.Equal(t, secret, template.Volatile, template.Path)
		}
	}
}
