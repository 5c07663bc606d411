package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func certificate(t *testing.T, name string) *godo.CertificateRequest {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)

	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     []string{name},
		NotAfter:     time.Now().Add(time.Hour),
	}

	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)

	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)

	return &godo.CertificateRequest{
		Name: name,
		Type: "custom",
		LeafCertificate: string(pem.EncodeToMemory(&pem.Block{
			Type:  "CERTIFICATE",
			Bytes: der,
		})),
		PrivateKey: string(pem.EncodeToMemory(&pem.Block{
			Type:  "PRIVATE KEY",
			Bytes: private,
		})),
	}
}

func TestCertificates(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	made, _, err := w.Certificates.Create(ctx, certificate(t, "demo.example"))
	require.NoError(t, err)
	require.Equal(t, "verified", made.State)
	require.Len(t, made.SHA1Fingerprint, 40)

	wrong := certificate(t, "wrong.example")
	wrong.PrivateKey = certificate(t, "other.example").PrivateKey
	_, _, err = w.Certificates.Create(ctx, wrong)
	refused(t, err, 422, "do not fit")

	named, _, err := w.Certificates.ListByName(ctx, "demo.example", nil)
	require.NoError(t, err)
	require.Len(t, named, 1)

	balancer, _, err := w.LoadBalancers.Create(ctx, &godo.LoadBalancerRequest{
		Name:   "lb",
		Region: "nyc3",
		ForwardingRules: []godo.ForwardingRule{{
			EntryProtocol:  "https",
			EntryPort:      443,
			TargetProtocol: "http",
			TargetPort:     80,
			CertificateID:  made.ID,
		}},
	})
	require.NoError(t, err)

	_, err = w.Certificates.Delete(ctx, made.ID)
	refused(t, err, 403, "Make sure the certificate is not in use before deleting it")

	_, err = w.LoadBalancers.Delete(ctx, balancer.ID)
	require.NoError(t, err)

	_, err = w.Certificates.Delete(ctx, made.ID)
	require.NoError(t, err)

	_, _, err = w.Certificates.Get(ctx, made.ID)
	refused(t, err, 404, "")
}
