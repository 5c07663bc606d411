package nameserver

import (
	"github.com/miekg/dns"

	"github.com/hornero/hornero/lab/state"
)

// zone is a domain of the account. Its records are read out of the lines of its zone file, which the API shows.
type zone struct{ *state.Domain }

// zoneOf is the account's domain that a name is of; nil for none. Of two it is the one below the other.
func zoneOf(account *state.Document, name string) *zone {
	var found *zone

	for i := range account.Domains {
		domain := &account.Domains[i]
		fits := dns.IsSubDomain(dns.Fqdn(domain.Name), name)

		if fits && (found == nil || len(domain.Name) > len(found.Name)) {
			found = &zone{domain}
		}
	}

	return found
}

// at are the records that a name has, as its own, and whether there is such a name. One that there is not has those of
// the wildcard beside it, if there is one (RFC 4592).
func (z *zone) at(name string) (records []dns.RR, there bool) {
	if z.has(name) {
		return z.recordsOf(name, name), true
	}

	for at, end := dns.NextLabel(name, 0); !end; at, end = dns.NextLabel(name, at) {
		// Only the next name above that there is counts.
		if z.has(name[at:]) {
			wildcard := "*." + name[at:]
			return z.recordsOf(wildcard, name), z.has(wildcard)
		}
	}

	return nil, false
}

// has tells whether there is a name, with records of its own or below it.
func (z *zone) has(name string) bool {
	if same(name, dns.Fqdn(z.Name)) {
		return true
	}

	for _, record := range z.Records {
		if dns.IsSubDomain(name, z.owner(record)) {
			return true
		}
	}

	return false
}

// recordsOf are the records of a name, as those of another.
func (z *zone) recordsOf(name, shown string) []dns.RR {
	var found []dns.RR
	if same(name, dns.Fqdn(z.Name)) {
		found = z.start()
	}

	for _, record := range z.Records {
		if !same(name, z.owner(record)) {
			continue
		}

		// The API lets in what no zone can hold, such as a label of a hundred letters: that is not served.
		read, err := dns.NewRR(z.ZoneLine(record))
		if err != nil || read == nil {
			continue
		}

		read.Header().Name = shown
		found = append(found, read)
	}

	return found
}

// start is the zone's first record; none for a domain whose name has no room for more.
func (z *zone) start() []dns.RR {
	start, err := dns.NewRR(z.ZoneStart())
	if err != nil {
		return nil
	}

	start.Header().Ttl = uint32(z.TTL)

	return []dns.RR{start}
}

func (z *zone) owner(record state.Record) string { return dns.Fqdn(z.FullName(record.Name)) }

// same compares names, which know no case.
func same(one, other string) bool { return dns.CanonicalName(one) == dns.CanonicalName(other) }
