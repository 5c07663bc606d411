package fleet

import (
	"cmp"
	"context"
	"crypto/sha1" // the API names certificates by it
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/stack"
)

// siteCertificate is the certificate of the secrets file as the account is to have it.
type siteCertificate struct {
	names []string // that it may have: the next one is for when another certificate has taken the one before
	sum   string   // SHA-1 of the leaf, in digits
	// issued are the names that it is for, where Let's Encrypt issues it: then its leaf is not known before.
	issued []string
}

// nameDigits are how many digits of the leaf's SHA-256 a certificate's name may have. Names are unique in an account:
// what somebody else put under the first name is in the way while a load balancer uses it.
var nameDigits = []int{8, 16, 32, 64}

// siteCertificate reads the certificate of the secrets file.
func (f *Fleet) siteCertificate() (siteCertificate, error) {
	text, err := f.Secrets.Get(stack.SiteCertificate)
	if err != nil {
		return siteCertificate{}, err
	}

	leaf, err := pki.ParseCertificate(text.Reveal())
	if err != nil {
		return siteCertificate{}, fmt.Errorf("read secret %s: %w", stack.SiteCertificate, err)
	}

	sum := sha1.Sum(leaf.Raw)
	long := sha256.Sum256(leaf.Raw)
	site := siteCertificate{sum: hex.EncodeToString(sum[:])}

	for _, digits := range nameDigits {
		site.names = append(site.names, f.resourceName()+"-"+hex.EncodeToString(long[:])[:digits])
	}

	return site, nil
}

// among finds the certificate in the account; nil where it is not. One of that content under a name without digits was
// uploaded by an earlier version: it is another.
func (s siteCertificate) among(have []godo.Certificate) *godo.Certificate {
	for _, name := range s.names {
		for i := range have {
			if have[i].Name == name && s.is(have[i]) {
				return &have[i]
			}
		}
	}

	return nil
}

func (s siteCertificate) is(certificate godo.Certificate) bool {
	if len(s.issued) > 0 {
		return certificate.Type == issuedType
	}

	return fingerprint(certificate) == s.sum
}

// missing says what is made where the certificate is not in the account.
func (s siteCertificate) missing() string {
	if len(s.issued) > 0 {
		return "Let's Encrypt is to issue it for " + strings.Join(s.issued, ", ")
	}

	return "it is not there"
}

// free is the first name that no certificate has; "" where all are taken.
func (s siteCertificate) free(have []godo.Certificate) string {
	for _, name := range s.names {
		if !slices.ContainsFunc(have, func(is godo.Certificate) bool { return is.Name == name }) {
			return name
		}
	}

	return ""
}

// fingerprint is a certificate's, written as digits alone.
func fingerprint(certificate godo.Certificate) string {
	return strings.ToLower(strings.ReplaceAll(certificate.SHA1Fingerprint, ":", ""))
}

// idOf is a certificate's number; "" for none.
func idOf(certificate *godo.Certificate) string {
	if certificate == nil {
		return ""
	}

	return certificate.ID
}

// certificates are those of the stack, also such as nothing uses any more.
func (f *Fleet) certificates(ctx context.Context) ([]godo.Certificate, error) {
	all, err := do.Pages(ctx, f.Client.Certificates.List)
	if err != nil {
		return nil, fmt.Errorf("list certificates: %w", err)
	}

	// An earlier version gave it no digits.
	ours := regexp.MustCompile(`^` + regexp.QuoteMeta(f.resourceName()) + `(-[0-9a-f]{8,64})?$`)
	issued := regexp.MustCompile(`^` + regexp.QuoteMeta(f.issuedPrefix()) + `[0-9a-f]{8}$`)

	return slices.DeleteFunc(all, func(is godo.Certificate) bool {
		// By the type as well: stack blog-le has certificates of its own.
		if is.Type == issuedType {
			return !issued.MatchString(is.Name)
		}

		return !ours.MatchString(is.Name)
	}), nil
}

// certificateFor is the certificate that a load balancer is to use, uploaded if need be; nil without HTTPS, as nothing
// else uses one.
func (f *Fleet) certificateFor(ctx context.Context, b balanced) (*godo.Certificate, error) {
	if !b.EndsTLS() {
		return nil, nil
	}

	if issued := f.issuedCertificate(b); issued != nil {
		return f.ensureIssued(ctx, *issued)
	}

	site, err := f.siteCertificate()
	if err != nil {
		return nil, err
	}

	have, err := f.certificates(ctx)
	if err != nil {
		return nil, err
	}

	// An earlier run that was killed may have uploaded it already.
	certificate := site.among(have)
	if certificate == nil {
		if certificate, err = f.uploadCertificate(ctx, site, have); err != nil {
			return nil, err
		}
	}

	return f.awaitCertificate(ctx, certificate)
}

func (f *Fleet) uploadCertificate(
	ctx context.Context,
	site siteCertificate,
	have []godo.Certificate,
) (*godo.Certificate, error) {
	leaf, err := f.Secrets.Get(stack.SiteCertificate)
	if err != nil {
		return nil, err
	}

	key, err := f.Secrets.Get(stack.SiteKey)
	if err != nil {
		return nil, err
	}

	name := site.free(have)
	own, chain := cutChain(leaf.Reveal())

	certificate, err := f.createCertificate(ctx, &godo.CertificateRequest{
		Name:             name,
		Type:             "custom",
		PrivateKey:       key.Reveal(),
		LeafCertificate:  own,
		CertificateChain: chain,
	})
	if err == nil {
		f.progress("certificate %s uploaded", name)
		return certificate, nil
	}

	// Another operator may have been faster: names are unique.
	have, listed := f.certificates(ctx)
	if certificate := site.among(have); certificate != nil {
		return certificate, nil
	}

	return nil, errors.Join(fmt.Errorf("upload certificate %s: %w", name, err), listed)
}

// cutChain cuts a certificate from those of its authorities that follow it: the API takes them apart.
func cutChain(text string) (leaf, chain string) {
	block, rest := pem.Decode([]byte(text))
	if block == nil {
		return text, ""
	}

	return string(pem.EncodeToMemory(block)), strings.TrimLeft(string(rest), "\r\n\t ")
}

// awaitCertificate waits until load balancers may use a certificate.
func (f *Fleet) awaitCertificate(ctx context.Context, certificate *godo.Certificate) (*godo.Certificate, error) {
	limit := readBackLimit
	if certificate.Type == issuedType {
		limit = issueLimit
	}

	poll := func(ctx context.Context) (do.State, error) {
		switch certificate.State {
		case "verified":
			return do.Done, nil
		case "error":
			return do.Errored, errors.New("the API could not verify it")
		}

		state := cmp.Or(certificate.State, "not known")

		is, _, err := f.Client.Certificates.Get(ctx, certificate.ID)
		if err != nil {
			return do.Pending, err
		}

		certificate = is

		return do.Pending, do.Seen("state %s", state)
	}

	err := do.Wait(ctx, "certificate "+certificate.Name, poll, do.WaitOptions{
		Timeout: limit,
	})

	// As it is now: the number may be another than the one that was waited for.
	return certificate, err
}

// DefaultInUseWait is how long an Up waits for what the API refuses to delete because it is in use. The API is known to
// need up to 15 minutes after the last use; the next Up tries again.
const DefaultInUseWait = time.Minute

// removeCertificates deletes the certificates of the stack that no load balancer is to use any more.
func (f *Fleet) removeCertificates(ctx context.Context) error {
	all, err := f.allBalanced()
	if err != nil {
		return err
	}

	have, err := f.certificates(ctx)
	if err != nil {
		return err
	}

	// By the number, with the load balancers that are to use it.
	keep := map[string][]balanced{}

	for _, b := range all {
		wanted, err := f.certificateOf(b)
		if err != nil {
			return err
		}

		if is := wanted.among(have); is != nil {
			keep[is.ID] = append(keep[is.ID], b)
		}
	}

	unused := slices.DeleteFunc(slices.Clone(have), func(is godo.Certificate) bool { return keep[is.ID] != nil })
	if len(unused) == 0 {
		return nil
	}

	// What visitors are shown counts, not what the API says: an old one is the way back until then.
	for _, is := range have {
		for _, b := range keep[is.ID] {
			if err := f.awaitShown(ctx, b, is); err != nil {
				return err
			}
		}
	}

	return f.deleteCertificates(ctx, unused)
}

func (f *Fleet) deleteCertificates(ctx context.Context, unused []godo.Certificate) error {
	for _, is := range unused {
		err := f.retryWhileInUse(ctx, "delete certificate "+is.Name, func(ctx context.Context) error {
			_, err := f.Client.Certificates.Delete(ctx, is.ID)
			return err
		})

		switch {
		case errors.Is(err, do.ErrTimedOut) && ctx.Err() == nil:
			f.progress("certificate %s is in use still, and the next `hornero up` removes it: %v", is.Name, err)
		case err != nil:
			return err
		default:
			f.progress("certificate %s removed", is.Name)
		}
	}

	return nil
}
