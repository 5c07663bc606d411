// Package acme gets certificates from an authority that speaks ACME (RFC 8555), for names that nodes of one role answer
// for, and renews them. A certificate is got in steps, and what a step needs of the one before is written down in
// between: whoever goes on, on whichever node, takes up the same order.
//
// It must not know who serves the certificates, nor how nodes agree: what it keeps, it keeps through a Store.
package acme

import (
	"errors"
	"time"
)

// Job is a step on the way to a certificate, with all that it needs.
type Job struct {
	Directory string `json:"directory"`           // the authority's, where clients begin
	Authority string `json:"authority,omitempty"` // PEM: who vouches for the directory's own host; empty: the system
	Email     string `json:"email,omitempty"`
	Account   string `json:"account"` // the account's private key, PEM
	// Binding ties the account to one with the authority that is there already.
	Binding *Binding `json:"binding,omitempty"`
	Profile string   `json:"profile,omitempty"`
	Names   []string `json:"names"`
	// Replaces is the certificate that is renewed, PEM; the authority may count that apart from new ones.
	Replaces string `json:"replaces,omitempty"`
	// Order is what the step before left; none: this is the first step.
	Order *Order `json:"order,omitempty"`
}

// Binding is an external account (RFC 8555, 7.3.4).
type Binding struct {
	ID  string `json:"id"`
	Key string `json:"key"` // base64url
}

// Order is an order that the authority knows. It must be written down before the next step: that one is paid for.
type Order struct {
	URL string `json:"url"`
	Key string `json:"key"` // the private key of the certificate that is to be, PEM
}

// Certificate is what came of an order.
type Certificate struct {
	Chain string `json:"chain"` // PEM, its own certificate first
	Key   string `json:"key"`   // PEM
}

// Result is what a step came to: an order, a certificate or a problem. An order beside a problem is still good.
type Result struct {
	Order       *Order       `json:"order,omitempty"`
	Certificate *Certificate `json:"certificate,omitempty"`
	Problem     *Problem     `json:"problem,omitempty"`
}

// Kinds of problems.
const (
	KindUnreachable = "unreachable" // the authority does not answer, or says that it cannot
	KindLimited     = "limited"     // it was asked too often
	KindNames       = "names"       // a name does not lead here, or not everywhere
	KindRefused     = "refused"     // it will not do what it is asked
	KindLost        = "lost"        // the order is no more: another must begin
	KindWrong       = "wrong"       // the job itself cannot be done
)

// Problem is why a step did not succeed.
type Problem struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
	// Retry is when the authority wants to be asked again; zero: it did not say.
	Retry time.Time `json:"retry,omitzero"`
}

func (p Problem) Error() string { return p.Kind + ": " + p.Text }

var (
	errNoDirectory = errors.New("the job names no directory")
	errNoNames     = errors.New("the job has no names")
	errNoHTTP      = errors.New("the authority offers no http-01 for the name")
	errNoBinding   = errors.New("the account that the authority knows has no key")
	errInvalid     = errors.New("the order is invalid")
)

// check tells what the job lacks.
func (j Job) check() error {
	switch {
	case j.Directory == "":
		return errNoDirectory
	case len(j.Names) == 0:
		return errNoNames
	case j.Binding != nil && j.Binding.Key == "":
		return errNoBinding
	}

	return nil
}
