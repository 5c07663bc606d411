package peerset

import "strings"

// Refusal is something that was tried and not allowed.
type Refusal struct {
	From   string // address and port of who tried
	Node   string // whom the certificate names; empty when it shows none
	Role   string
	Tried  string // "connect to dqlite", "POST /v1/put"
	Reason string // one of Reasons
	Err    error
}

// Reasons of refusals. Metrics are labelled with them.
const (
	ReasonNoCertificate = "no_certificate"
	ReasonExpired       = "expired"
	ReasonUntrusted     = "untrusted"   // signed by another authority
	ReasonOtherStack    = "other_stack" // says so itself
	ReasonNoNode        = "no_node"     // of this stack, but of no node: the load balancer's
	ReasonNoTLS         = "no_tls"
	ReasonHandshake     = "handshake" // TLS that this node does not speak: too old, or another protocol in it
	ReasonOtherEra      = "other_era" // of a peer set that was rebuilt since, or before
	ReasonForbidden     = "forbidden" // the role or the kind does not entitle to it
	ReasonEvicted       = "evicted"
	ReasonStaleEpoch    = "stale_epoch"
	ReasonUnreadable    = "unreadable"
	ReasonTooMany       = "too_many" // connections at once
)

// Reasons are all of them.
var Reasons = []string{
	ReasonNoCertificate,
	ReasonExpired,
	ReasonUntrusted,
	ReasonOtherStack,
	ReasonNoNode,
	ReasonNoTLS,
	ReasonHandshake,
	ReasonOtherEra,
	ReasonForbidden,
	ReasonEvicted,
	ReasonStaleEpoch,
	ReasonUnreadable,
	ReasonTooMany,
}

// ReasonOfHandshake tells, from what crypto/tls says of a handshake that failed before there was a certificate,
// why the other side was refused. False when that was not this side's doing, or nothing was tried: a connection
// that was only opened and closed, one that the other side gave up.
func ReasonOfHandshake(said string) (string, bool) {
	// crypto/tls has no error values for these: there is only the text.
	switch {
	case strings.Contains(said, "does not look like a TLS handshake"), strings.Contains(said, "sent an HTTP request"):
		return ReasonNoTLS, true
	case strings.HasPrefix(said, "tls: "):
		return ReasonHandshake, true
	}

	return "", false
}
