package bootstrap

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/metrics"
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/internal/pki"
)

// expiryEvery is how often a node looks when its certificates end.
const expiryEvery = time.Hour

const day = 24 * time.Hour

// expiryNotices are how long before a certificate's end the node says so, once each.
var expiryNotices = []time.Duration{30 * day, 14 * day, 7 * day, 3 * day, 2 * day, day, 0}

// stackAuthority is how the stack's own authority is called beside those of the role's certificates.
const stackAuthority = "stack"

// expiring is a certificate that the node lives by.
type expiring struct {
	authority string // by its name in the manifest, or stackAuthority
	ends      time.Time
}

func (e expiring) String() string {
	ends := e.ends.UTC().Format(time.RFC3339)
	return fmt.Sprintf("the node's certificate of authority %s ends at %s", e.authority, ends)
}

// expiries are the node's certificates, by authority.
func (a *Agent) expiries() []expiring {
	a.mu.Lock()
	texts := map[string]string{stackAuthority: a.node.TLS.Certificate}
	for authority, identity := range a.node.TLS.Authorities {
		texts[authority] = identity.Certificate
	}
	a.mu.Unlock()

	var all []expiring

	for _, authority := range slices.Sorted(maps.Keys(texts)) {
		// There is none before the document is found, and a document with one that cannot be read is refused.
		certificate, err := pki.ParseCertificate(texts[authority])
		if err == nil {
			all = append(all, expiring{authority, certificate.NotAfter})
		}
	}

	return all
}

// watchExpiry adds an event when a certificate of the node ends soon, until ctx ends.
func (a *Agent) watchExpiry(ctx context.Context) {
	told := map[string]time.Duration{}

	for ctx.Err() == nil {
		for _, e := range dueNotices(a.expiries(), told, time.Now()) {
			a.note(peerset.EventExpiry, fmt.Sprintf("%s: `hornero replace %s` gives it another", e, a.node.Node))
		}

		pause.For(ctx, expiryEvery)
	}
}

// dueNotices are the certificates whose end is to be told of now. told remembers, by authority, the last notice.
func dueNotices(all []expiring, told map[string]time.Duration, now time.Time) []expiring {
	var due []expiring

	for _, e := range all {
		left := e.ends.Sub(now)

		// The closest notice that is due stands for those before it.
		passed := slices.DeleteFunc(slices.Clone(expiryNotices), func(notice time.Duration) bool {
			return left > notice
		})
		if len(passed) == 0 {
			continue
		}

		notice := slices.MinFunc(passed, cmp.Compare)
		if last, once := told[e.authority]; once && last <= notice {
			continue
		}

		told[e.authority] = notice
		due = append(due, e)
	}

	return due
}

func (a *Agent) registerExpiry(m *metrics.Registry) {
	m.Read("hornero_certificate_expiry_timestamp_seconds",
		"When the node's certificate of an authority ends, in seconds since 1970.",
		[]string{"authority"},
		func(set setter) {
			for _, e := range a.expiries() {
				set(float64(e.ends.Unix()), e.authority)
			}
		})
}
