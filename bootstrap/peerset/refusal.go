package peerset

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
	ReasonForbidden     = "forbidden" // the role or the kind does not entitle to it
	ReasonEvicted       = "evicted"
	ReasonStaleEpoch    = "stale_epoch"
	ReasonUnreadable    = "unreadable"
)

// Reasons are all of them.
var Reasons = []string{ReasonNoCertificate, ReasonExpired, ReasonUntrusted, ReasonOtherStack, ReasonNoNode, ReasonNoTLS,
	ReasonForbidden, ReasonEvicted, ReasonStaleEpoch, ReasonUnreadable}
