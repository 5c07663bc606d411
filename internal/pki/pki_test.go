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
	ca := authority(t, stack)
	member := db(7)
	member.Kind = "member"

	for _, want := range []pki.Name{db(7), member} {
		pair := issued(t, ca, want)

		certificate, err := pki.ParseCertificate(pair.Certificate)
		require.NoError(t, err)

		name, err := pki.NameOf(certificate)
		require.NoError(t, err)
		require.Equal(t, want, name)

		err = certificate.VerifyHostname("db.hornero")
		require.NoError(t, err, "what the clients of a role ask for")

		halfAnHourAgo := time.Now().Add(-30 * time.Minute)
		valid := certificate.NotBefore.Before(halfAnHourAgo)
		require.True(t, valid, "clocks may differ")
	}
}

// Certificates that end in one night would take the whole stack down in it.
func TestACertificateLastsAYearAtMostAndNoTwoEndTogether(t *testing.T) {
	ca := authority(t, stack)
	ends := map[time.Time]bool{}

	for range 4 {
		certificate, err := pki.ParseCertificate(issued(t, ca, db(1)).Certificate)
		require.NoError(t, err)

		lasts := time.Until(certificate.NotAfter)
		require.LessOrEqual(t, lasts, 365*24*time.Hour)
		require.Greater(t, lasts, pki.Validity-time.Hour)

		ends[certificate.NotAfter] = true
	}

	require.Len(t, ends, 4)

	own, err := pki.ParseCertificate(ca.Certificate)
	require.NoError(t, err)
	require.Greater(t, time.Until(own.NotAfter), 5*pki.Validity, "an authority outlives what it signs")
}

// One that takes another's place stands beside it in one file: OpenSSL looks authorities up by their names.
func TestTwoAuthoritiesOfAStackHaveTwoNames(t *testing.T) {
	first, err := pki.ParseCertificate(authority(t, stack).Certificate)
	require.NoError(t, err)

	second, err := pki.ParseCertificate(authority(t, stack).Certificate)
	require.NoError(t, err)
	require.NotEqual(t, first.Subject.CommonName, second.Subject.CommonName)
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
	web := issued(t, ca, pki.Name{
		Stack:       stack,
		Role:        "web",
		Node:        "web-1",
		Incarnation: 1,
	})

	serverErr, clientErr := meet(t, own, peer(t, ca.Certificate, web))
	require.NoError(t, serverErr)
	require.NoError(t, clientErr)

	other := authority(t, stack) // of the same name, and not the same
	shop := db(1)
	shop.Stack = "shop"

	strangers := map[string]pki.Pair{
		"another authority":      issued(t, other, db(1)),
		"another stack":          issued(t, ca, shop),
		"the site's certificate": site(t, ca),
		"expired":                expired(t, ca),
	}

	for name, pair := range strangers {
		shown := keyPair(t, pair)
		anything := &tls.Config{
			Certificates:       []tls.Certificate{shown},
			InsecureSkipVerify: true,
			// Also one that the server did not ask for.
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &shown, nil
			},
		}

		serverErr, _ := meet(t, own, anything)
		require.ErrorIs(t, serverErr, pki.ErrStranger, name)

		_, clientErr := meet(t, anything, own)
		require.ErrorIs(t, clientErr, pki.ErrStranger, name)
	}

	nothing := &tls.Config{InsecureSkipVerify: true}
	serverErr, _ = meet(t, own, nothing)
	require.Error(t, serverErr, "no certificate at all")
	require.ErrorContains(t, serverErr, "certificate")
}

func keyPair(t *testing.T, pair pki.Pair) tls.Certificate {
	t.Helper()
	text := []byte(pair.Certificate)
	key := []byte(pair.Key.Reveal())

	certificate, err := tls.X509KeyPair(text, key)
	require.NoError(t, err)

	return certificate
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
	parent, err := pki.ParseCertificate(ca.Certificate)
	require.NoError(t, err)

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)

	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    now.Add(-48 * time.Hour),
		NotAfter:     now.Add(-24 * time.Hour),
		Subject: pkix.Name{
			CommonName:         "db-1",
			Organization:       []string{stack},
			OrganizationalUnit: []string{"db"},
			SerialNumber:       "1",
		},
	}

	authorityKey := keyPair(t, ca).PrivateKey
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), authorityKey)
	require.NoError(t, err)

	own, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)

	return pki.Pair{
		Certificate: encode("CERTIFICATE", der),
		Key:         report.Secret(encode("PRIVATE KEY", own)),
	}
}

func encode(kind string, der []byte) string {
	text := pem.EncodeToMemory(&pem.Block{
		Type:  kind,
		Bytes: der,
	})

	return string(text)
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

// Who reads metrics may do nothing else, and whoever holds a node reads no other's.
func TestMetricsAreReadWithACertificateForThemAlone(t *testing.T) {
	ca := authority(t, stack)
	own := issued(t, ca, db(1))

	reader, err := ca.IssueReader(stack, "metrics")
	require.NoError(t, err)

	other, err := authority(t, stack).IssueReader(stack, "metrics")
	require.NoError(t, err)

	elsewhere, err := ca.IssueReader("shop", "metrics")
	require.NoError(t, err)

	metrics, err := pki.ReaderTLS(ca.Certificate, own, stack)
	require.NoError(t, err)

	peers, err := pki.PeerTLS(ca.Certificate, own, stack)
	require.NoError(t, err)

	refused, _ := meet(t, metrics, scraper(t, ca, reader))
	require.NoError(t, refused)

	refused, _ = meet(t, metrics, scraper(t, ca, own))
	require.ErrorIs(t, refused, pki.ErrNoReader)

	refused, _ = meet(t, metrics, scraper(t, ca, other))
	require.ErrorIs(t, refused, pki.ErrUntrusted)

	refused, _ = meet(t, metrics, scraper(t, ca, elsewhere))
	require.ErrorIs(t, refused, pki.ErrOtherStack)

	refused, _ = meet(t, peers, scraper(t, ca, reader))
	require.ErrorIs(t, refused, pki.ErrNoNode)
}

// scraper checks the nodes' certificates as any client of TLS does, by the one name that all have.
func scraper(t *testing.T, ca, shown pki.Pair) *tls.Config {
	t.Helper()

	certificate := keyPair(t, shown)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(ca.Certificate)))

	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// Also where the server asks for another authority's.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &certificate, nil
		},
		RootCAs:    roots,
		ServerName: pki.AnyNode,
	}
}
