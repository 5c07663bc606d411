package do

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/digitalocean/godo"
)

// lostError tells that no whole answer came to a request. Its text does not name the request: the error of the HTTP
// client around it does.
type lostError struct{ cause error }

func (e *lostError) Error() string { return e.cause.Error() }

func (e *lostError) Unwrap() error { return e.cause }

func lostf(format string, args ...any) *lostError {
	return &lostError{fmt.Errorf(format, args...)}
}

// errLate is the end of a try, or of all tries, that took too long.
func errLate(limit time.Duration) *lostError { return lostf("no answer within %s", limit) }

// lose marks the error of a try as one without an answer.
func lose(err error) error {
	// Whoever answers is not the API, and will not be in a moment.
	var stranger *tls.CertificateVerificationError
	if errors.As(err, &stranger) {
		return err
	}

	return &lostError{err}
}

func wasLost(err error) bool {
	var lost *lostError
	return errors.As(err, &lost)
}

// refused tells whether the connection was never made, so that nothing can have been done.
func refused(err error) bool {
	var failure *net.OpError
	return errors.As(err, &failure) && failure.Op == "dial"
}

// WithPatience bounds requests to the API. What ends by it is down (IsDown), unlike what ends with any other context.
func WithPatience(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, errLate(limit))
}

// IsDown tells whether the API itself is what failed: it did not answer, answered 5xx, or wants no more requests (429).
func IsDown(err error) bool {
	status := Status(err)
	return wasLost(err) || status == http.StatusTooManyRequests || serverFailed(status)
}

// MayBeDone tells whether a request that failed may have been carried out all the same: its answer was lost, or says
// only that the server failed.
func MayBeDone(err error) bool {
	return serverFailed(Status(err)) || wasLost(err) && !refused(err)
}

// IsTransient tells whether the same request may well work in a moment.
func IsTransient(err error) bool {
	if IsDown(err) {
		return true
	}

	// The end of a context is a net.Error, too, and nothing to try again.
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if ended || Status(err) != 0 {
		return false
	}

	var stranger *tls.CertificateVerificationError
	if errors.As(err, &stranger) {
		return false
	}

	// Without a status no answer came: what is left is the network's failure.
	var failure net.Error

	return errors.As(err, &failure)
}

// isTaken tells whether the API refused to make something because it has one, as far as its status tells.
func isTaken(err error) bool {
	status := Status(err)
	return status == http.StatusUnprocessableEntity || status == http.StatusConflict
}

// apiAnswer returns the API's own answer when the wait ended because of it, without the words about a wait.
func apiAnswer(err error) error {
	var answer *godo.ErrorResponse
	if errors.As(err, &answer) {
		return answer
	}

	return err
}
