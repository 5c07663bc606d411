package acme

import (
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// What is to be done next for a certificate.
type action int

const (
	rest  action = iota // nothing, yet
	ask                 // when the authority wants it renewed
	begin               // with an order
	goOn                // with the order that there is
)

// Limits of what is asked of an authority. Let's Encrypt gives five certificates for the same names in a week.
const (
	paidWeek = 7 * 24 * time.Hour
	paidMost = 3
)

// pauses are those after failures, one after the other, and then the last again and again. At most five failures fall
// into an hour, which is what Let's Encrypt takes of a name.
var pauses = []time.Duration{
	time.Minute,
	5 * time.Minute,
	15 * time.Minute,
	30 * time.Minute,
	time.Hour,
	2 * time.Hour,
	4 * time.Hour,
	6 * time.Hour,
}

// pauseAfter is how long to wait after so many failures.
func pauseAfter(failures int) time.Duration { return pauses[min(max(failures, 1), len(pauses))-1] }

// decide tells what is next for a certificate, and why.
func (k known) decide(wanted Wanted, now time.Time) (action, string) {
	p := k.progress
	same := slices.Equal(
		p.Names,
		wanted.Names,
	)

	// Other names are other questions: what went wrong with the old ones does not matter.
	if same && now.Before(p.Next) {
		return rest, "waits until " + p.Next.UTC().Format(time.RFC3339)
	}

	if same && p.Order != nil {
		return goOn, "an order is under way"
	}

	reason := k.due(wanted, now)

	switch {
	case reason == "" && k.asksWindow(now):
		return ask, "the authority may want it renewed earlier"
	case reason == "":
		return rest, ""
	}

	if until := p.spent(wanted, now); !until.IsZero() {
		return rest, "got " + fmt.Sprint(paidMost) + " in a week: waits until " + until.UTC().Format(time.RFC3339)
	}

	return begin, reason
}

// due tells why a certificate must be ordered now; "" when it need not be.
func (k known) due(wanted Wanted, now time.Time) string {
	if k.certificate == nil {
		return "there is none yet"
	}

	leaf, err := leafOf(k.certificate.Chain)

	switch {
	case err != nil:
		return "the one that is kept cannot be read"
	case !sameNames(leaf, wanted.Names):
		return "the names have changed"
	case !now.Before(renewalOf(leaf, k.progress.Window)):
		return "it is time to renew it"
	}

	return ""
}

// asksWindow tells whether the authority must be asked for its wish.
func (k known) asksWindow(now time.Time) bool { return !now.Before(k.progress.Window.Again) }

// spent is when names that had enough certificates in a week may have another; zero: now.
func (p Progress) spent(wanted Wanted, now time.Time) time.Time {
	if !slices.Equal(p.Names, wanted.Names) {
		return time.Time{}
	}

	var recent []time.Time
	for _, paid := range p.Paid {
		if now.Sub(paid) < paidWeek {
			recent = append(recent, paid)
		}
	}

	if len(recent) < paidMost {
		return time.Time{}
	}

	slices.SortFunc(
		recent,
		time.Time.Compare,
	)

	return recent[len(recent)-paidMost].Add(paidWeek)
}

// renewalOf is when a certificate is renewed: in the authority's window, else when a third of its life is left. Where
// in the window, or how much earlier, follows from the certificate: all nodes choose the same moment, and not all
// certificates of one launch the same.
func renewalOf(leaf *x509.Certificate, window Window) time.Time {
	share := shareOf(leaf)

	if span := window.End.Sub(window.Start); !window.Start.IsZero() && span >= 0 {
		return window.Start.Add(time.Duration(share * float64(span)))
	}

	third := leaf.NotAfter.Sub(leaf.NotBefore) / 3

	return leaf.NotAfter.Add(-third).Add(-time.Duration(share * float64(third) / 10))
}

// shareOf is a number from 0 to 1 that follows from a certificate. Serial numbers of authorities are drawn.
func shareOf(leaf *x509.Certificate) float64 {
	bytes := append(
		make([]byte, 8),
		leaf.SerialNumber.Bytes()...,
	)
	last := binary.BigEndian.Uint64(bytes[len(bytes)-8:])

	return float64(last>>11) / (1 << 53)
}
