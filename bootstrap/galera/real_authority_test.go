//go:build realdb

package galera_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/roles"
)

// identity is a node's certificate of an authority, with those that the node trusts.
func (w *world) identity(name string, by pki.Pair, trusted ...pki.Pair) map[string]string {
	pair, err := by.Issue(pki.Name{Stack: "demo", Role: "db", Node: name, Incarnation: 1})
	require.NoError(w.t, err)

	bundle := ""
	for _, authority := range trusted {
		bundle += authority.Certificate
	}

	return map[string]string{
		roles.PKIAuthority:   bundle,
		roles.PKICertificate: pair.Certificate,
		roles.PKIKey:         pair.Key.Reveal(),
	}
}

// greeted tells whether Galera speaks with whoever shows a certificate.
func (n *node) greeted(shown map[string]string) error {
	certificate, err := tls.X509KeyPair(
		[]byte(shown[roles.PKICertificate]),
		[]byte(shown[roles.PKIKey]),
	)
	require.NoError(n.w.t, err)

	connection, err := tls.Dial("tcp", net.JoinHostPort(n.address(), "4567"), &tls.Config{
		InsecureSkipVerify: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &certificate, nil
		},
	})
	if err != nil {
		return err
	}
	defer connection.Close()

	require.NoError(n.w.t, connection.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = connection.Read(make([]byte, 1))

	return err
}

// Galera's authority takes the place of the stack's node by node: in each step a node of the one before gives its state
// to one of the next. At the end the stack's certificate, which every web node has, opens nothing.
func TestGalerasAuthorityIsReplacedNodeByNode(t *testing.T) {
	w := newWorld(t)
	w.stack = []string{"db-1", "db-2"}

	old, err := pki.NewCA("demo")
	require.NoError(t, err)

	next, err := pki.NewCA("demo")
	require.NoError(t, err)

	// A node of the version before has no authority but the stack's.
	w.identities = func(name string) (own, galera map[string]string) {
		return w.identity(name, old, old), nil
	}
	w.launch("db-1", 1, 1, true)
	w.synced(120*time.Second, "db-1")
	require.NoError(t, w.nodes["db-1"].exec("CREATE TABLE wordpress.t (i INT PRIMARY KEY AUTO_INCREMENT)"))
	w.insert("db-1")

	web := w.identity("web-1", old, old)
	require.NoError(t, w.nodes["db-1"].greeted(web), "what a web node's certificate opened")

	phases := []struct {
		says    string
		by      pki.Pair
		trusted []pki.Pair
	}{
		{"trusts both", old, []pki.Pair{old, next}},
		{"shows the new one", next, []pki.Pair{next, old}},
		{"trusts the new one only", next, []pki.Pair{next}},
	}

	from := "db-1"

	for i, phase := range phases {
		t.Log("a node joins that " + phase.says)

		w.identities = func(name string) (own, galera map[string]string) {
			return w.identity(name, old, old), w.identity(name, phase.by, phase.trusted...)
		}

		to := "db-2"
		if from == to {
			to = "db-1"
		}

		incarnation := 1 + (i+1)/2
		w.launch(to, 2+i, incarnation, false)
		w.synced(180*time.Second, "db-1", "db-2")
		require.Equal(t, 1, w.count(to), fmt.Sprintf("the data came by a transfer: %s", phase.says))

		// It leaves in order: its successor joins the one that came last.
		w.nodes[from].leave()
		w.syncedIn(60*time.Second, 1, to)

		from = to
	}

	last := w.nodes[from]
	require.Error(t, last.greeted(web), "the stack's own certificate")
	require.NoError(t, last.greeted(w.identity("db-1", next, next)))

	// Clients go on with the stack's authority.
	require.NoError(t, last.login(password))
}
