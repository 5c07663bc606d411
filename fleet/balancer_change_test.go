package fleet_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/pem"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/stack"
)

// certificateName is what the certificate of the secrets file is called in the account.
func (w *world) certificateName() string {
	text, err := w.config.Secrets.Get(stack.SiteCertificate)
	require.NoError(w.t, err)

	block, _ := pem.Decode([]byte(text.Reveal()))
	require.NotNil(w.t, block)
	sum := sha256.Sum256(block.Bytes)

	return "hornero-" + w.config.Stack.Name + "-" + hex.EncodeToString(sum[:4])
}

// haveOneCertificate fails unless the account has that of the secrets file alone.
func (w *world) haveOneCertificate() {
	w.t.Helper()

	all, _, err := w.config.Client.Certificates.List(w.t.Context(), nil)
	require.NoError(w.t, err)
	require.Len(w.t, all, 1)
	require.Equal(w.t, w.certificateName(), all[0].Name)
}

// uploadCertificate uploads a certificate as somebody else may.
func (w *world) uploadCertificate(name string, leaf, key report.Secret) string {
	certificate, _, err := w.config.Client.Certificates.Create(w.t.Context(), &godo.CertificateRequest{
		Name:            name,
		Type:            "custom",
		LeafCertificate: leaf.Reveal(),
		PrivateKey:      key.Reveal(),
	})
	require.NoError(w.t, err)

	return certificate.ID
}

// sitePair are the certificate of the secrets file and its key.
func (w *world) sitePair() (leaf, key report.Secret) {
	leaf, err := w.config.Secrets.Get(stack.SiteCertificate)
	require.NoError(w.t, err)
	key, err = w.config.Secrets.Get(stack.SiteKey)
	require.NoError(w.t, err)

	return leaf, key
}

// useCertificate uploads the certificate of the secrets file under another name, and has the load balancer use it.
func (w *world) useCertificate(name string) {
	leaf, key := w.sitePair()
	id := w.uploadCertificate(name, leaf, key)

	w.changeBalancer(func(request *godo.LoadBalancerRequest) {
		request.ForwardingRules[1].CertificateID = id
	})
}

func (w *world) deleteCertificates() {
	all, _, err := w.config.Client.Certificates.List(w.t.Context(), nil)
	require.NoError(w.t, err)

	for _, certificate := range all {
		_, err := w.config.Client.Certificates.Delete(w.t.Context(), certificate.ID)
		require.NoError(w.t, err)
	}
}

func (w *world) rotateCertificate() {
	err := w.config.Secrets.Rotate(stack.SiteCertificate, w.config.Stack, w.config.Manifests)
	require.NoError(w.t, err)
}

// balancer is the account's only load balancer.
func (w *world) balancer() godo.LoadBalancer {
	all, err := do.LoadBalancers(w.t.Context(), w.config.Client)
	require.NoError(w.t, err)
	require.Len(w.t, all, 1)

	return all[0]
}

// resource is a node's Droplet as tags know it.
func (w *world) resource(node string) godo.Resource {
	return godo.Resource{
		ID:   strconv.Itoa(w.droplet(node).ID),
		Type: godo.DropletResourceType,
	}
}

// handChange is a change of the cloud by somebody else, which the plan names and the next up undoes.
type handChange struct {
	what string
	do   func(*world)
	want []string // in the plan
}

// fieldChanges have a row for each field of a load balancer that stack.yaml says something of.
func fieldChanges() []handChange {
	const line = "change load balancer hornero-blog: "

	change := func(change func(*godo.LoadBalancerRequest)) func(*world) {
		return func(w *world) { w.changeBalancer(change) }
	}

	return []handChange{
		{
			what: "a rule is removed",
			do: change(func(request *godo.LoadBalancerRequest) {
				request.ForwardingRules = request.ForwardingRules[:1]
			}),
			want: []string{line + "rules ["},
		},
		{
			what: "a rule is added",
			do: change(func(request *godo.LoadBalancerRequest) {
				request.ForwardingRules = append(request.ForwardingRules, godo.ForwardingRule{
					EntryProtocol:  "tcp",
					EntryPort:      7,
					TargetProtocol: "tcp",
					TargetPort:     7,
				})
			}),
			want: []string{line + "rules [tcp:7 to tcp:7, "},
		},
		{
			what: "a rule leads elsewhere",
			do: change(func(request *godo.LoadBalancerRequest) {
				request.ForwardingRules[0].TargetPort = 81
			}),
			want: []string{line + "rules ["},
		},
		{
			what: "another health check",
			do: change(func(request *godo.LoadBalancerRequest) {
				request.HealthCheck.Path = "/"
				request.HealthCheck.CheckIntervalSeconds = 30
			}),
			want: []string{line + "health check http:9200/ every 30 s ("},
		},
		{
			what: "another idle time",
			do: change(func(request *godo.LoadBalancerRequest) {
				request.HTTPIdleTimeoutSeconds = nil
			}),
			want: []string{line + "idle time 60 s -> 150 s"},
		},
		{
			what: "the target of an earlier version",
			do: change(func(request *godo.LoadBalancerRequest) {
				request.Tag = "hornero:blog:role:web"
			}),
			want: []string{line + "target hornero:blog:role:web -> hornero:blog:lb:web"},
		},
		{
			what: "a target of the operator's own",
			do: change(func(request *godo.LoadBalancerRequest) {
				request.Tag = "mine"
			}),
			want: []string{line + "target mine -> hornero:blog:lb:web"},
		},
		{
			what: "Droplets instead of a target",
			do: func(w *world) {
				id := w.droplet("web-1").ID
				w.changeBalancer(func(request *godo.LoadBalancerRequest) {
					request.Tag = ""
					request.DropletIDs = []int{id}
				})
			},
			want: []string{line + "target none -> hornero:blog:lb:web"},
		},
		{
			what: "the load balancer is deleted",
			do:   (*world).deleteBalancer,
			want: []string{
				"create load balancer hornero-blog: it is not there",
				"change firewall hornero-blog-web: port 80 from load balancer ", // which let in the one that is gone
			},
		},
	}
}

// certificateChanges are of the certificate, and of the traffic of nodes.
func certificateChanges() []handChange {
	const line = "change load balancer hornero-blog: "

	return []handChange{
		{
			what: "another certificate at the load balancer",
			do:   func(w *world) { w.useCertificate("mine") },
			want: []string{line + "the certificate of port "},
		},
		{
			what: "the certificate is deleted",
			do: func(w *world) {
				w.changeBalancer(func(request *godo.LoadBalancerRequest) {
					request.ForwardingRules = request.ForwardingRules[:1]
				})
				w.deleteCertificates()
			},
			want: []string{"create certificate hornero-blog-", line + "rules ["},
		},
		{
			what: "the certificate of an earlier version",
			do:   func(w *world) { w.useCertificate("hornero-blog") },
			want: []string{
				"remove certificate hornero-blog: not the one in the secrets file",
				line + "the certificate of port ",
			},
		},
		{
			what: "the certificate is rotated",
			do:   (*world).rotateCertificate,
			want: []string{
				"create certificate hornero-blog-",
				"remove certificate hornero-blog-",
				line + "the certificate of port ",
			},
		},
		{
			what: "an up was killed between upload and change",
			do: func(w *world) {
				w.rotateCertificate()
				leaf, key := w.sitePair()
				w.uploadCertificate(w.certificateName(), leaf, key)
			},
			want: []string{"remove certificate hornero-blog-", line + "the certificate of port "},
		},
		{
			what: "another certificate has the name of the next one",
			do: func(w *world) {
				leaf, key := w.sitePair()
				w.rotateCertificate()
				w.uploadCertificate(w.certificateName(), leaf, key)
			},
			want: []string{
				"create certificate hornero-blog-",
				"remove certificate hornero-blog-",
				"remove certificate hornero-blog-",
				line + "the certificate of port ",
			},
		},
		{
			what: "a node's traffic is taken",
			do:   func(w *world) { w.retag("web-1", "lb:web", "mine") },
			want: []string{"change node web-1: no traffic: tag hornero:blog:lb:web is missing"},
		},
		{
			what: "a node gets the traffic of another role",
			do:   func(w *world) { w.tag("hornero:blog:lb:web", w.resource("db-1")) },
			want: []string{
				// It sends there until up ends that.
				"change firewall hornero-blog-db: port 80 from nobody -> load balancer ",
				"change node db-1: tag hornero:blog:lb:web is of no load balancer of its role",
			},
		},
	}
}

func TestUpMendsWhatSomebodyChanged(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	for _, c := range slices.Concat(fieldChanges(), certificateChanges()) {
		t.Run(c.what, func(t *testing.T) {
			w.t = t
			before := w.balancer()
			c.do(w)

			lines := w.plan()
			require.Len(t, lines, len(c.want), lines)

			for i, want := range c.want {
				require.True(t, strings.HasPrefix(lines[i], want), "%q is not %q", lines[i], want)
			}

			w.mustUp()
			w.nothingToDo()

			if !strings.HasPrefix(c.want[0], "create load balancer") {
				require.Equal(t, before.ID, w.balancer().ID, "it keeps its address")
			}
		})
	}
}

// What stack.yaml cannot say of a load balancer stays: whose project it is in.
func TestAChangeLeavesTheProject(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	project, _, err := w.config.Client.Projects.Create(t.Context(), &godo.CreateProjectRequest{
		Name:    "shop",
		Purpose: "sell",
	})
	require.NoError(t, err)

	w.changeBalancer(func(request *godo.LoadBalancerRequest) {
		request.ProjectID = project.ID
		request.RedirectHttpToHttps = true
	})
	require.Equal(t, []string{"change load balancer hornero-blog: redirect on -> off"}, w.plan())

	w.mustUp()
	w.nothingToDo()
	require.Equal(t, project.ID, w.balancer().ProjectID)
}

// What visitors are shown counts: the certificate before is kept until they are shown the new one.
func TestACertificateIsKeptUntilTheNextIsShown(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	old := w.certificateName()
	w.rotateCertificate()
	w.site.stick(true)
	w.config.ShownWait = 2 * time.Second

	err := w.up()
	require.ErrorContains(t, err, "load balancer to show certificate "+w.certificateName())
	require.ErrorContains(t, err, "another certificate is shown at port ")
	require.Equal(t, []string{"remove certificate " + old + ": not the one in the secrets file"}, w.plan())

	leaf, key := w.sitePair()
	pair, err := tls.X509KeyPair([]byte(leaf.Reveal()), []byte(key.Reveal()))
	require.NoError(t, err)

	w.site.stick(false)
	w.site.show(&pair)
	w.config.ShownWait = 0
	w.mustUp()
	w.haveOneCertificate()
	w.nothingToDo()
}

// The API is known to hold on to a certificate for minutes after its last use.
func TestACertificateThatIsInUseIsLeftToTheNextUp(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	old := w.certificateName()
	request := w.balancer().AsRequest()
	request.Name = "mine"
	request.Tag = "mine"
	request.DropletIDs = nil
	other, _, err := w.config.Client.LoadBalancers.Create(t.Context(), request)
	require.NoError(t, err)

	w.rotateCertificate()

	said := w.hear()
	w.mustUp()
	require.Contains(t, said(), "certificate "+old+" is in use still, and the next `hornero up` removes it")
	require.Equal(t, []string{"remove certificate " + old + ": not the one in the secrets file"}, w.plan())

	_, err = w.config.Client.LoadBalancers.Delete(t.Context(), other.ID)
	require.NoError(t, err)
	w.mustUp()
	w.haveOneCertificate()
	w.nothingToDo()
}
