package fleet

import (
	"context"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/stack"
)

func (f *Fleet) certificates(ctx context.Context) ([]godo.Certificate, error) {
	read := func(ctx context.Context, page *godo.ListOptions) ([]godo.Certificate, *godo.Response, error) {
		return f.Client.Certificates.ListByName(ctx, f.resourceName(), page)
	}

	return do.Pages(ctx, read)
}

func (f *Fleet) ensureCertificate(ctx context.Context) (string, error) {
	have, err := f.certificates(ctx)
	if err != nil {
		return "", err
	}

	// An earlier run that was killed may have uploaded it already.
	if len(have) > 0 {
		return have[0].ID, nil
	}

	leaf, err := f.Secrets.Get(stack.SiteCertificate)
	if err != nil {
		return "", err
	}

	key, err := f.Secrets.Get(stack.SiteKey)
	if err != nil {
		return "", err
	}

	certificate, err := f.createCertificate(ctx, &godo.CertificateRequest{
		Name:            f.resourceName(),
		Type:            "custom",
		PrivateKey:      key.Reveal(),
		LeafCertificate: leaf.Reveal(),
	})
	if err != nil {
		return "", err
	}

	return certificate.ID, nil
}
