package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	protocol "github.com/mholt/acmez/v3/acme"
)

// How long the authority may take.
const (
	requestTimeout = 30 * time.Second
	pollTimeout    = time.Minute
	pollInterval   = 250 * time.Millisecond
)

// userAgent is what RFC 8555, 6.1 wants to be told.
const userAgent = "hornero-acme"

// client talks to an authority as the job's account.
type client struct {
	acme    *protocol.Client
	account protocol.Account
	patient *patient
}

// connect registers the account, or finds it: for a key that the authority knows it is the same request.
func connect(ctx context.Context, job Job) (*client, error) {
	c, err := unregistered(job)
	if err != nil {
		return c, err
	}

	key, err := decodeKey(job.Account)
	if err != nil {
		return c, &Problem{
			Kind: KindWrong,
			Text: "the account's key: " + err.Error(),
		}
	}

	account := protocol.Account{
		TermsOfServiceAgreed: true,
		PrivateKey:           key,
	}
	if job.Email != "" {
		account.Contact = []string{"mailto:" + job.Email}
	}

	if job.Binding != nil {
		binding := protocol.EAB{
			KeyID:  job.Binding.ID,
			MACKey: job.Binding.Key,
		}
		if err := account.SetExternalAccountBinding(ctx, c.acme, binding); err != nil {
			return c, bindingProblem(err)
		}
	}

	c.account, err = c.acme.NewAccount(ctx, account)

	if isProblem(err, protocol.ProblemTypeExternalAccountRequired) {
		return c, &Problem{
			Kind: KindRefused,
			Text: "the authority wants an account that it knows already: get a key id and its key there (eab)",
		}
	}

	if err != nil {
		return c, fmt.Errorf(
			"register the account: %w",
			err,
		)
	}

	return c, nil
}

// bindingProblem tells a key that is none from an authority that does not say where accounts are made.
func bindingProblem(err error) error {
	err = fmt.Errorf("bind the account: %w", err)

	var decode base64.CorruptInputError
	if !errors.As(err, &decode) {
		return err
	}

	return &Problem{
		Kind: KindWrong,
		Text: "the key of the account that the authority knows is no base64url",
	}
}

// unregistered is a client that can ask for what everybody may see.
func unregistered(job Job) (*client, error) {
	c := &client{patient: &patient{}}

	if err := job.check(); err != nil {
		return c, &Problem{
			Kind: KindWrong,
			Text: err.Error(),
		}
	}

	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSHandshakeTimeout: requestTimeout,
		ForceAttemptHTTP2:   true,
	}

	if job.Authority != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(job.Authority)) {
			return c, &Problem{
				Kind: KindWrong,
				Text: "the directory's authority is no certificate",
			}
		}

		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}

	c.patient.next = transport
	c.acme = &protocol.Client{
		Directory:    job.Directory,
		HTTPClient:   &http.Client{Transport: c.patient, Timeout: requestTimeout},
		UserAgent:    userAgent,
		PollInterval: pollInterval,
		PollTimeout:  pollTimeout,
	}

	return c, nil
}

// retry is when the authority wants to be asked again, as far as it said so.
func (c *client) retry() time.Time {
	c.patient.mu.Lock()
	defer c.patient.mu.Unlock()

	return c.patient.until
}

// unknown tells whether the authority has nothing of what it was asked for last. It need not say so by a problem.
func (c *client) unknown() bool {
	c.patient.mu.Lock()
	defer c.patient.mu.Unlock()

	return c.patient.last == http.StatusNotFound
}

// patient notes what the library does not tell of answers: how long one that refuses asks its client to wait.
type patient struct {
	next http.RoundTripper

	mu    sync.Mutex
	until time.Time
	last  int // the status of the last answer
}

// RoundTrip is http.RoundTripper's.
func (p *patient) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := p.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}

	refuses := response.StatusCode == http.StatusTooManyRequests ||
		response.StatusCode == http.StatusServiceUnavailable

	p.mu.Lock()
	defer p.mu.Unlock()

	p.last = response.StatusCode

	if until := retryTime(response.Header.Get("Retry-After")); refuses && !until.IsZero() {
		p.until = until
	}

	return response, nil
}

// retryTime reads seconds or a date (RFC 9110, 10.2.3); zero for neither.
func retryTime(text string) time.Time {
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Now().Add(time.Duration(seconds) * time.Second)
	}

	// No date is no word.
	until, _ := http.ParseTime(text)

	return until
}

// problemOf tells what kind of problem an error is; nil for none.
func problemOf(err error, retry time.Time) *Problem {
	if err == nil {
		return nil
	}

	var own *Problem
	if errors.As(err, &own) {
		return own
	}

	problem := &Problem{
		Kind:  KindUnreachable,
		Text:  err.Error(),
		Retry: retry,
	}

	var said protocol.Problem
	if !errors.As(err, &said) {
		return problem
	}

	switch {
	case said.Type == protocol.ProblemTypeRateLimited || said.Status == http.StatusTooManyRequests:
		problem.Kind = KindLimited
	case said.Status < http.StatusInternalServerError:
		problem.Kind = KindRefused
	}

	return problem
}

func isProblem(err error, kind string) bool {
	var said protocol.Problem
	return errors.As(err, &said) && said.Type == kind
}

func identifiers(names []string) []protocol.Identifier {
	var all []protocol.Identifier
	for _, name := range names {
		all = append(
			all,
			protocol.Identifier{Type: "dns", Value: name},
		)
	}

	return all
}

// uniqueIdentifier is what RFC 9773, 4.1 calls a certificate; "" for one that has no such name.
func uniqueIdentifier(chain string) string {
	leaf, err := leafOf(chain)
	if err != nil {
		return ""
	}

	// An order without it is as good: it only counts as a new one.
	name, _ := protocol.ARIUniqueIdentifier(leaf)

	return name
}
