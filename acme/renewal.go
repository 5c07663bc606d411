package acme

import (
	"context"
	"errors"
	"fmt"
	"time"

	protocol "github.com/mholt/acmez/v3/acme"
)

// Window is when the authority wants a certificate to be renewed (RFC 9773). The zero value: it has no wish.
type Window struct {
	Start time.Time `json:"start,omitzero"`
	End   time.Time `json:"end,omitzero"`
	Again time.Time `json:"again,omitzero"` // when to ask the next time
}

// Renewal asks for the window of the job's Replaces. It needs no account.
func Renewal(ctx context.Context, job Job) (Window, *Problem) {
	c, err := unregistered(job)
	if err != nil {
		return Window{}, problemOf(
			err,
			time.Time{},
		)
	}

	leaf, err := leafOf(job.Replaces)
	if err != nil {
		return Window{}, &Problem{
			Kind: KindWrong,
			Text: "the certificate to be renewed: " + err.Error(),
		}
	}

	info, err := c.acme.GetRenewalInfo(
		ctx,
		leaf,
	)
	if errors.Is(err, protocol.ErrUnsupported) {
		return Window{}, nil
	}

	if err != nil {
		return Window{}, problemOf(
			fmt.Errorf("ask when to renew: %w", err),
			c.retry(),
		)
	}

	window := Window{
		Start: info.SuggestedWindow.Start,
		End:   info.SuggestedWindow.End,
	}
	if info.RetryAfter != nil {
		window.Again = *info.RetryAfter
	}

	return window, nil
}
