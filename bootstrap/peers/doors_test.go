package peers_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/canonical/go-dqlite/v2/client"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peers"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
)

// doors are the two of a real member: dqlite's, and the agents' API. What they refuse comes by told.
type doors struct {
	*cluster
	store *peers.Store
	api   string // URL
	told  chan peerset.Refusal
}

func openDoors(t *testing.T) *doors {
	d := &doors{
		cluster: newCluster(t),
		told:    make(chan peerset.Refusal, 100),
	}

	refused := func(r peerset.Refusal) { d.told <- r }

	config := d.config("test", "db-1", 1, 1)
	config.Handshake = 300 * time.Millisecond
	config.TLS = pki.Guard(config.TLS, api.RefusalAt("dqlite", refused))
	config.Refused = refused

	d.store = d.start(config)
	t.Cleanup(func() { d.stop(d.store) })
	d.admit(d.store, "db-1", 1, 1)

	pair := d.issue("test", "db", "db-1", peerset.KindMember)
	anybody, err := pki.PeerTLS(d.ca.Certificate, pair, "test")
	require.NoError(t, err)

	listener, err := net.Listen("tcp", net.JoinHostPort(d.address(1), "0"))
	require.NoError(t, err)

	d.api = "https://" + listener.Addr().String()
	guarded := pki.Guard(anybody, api.RefusalAt("the agents' API", refused))
	server := api.Server{
		Registry: d.store,
		Refused:  refused,
		Log:      debugLog(t),
	}

	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)

	go func() {
		served <- server.Serve(ctx, listener, guarded)
	}()

	t.Cleanup(func() {
		stop()
		require.NoError(t, <-served)
	})

	return d
}

func (d *doors) issue(stack, role, node, kind string) pki.Pair {
	pair, err := d.ca.Issue(pki.Name{
		Stack:       stack,
		Role:        role,
		Node:        node,
		Incarnation: 1,
		Kind:        kind,
	})
	require.NoError(d.t, err)

	return pair
}

// as is a caller who checks nothing and shows this, or no, certificate.
func as(t *testing.T, pair *pki.Pair) *tls.Config {
	config := &tls.Config{InsecureSkipVerify: true}
	if pair != nil {
		certificate, err := tls.X509KeyPair(
			[]byte(pair.Certificate),
			[]byte(pair.Key.Reveal()),
		)
		require.NoError(t, err)

		// Also one that the server did not ask for.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &certificate, nil
		}
	}

	return config
}

// post asks the API from a node's address; no answer at all is status 0.
func (d *doors) post(config *tls.Config, from int, path, body string) (int, string) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(d.address(from))}}
	transport := &http.Transport{
		TLSClientConfig:   config,
		DialContext:       dialer.DialContext,
		DisableKeepAlives: true,
	}

	caller := &http.Client{
		Transport: transport,
		Timeout:   5 * time.Second,
	}

	response, err := caller.Post(
		d.api+path,
		"application/json",
		strings.NewReader(body),
	)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()

	said, err := io.ReadAll(response.Body)
	require.NoError(d.t, err)

	return response.StatusCode, string(said)
}

func (d *doors) dqlite() string {
	return d.endpoint(1)
}

// knock speaks dqlite's own protocol to the member, and asks it something.
func (d *doors) knock(config *tls.Config) error {
	ctx := d.within(2 * time.Second)
	dial := client.DialFuncWithTLS(client.DefaultDialFunc, config)

	c, err := client.New(ctx, d.dqlite(), client.WithDialFunc(dial))
	if err != nil {
		return err
	}
	defer c.Close()

	_, err = c.Cluster(ctx)

	return err
}

func (d *doors) expect(tried, reason string) {
	select {
	case r := <-d.told:
		require.Equal(d.t, tried, r.Tried)
		require.Equal(d.t, reason, r.Reason, r.Err)
		require.Regexp(
			d.t,
			`^(127\.0\.0\.1|`+regexp.QuoteMeta(d.address(9))+`):\d+$|^unknown$`,
			r.From,
		)
		require.Error(d.t, r.Err)

	case <-time.After(5 * time.Second):
		d.t.Fatalf("nobody told of %s, %s", tried, reason)
	}
}

// expired is what Issue would have given, ten years ago.
func (d *doors) expired() pki.Pair {
	authority, err := tls.X509KeyPair(
		[]byte(d.ca.Certificate),
		[]byte(d.ca.Key.Reveal()),
	)
	require.NoError(d.t, err)

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(d.t, err)

	subject := pkix.Name{
		CommonName:         "db-1",
		Organization:       []string{"test"},
		OrganizationalUnit: []string{"db"},
		SerialNumber:       "1",
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-48 * time.Hour),
		NotAfter:     time.Now().Add(-time.Hour),
		Subject:      subject,
		URIs:         []*url.URL{{Scheme: "hornero", Opaque: peerset.KindMember}},
	}

	der, err := x509.CreateCertificate(
		rand.Reader,
		template,
		authority.Leaf,
		key.Public(),
		authority.PrivateKey,
	)
	require.NoError(d.t, err)

	own, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(d.t, err)

	return pki.Pair{
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Key: report.Secret(
			pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: own}),
		),
	}
}

// issuedBy is a database node's certificate of another authority, which calls itself so.
func (d *doors) issuedBy(stack string) pki.Pair {
	authority, err := pki.NewCA(stack)
	require.NoError(d.t, err)

	pair, err := authority.Issue(pki.Name{
		Stack:       stack,
		Role:        "db",
		Node:        "db-1",
		Incarnation: 1,
		Kind:        peerset.KindMember,
	})
	require.NoError(d.t, err)

	return pair
}
