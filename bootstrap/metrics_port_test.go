package bootstrap_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/roles"
)

func TestTheHealthPortHasMetricsForItsOwnNodeOnly(t *testing.T) {
	agent := bootstrap.New(bootstrap.Config{
		State: t.TempDir(),
		Log:   testLog(t),
	})

	for from, want := range map[string]int{
		"127.0.0.1:40000": http.StatusOK,
		"[::1]:40000":     http.StatusOK,
		"10.0.0.7:40000":  http.StatusNotFound,
	} {
		request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		request.RemoteAddr = from

		answer := httptest.NewRecorder()
		agent.HealthHandler().ServeHTTP(answer, request)
		require.Equal(t, want, answer.Code, from)
	}
}

func TestTheMetricsPortAsksForACertificate(t *testing.T) {
	ca, err := pki.NewCA("blog")
	require.NoError(t, err)

	own, err := ca.Issue(pki.Name{Stack: "blog", Role: "db", Node: "db-1", Incarnation: 1})
	require.NoError(t, err)

	reader, err := ca.IssueReader("blog", "metrics")
	require.NoError(t, err)

	agent := bootstrap.New(bootstrap.Config{
		State: t.TempDir(),
		Log:   testLog(t),
	})
	agent.At(loopback(11))

	background(t, func(ctx context.Context) {
		_ = agent.ServeMetricsPort(ctx, "blog", cloudinit.TLS{ // it ends with the test
			CA:          ca.Certificate,
			Certificate: own.Certificate,
			Key:         own.Key,
		})
	})

	var text string

	eventually(t, func() bool {
		text, err = scrape(t, ca, reader)
		return err == nil
	})
	require.Contains(t, text, "hornero_phase")

	_, err = scrape(t, ca)
	require.ErrorContains(t, err, "tls: ")
	require.Equal(t, 1.0, value(t, agent, "hornero_refused_total", "reason=no_certificate"))

	_, err = scrape(t, ca, own)
	require.ErrorContains(t, err, "tls: ")
	require.Equal(t, 1.0, value(t, agent, "hornero_refused_total", "reason=forbidden"))
}

// scrape reads the metrics with a certificate, or without one.
func scrape(t *testing.T, ca pki.Pair, shown ...pki.Pair) (string, error) {
	t.Helper()

	config := &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    x509.NewCertPool(),
		ServerName: pki.AnyNode,
	}
	config.RootCAs.AppendCertsFromPEM([]byte(ca.Certificate))

	for _, pair := range shown {
		certificate, err := tls.X509KeyPair([]byte(pair.Certificate), []byte(pair.Key.Reveal()))
		require.NoError(t, err)

		config.Certificates = append(config.Certificates, certificate)
	}

	client := http.Client{
		Timeout:   answerWithin,
		Transport: &http.Transport{TLSClientConfig: config},
	}
	defer client.CloseIdleConnections()

	answer, err := client.Get(fmt.Sprintf("https://%s:%d/metrics", loopback(11), roles.MetricsPort))
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()

	text, err := io.ReadAll(answer.Body)

	return string(text), err
}
