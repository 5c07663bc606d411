package fleet_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/stack"
)

// tlsText is the usual stack with a certificate.
var tlsText = withBalancers(text, "load_balancer: {nodes: web, http: PORT, https: TLSPORT}")

// plan reads the plan, a line each difference.
func (w *world) plan() []string {
	plan, err := fleet.ReadPlan(w.t.Context(), w.config)
	require.NoError(w.t, err)
	require.Equal(w.t, fleet.PlanVersion, plan.Version)

	lines := []string{}

	for _, one := range plan.Differences {
		require.NotEmpty(w.t, one.By, one.Name)
		lines = append(lines, one.Action+" "+one.Kind+" "+one.Name+": "+one.Reason)
	}

	return lines
}

// droplet is a node's only Droplet.
func (w *world) droplet(node string) godo.Droplet {
	all, err := do.DropletsByTag(w.t.Context(), w.config.Client, "hornero:blog:node:"+node)
	require.NoError(w.t, err)
	require.Len(w.t, all, 1)

	return all[0]
}

// specTag is the tag that tells what a node's Droplet was made from, without the stack.
func (w *world) specTag(node string) string {
	for _, tag := range w.droplet(node).Tags {
		if spec, ok := strings.CutPrefix(tag, "hornero:blog:spec:"); ok {
			return "spec:" + spec
		}
	}

	w.t.Fatal("no spec tag on " + node)

	return ""
}

func TestThePlanOfAStackThatIsNotThereIsWhatUpMakes(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	require.Equal(t, []string{
		"create network hornero-blog: it is not there",
		"create certificate " + w.certificateName() + ": it is not there",
		"create load balancer hornero-blog: it is not there",
		"create firewall hornero-blog-db: it is not there",
		"create firewall hornero-blog-proxy: it is not there",
		"create firewall hornero-blog-web: it is not there",
		"launch node db-1: it has no Droplet",
		"launch node db-2: it has no Droplet",
		"launch node db-3: it has no Droplet",
		"launch node proxy-1: it has no Droplet",
		"launch node proxy-2: it has no Droplet",
		"launch node web-1: it has no Droplet",
		"launch node web-2: it has no Droplet",
	}, w.plan())
	require.Empty(t, w.documents(), "a plan makes nothing")

	w.mustUp()
	w.nothingToDo()

	require.NoError(t, w.replace("web-1"))
	w.awaitDroplets(7)
	w.nothingToDo()
}

// What is changed by hand is one line each, and up mends what it can.
func TestThePlanShowsWhatWasChangedInTheCloud(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	up := func() { w.mustUp() }
	made := w.specTag("web-1")

	for _, c := range []struct {
		what string
		do   func()
		want string
		mend func()
	}{
		{
			what: "a Droplet is deleted",
			do: func() {
				w.destroyDroplet("web-2", 6)
				w.awaitDroplets(6)
			},
			want: "launch node web-2: it has no Droplet",
			mend: up,
		},
		{
			what: "a Droplet is off",
			do:   func() { w.turnOff("proxy-1") },
			want: "turn on node proxy-1: Droplet " + strconv.Itoa(w.droplet("proxy-1").ID) + " is off",
			mend: up,
		},
		{
			what: "a tag is removed",
			do:   func() { w.retag("web-1", made, "mine") },
			want: "nothing node web-1: launched by an earlier version, or its spec tag is gone: settings and secrets " +
				"are not comparable",
			mend: func() { w.retag("web-1", "mine", made) },
		},
		{
			what: "a tag of another version",
			do:   func() { w.retag("web-1", made, "spec:0-123456789abc") },
			want: "nothing node web-1: launched by an earlier version, or its spec tag is gone: settings and secrets " +
				"are not comparable",
			mend: func() { w.retag("web-1", "spec:0-123456789abc", made) },
		},
		{
			what: "the tag of an incarnation is removed",
			do:   func() { w.retag("web-1", "incarnation:1", "mine") },
			want: "replace node web-1: its incarnation's tag is gone",
			mend: func() { w.retag("web-1", "mine", "incarnation:1") },
		},
	} {
		c.do()
		lines := w.plan()
		require.Len(t, lines, 1, c.what)
		require.Contains(t, lines[0], c.want, c.what)

		c.mend()
		require.Empty(t, w.plan(), c.what)
	}
}

// turnOff turns a node's Droplet off, and waits until it is.
func (w *world) turnOff(node string) {
	_, _, err := w.config.Client.DropletActions.PowerOff(w.t.Context(), w.droplet(node).ID)
	require.NoError(w.t, err)

	isOff := func() bool { return w.droplet(node).Status == "off" && !w.droplet(node).Locked }
	require.Eventually(w.t, isOff, waitLimit, waitTick)
}

// changeBalancer changes the stack's load balancer behind the fleet's back.
func (w *world) changeBalancer(change func(*godo.LoadBalancerRequest)) {
	is := w.balancer()
	request := is.AsRequest()
	request.DropletIDs = nil // filled in from the tag, and excludes it
	change(request)

	_, _, err := w.config.Client.LoadBalancers.Update(w.t.Context(), is.ID, request)
	require.NoError(w.t, err)
}

func (w *world) deleteBalancer() {
	_, err := w.config.Client.LoadBalancers.Delete(w.t.Context(), w.balancer().ID)
	require.NoError(w.t, err)
	require.Empty(w.t, w.balancers())
}

func TestThePlanShowsANewImage(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	w.snapshot("web-1", "hornero:role:web", "hornero:release:debian-13", "hornero:document:4")

	want := "replace node web-2: image hornero-web -> mine"
	require.Equal(t, []string{strings.Replace(want, "web-2", "web-1", 1), want}, w.plan())

	require.NoError(t, w.replace("web-1"))
	w.awaitDroplets(7)
	require.Equal(t, []string{want}, w.plan())
}

func TestThePlanShowsSurplusAndNodesOfNoGroup(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	w.retag("web-1", "node:web-1", "node:web-2")
	require.Equal(t, []string{
		"launch node web-1: it has no Droplet",
		"remove node web-2: Droplet " + strconv.Itoa(w.second("web-2")) + " (incarnation 1) is surplus",
	}, w.plan())

	w.config.Stack.Nodes[2].Count = 1
	require.Contains(t, w.plan()[1], "remove node web-2: of no group of stack.yaml any more; ")
}

// second is the younger of a node's two Droplets.
func (w *world) second(node string) int {
	all, err := do.DropletsByTag(w.t.Context(), w.config.Client, "hornero:blog:node:"+node)
	require.NoError(w.t, err)
	require.Len(w.t, all, 2)

	return max(all[0].ID, all[1].ID)
}

// Secrets that are missing are told, and not made.
func TestThePlanMakesNoSecret(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	file := filepath.Join(t.TempDir(), "secrets.age")
	none, err := stack.OpenSecrets(file, file+".key", nil)
	require.NoError(t, err)

	w.config.Secrets = none
	lines := w.plan()
	require.Len(t, lines, len(none.Unmade(w.config.Stack, w.config.Manifests)))
	require.Contains(t, lines, "create secret plan.key: the secrets file has none; what depends on it is not compared")

	_, err = os.Stat(file)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Each secret in turn is changed: what was launched with the old one is to be replaced.
func TestThePlanShowsEachSecretThatChanged(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	everybody := []string{"db-1", "db-2", "db-3", "proxy-1", "proxy-2", "web-1", "web-2"}
	replaced := map[string][]string{
		stack.CACertificate:        everybody,
		"galera.ca.certificate":    {"db-1", "db-2", "db-3"},
		stack.SSHCA:                everybody,
		stack.SSHKey:               everybody,
		stack.PlanKey:              everybody,
		"proxy.stats_password":     {"proxy-1", "proxy-2"},
		"wordpress.admin_password": {"web-1", "web-2"},
		"wordpress.db_password":    {"db-1", "db-2", "db-3", "web-1", "web-2"},
		"wordpress.salt":           {"web-1", "web-2"},
		// They come with their certificates.
		stack.CAKey:     nil,
		"galera.ca.key": nil,
		stack.SiteKey:   nil,
	}

	secrets := w.config.Secrets
	for _, name := range secrets.Names() {
		before, err := secrets.Get(name)
		require.NoError(t, err)

		want := []string{}

		if name == stack.SiteCertificate {
			old := w.certificateName()
			require.NoError(t, secrets.Rotate(name, w.config.Stack, w.config.Manifests))

			want = []string{
				"create certificate " + w.certificateName() + ": it is not there",
				"remove certificate " + old + ": not the one in the secrets file",
				"change load balancer hornero-blog: the certificate of port " + w.site.tls.Port() +
					" is another than the secrets file's",
			}
		} else {
			require.NoError(t, secrets.Set(name, "another"))
			require.Contains(t, replaced, name, "a row tells who has the secret")

			for _, node := range replaced[name] {
				want = append(want, "replace node "+node+": settings, secrets or rights")
			}
		}

		require.Equal(t, want, w.plan(), name)
		require.NoError(t, secrets.Set(name, before))
	}

	w.nothingToDo()
}
