package acme

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mholt/acmez/v3"
	protocol "github.com/mholt/acmez/v3/acme"
)

// Step does the next step of a job.
func Step(ctx context.Context, job Job) Result {
	order := job.Order

	c, err := connect(ctx, job)
	if err != nil {
		return Result{
			Order:   order,
			Problem: problemOf(err, c.retry()),
		}
	}

	if order == nil {
		order, err = c.begin(
			ctx,
			job,
		)
		return Result{
			Order:   order,
			Problem: problemOf(err, c.retry()),
		}
	}

	certificate, err := c.finish(
		ctx,
		job,
	)
	problem := problemOf(
		err,
		c.retry(),
	)

	// An order that is over must not be asked for again.
	if certificate != nil || problem != nil && over(problem.Kind) {
		order = nil
	}

	return Result{
		Order:       order,
		Certificate: certificate,
		Problem:     problem,
	}
}

// over tells whether a problem ends the order: after a wrong answer to a challenge it is invalid.
func over(kind string) bool { return kind == KindLost || kind == KindNames }

// begin makes a key and an order. Until that is finished nothing is paid for.
func (c *client) begin(ctx context.Context, job Job) (*Order, error) {
	key, err := ecdsa.GenerateKey(
		elliptic.P256(),
		rand.Reader,
	)
	if err != nil {
		return nil, fmt.Errorf(
			"make a key: %w",
			err,
		)
	}

	wanted := protocol.Order{
		Profile:     job.Profile,
		Identifiers: identifiers(job.Names),
	}
	if job.Replaces != "" {
		wanted.Replaces = uniqueIdentifier(job.Replaces)
	}

	made, err := c.acme.NewOrder(
		ctx,
		c.account,
		wanted,
	)

	// Somebody renewed it already, as it may have happened with a peer set that was made anew.
	if isProblem(err, protocol.ProblemTypeAlreadyReplaced) {
		wanted.Replaces = ""
		made, err = c.acme.NewOrder(
			ctx,
			c.account,
			wanted,
		)
	}

	if err != nil {
		return nil, fmt.Errorf(
			"order a certificate: %w",
			err,
		)
	}

	text, err := encodeKey(key)
	if err != nil {
		return nil, err
	}

	return &Order{URL: made.Location, Key: text}, nil
}

// finish brings an order to its certificate, from wherever it stands.
func (c *client) finish(ctx context.Context, job Job) (*Certificate, error) {
	key, err := decodeKey(job.Order.Key)
	if err != nil {
		return nil, fmt.Errorf(
			"read the order's key: %w",
			err,
		)
	}

	order, err := c.order(
		ctx,
		job.Order.URL,
	)
	if err != nil {
		return nil, err
	}

	if order.Status == protocol.StatusPending {
		if err := c.prove(ctx, order); err != nil {
			return nil, err
		}

		if order, err = c.order(ctx, order.Location); err != nil {
			return nil, err
		}
	}

	switch order.Status {
	case protocol.StatusReady:
		if order, err = c.finalize(ctx, order, key, job.Names); err != nil {
			return nil, err
		}

	case protocol.StatusProcessing:
		if order, err = c.processed(ctx, order); err != nil {
			return nil, err
		}
	}

	return c.download(
		ctx,
		order,
		key,
		job,
	)
}

// order reads an order. One that the authority does not know, or that is invalid, is lost.
func (c *client) order(ctx context.Context, url string) (protocol.Order, error) {
	order, err := c.acme.GetOrder(
		ctx,
		c.account,
		protocol.Order{Location: url},
	)
	if err != nil {
		if c.unknown() || isProblem(err, protocol.ProblemTypeMalformed) {
			return order, &Problem{
				Kind: KindLost,
				Text: "the authority does not know the order: " + err.Error(),
			}
		}

		return order, fmt.Errorf(
			"look at the order: %w",
			err,
		)
	}

	if order.Status == protocol.StatusInvalid {
		return order, &Problem{
			Kind: KindLost,
			Text: invalid(order).Error(),
		}
	}

	return order, nil
}

func invalid(order protocol.Order) error {
	if order.Error == nil {
		return errInvalid
	}

	return fmt.Errorf(
		"%w: %w",
		errInvalid,
		order.Error,
	)
}

// prove has the authority ask each name that it does not know yet for its answer.
func (c *client) prove(ctx context.Context, order protocol.Order) error {
	for _, url := range order.Authorizations {
		authorization, err := c.acme.GetAuthorization(
			ctx,
			c.account,
			url,
		)
		if err != nil {
			return fmt.Errorf("look at a name's authorization: %w", err)
		}

		if authorization.Status != protocol.StatusPending {
			continue
		}

		if err := c.proveOne(ctx, authorization); err != nil {
			return err
		}
	}

	return nil
}

func (c *client) proveOne(ctx context.Context, authorization protocol.Authorization) error {
	name := authorization.IdentifierValue()

	at := slices.IndexFunc(authorization.Challenges, func(challenge protocol.Challenge) bool {
		return challenge.Type == protocol.ChallengeTypeHTTP01
	})
	if at < 0 {
		return &Problem{
			Kind: KindRefused,
			Text: fmt.Sprintf("%v %s", errNoHTTP, name),
		}
	}

	if _, err := c.acme.InitiateChallenge(ctx, c.account, authorization.Challenges[at]); err != nil {
		return fmt.Errorf(
			"have the authority ask %s: %w",
			name,
			err,
		)
	}

	authorization, err := c.acme.PollAuthorization(
		ctx,
		c.account,
		authorization,
	)

	var said protocol.Problem
	if errors.As(err, &said) && authorization.Status == protocol.StatusInvalid {
		return &Problem{
			Kind: KindNames,
			Text: name + ": " + said.Detail,
		}
	}

	if err != nil {
		return fmt.Errorf(
			"wait until the authority has asked %s: %w",
			name,
			err,
		)
	}

	return nil
}

func (c *client) finalize(
	ctx context.Context,
	order protocol.Order,
	key crypto.Signer,
	names []string,
) (protocol.Order, error) {
	request, err := acmez.NewCSR(
		key,
		names,
	)
	if err != nil {
		return order, err
	}

	order, err = c.acme.FinalizeOrder(
		ctx,
		c.account,
		order,
		request.Raw,
	)
	if err == nil {
		return order, nil
	}

	if order.Status == protocol.StatusInvalid {
		return order, &Problem{
			Kind: KindLost,
			Text: invalid(order).Error(),
		}
	}

	return order, fmt.Errorf(
		"finish the order: %w",
		err,
	)
}

// processed waits until the authority has made the certificate.
func (c *client) processed(ctx context.Context, order protocol.Order) (protocol.Order, error) {
	for order.Status == protocol.StatusProcessing {
		select {
		case <-ctx.Done():
			return order, fmt.Errorf(
				"wait for the certificate: %w",
				context.Cause(ctx),
			)
		case <-time.After(pollInterval):
		}

		var err error
		if order, err = c.order(ctx, order.Location); err != nil {
			return order, err
		}
	}

	return order, nil
}

func (c *client) download(
	ctx context.Context,
	order protocol.Order,
	key crypto.Signer,
	job Job,
) (*Certificate, error) {
	if order.Status != protocol.StatusValid {
		return nil, fmt.Errorf(
			"finish the order: it is %q",
			order.Status,
		)
	}

	chains, err := c.acme.GetCertificateChain(
		ctx,
		c.account,
		order.Certificate,
	)
	if err != nil {
		return nil, fmt.Errorf(
			"fetch the certificate: %w",
			err,
		)
	}

	if len(chains) == 0 {
		return nil, errors.New("fetch the certificate: the authority has none")
	}

	certificate := &Certificate{
		Chain: strings.TrimSpace(string(chains[0].ChainPEM)) + "\n",
		Key:   job.Order.Key,
	}

	// Nobody could use another's key, or a certificate for other names.
	if err := certificate.fits(key.Public(), job.Names); err != nil {
		return nil, &Problem{
			Kind: KindLost,
			Text: err.Error(),
		}
	}

	return certificate, nil
}
