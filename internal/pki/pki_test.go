package pki_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
)

const stack = "blog"

func authority(t *testing.T, of string) pki.Pair {
	t.Helper()
	ca, err := pki.NewCA(of)
	require.NoError(t, err)

	return ca
}

func issued(t *testing.T, ca pki.Pair, name pki.Name) pki.Pair {
	t.Helper()
	pair, err := ca.Issue(name)
	require.NoError(t, err)

	return pair
}

func db(incarnation int) pki.Name {
	return pki.Name{
		Stack:       stack,
		Role:        "db",
		Node:        "db-1",
		Incarnation: incarnation,
	}
}

func TestACertificateSaysWhoItsNodeIs(t *testing.T) {
	certificate, err := pki.ParseCertificate(issued(t,
		authority(t, stack),
		db(7),
	).Certificate)
	require.NoError(t, err)

	name, err := pki.NameOf(certificate)
	require.NoError(t, err)
	require.Equal(t, db(7), name)

	member := db(7)
	member.Kind = "member"
	certificate, err = pki.ParseCertificate(issued(t, authority(t, stack), member).Certificate)
	require.NoError(t, err)

	name, err = pki.NameOf(certificate)
	require.NoError(t, err)
	require.Equal(t, member, name)

	require.NoError(t,
		certificate.VerifyHostname("db.hornero"),
		"what the clients of a role ask for",
	)

	require.True(t,
		certificate.NotBefore.Before(time.Now().Add(-30*time.Minute)),
		"clocks may differ",
	)
}

// meet is one handshake on loopback; it returns what each side thought of the other.
func meet(t *testing.T, server, client *tls.Config) (serverErr, clientErr error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()

	done := make(chan error, 1)
	go func() {
		connection, err := listener.Accept()
		if err == nil {
			defer connection.Close()

			_, err = tls.Server(connection, server).Write([]byte("x"))
		}

		done <- err
	}()

	connection, clientErr := tls.Dial("tcp", listener.Addr().String(), client)
	if clientErr == nil {
		defer connection.Close()

		// with TLS 1.3 the server's refusal comes after the handshake
		_, clientErr = connection.Read(make([]byte, 1))
	}

	return <-done, clientErr
}

func peer(t *testing.T, ca string, own pki.Pair) *tls.Config {
	t.Helper()
	config, err := pki.PeerTLS(ca, own, stack)
	require.NoError(t, err)

	return config
}

func TestPeersOfOneStackMeetAndStrangersDoNot(t *testing.T) {
	ca := authority(t, stack)
	own := peer(t, ca.Certificate, issued(t, ca, db(1)))
	serverErr, clientErr := meet(t,
		own,
		peer(t,
			ca.Certificate,
			issued(t, ca, pki.Name{
				Stack:       stack,
				Role:        "web",
				Node:        "web-1",
				Incarnation: 1,
			}),
		),
	)
	require.NoError(t, serverErr)
	require.NoError(t, clientErr)

	other := authority(t, stack) // of the same name, and not the same
	strangers := map[string]pki.Pair{
		"another authority": issued(t, other, db(1)),
		"another stack": issued(t, ca, pki.Name{
			Stack:       "shop",
			Role:        "db",
			Node:        "db-1",
			Incarnation: 1,
		}),
		"the site's certificate": site(t, ca),
		"expired":                expired(t, ca),
	}

	for name, pair := range strangers {
		certificate, err := tls.X509KeyPair(
			[]byte(pair.Certificate),
			[]byte(pair.Key.Reveal()),
		)
		require.NoError(t, err)

		anything := &tls.Config{
			Certificates:       []tls.Certificate{certificate},
			InsecureSkipVerify: true,
		}

		serverErr, _ := meet(t, own, anything)
		require.ErrorIs(t, serverErr, pki.ErrStranger, name)

		_, clientErr := meet(t, anything, own)
		require.ErrorIs(t, clientErr, pki.ErrStranger, name)
	}

	serverErr, _ = meet(t, own, &tls.Config{InsecureSkipVerify: true})
	require.Error(t, serverErr, "no certificate at all")
	require.ErrorContains(t, serverErr, "certificate")
}

func site(t *testing.T, ca pki.Pair) pki.Pair {
	t.Helper()
	pair, err := ca.IssueSite(stack, "www.example.com")
	require.NoError(t, err)

	return pair
}

// expired is signed by the authority as a node's certificate is, and was good until yesterday.
func expired(t *testing.T, ca pki.Pair) pki.Pair {
	t.Helper()

	pair, err := tls.X509KeyPair(
		[]byte(ca.Certificate),
		[]byte(ca.Key.Reveal()),
	)
	require.NoError(t, err)

	parent, err := pki.ParseCertificate(ca.Certificate)
	require.NoError(t, err)

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)

	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-48 * time.Hour),
		NotAfter:     time.Now().Add(-24 * time.Hour),
		Subject: pkix.Name{
			CommonName:         "db-1",
			Organization:       []string{stack},
			OrganizationalUnit: []string{"db"},
			SerialNumber:       "1",
		},
	}, parent, key.Public(), pair.PrivateKey)
	require.NoError(t, err)

	own, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)

	return pki.Pair{
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Key:         report.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: own})),
	}
}

func TestWhatIsNoCertificate(t *testing.T) {
	_, err := pki.ParseCertificate("rubbish")
	require.ErrorContains(t, err, "not PEM")

	_, err = pki.Pair{Certificate: "rubbish", Key: "rubbish"}.Issue(db(1))
	require.ErrorContains(t, err, "read authority")

	ca := authority(t, stack)
	_, err = pki.PeerTLS("rubbish", issued(t, ca, db(1)), stack)
	require.ErrorContains(t, err, "read the stack's authority")

	_, err = pki.PeerTLS(ca.Certificate, pki.Pair{}, stack)
	require.ErrorContains(t, err, "read own certificate")
}
