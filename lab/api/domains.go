package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/lab/state"
)

// zones answers for domains and their records. It needs the state and the time, and nothing else of the lab.
type zones struct {
	store *state.Store
	now   func() time.Time
}

func (z *zones) routes() map[string]handler {
	return map[string]handler{
		"GET /v2/domains":                              z.listDomains,
		"POST /v2/domains":                             z.createDomain,
		"GET /v2/domains/{domain}":                     z.getDomain,
		"DELETE /v2/domains/{domain}":                  z.deleteDomain,
		"GET /v2/domains/{domain}/records":             z.listRecords,
		"POST /v2/domains/{domain}/records":            z.createRecord,
		"GET /v2/domains/{domain}/records/{record}":    z.getRecord,
		"PUT /v2/domains/{domain}/records/{record}":    z.updateRecord,
		"PATCH /v2/domains/{domain}/records/{record}":  z.updateRecord,
		"DELETE /v2/domains/{domain}/records/{record}": z.deleteRecord,
	}
}

const (
	domainTTL     = 1800  // seconds, of a record that says nothing
	minRecordTTL  = 30    // seconds
	maxPort       = 65535 // of an SRV record, and of all else
	maxDomainName = 253
)

type domainShape struct {
	Name     string  `json:"name"`
	TTL      *int    `json:"ttl"`
	ZoneFile *string `json:"zone_file"`
}

// showDomain shows a domain as it is once its zone is served.
func showDomain(domain state.Domain) domainShape {
	zone := domain.ZoneFile()
	return domainShape{
		Name:     domain.Name,
		TTL:      &domain.TTL,
		ZoneFile: &zone,
	}
}

func (z *zones) listDomains(r *http.Request) (*reply, error) {
	shown := []domainShape{}
	for _, domain := range z.store.View().Domains {
		shown = append(shown, showDomain(domain))
	}

	return list(r, "domains", shown), nil
}

// domainIn finds the domain in the path.
func domainIn(r *http.Request, d *state.Document) (*state.Domain, error) {
	domain := d.Domain(strings.ToLower(r.PathValue("domain")))
	if domain == nil {
		return nil, notFound()
	}

	return domain, nil
}

func (z *zones) getDomain(r *http.Request) (*reply, error) {
	domain, err := domainIn(r, z.store.View())
	if err != nil {
		return nil, err
	}

	return one(http.StatusOK, "domain", showDomain(*domain)), nil
}

var domainPattern = regexp.MustCompile(
	`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`,
)

// createDomain makes a zone with its name servers. The zone is not served yet, so ttl and zone_file are null in the
// answer.
func (z *zones) createDomain(r *http.Request) (*reply, error) {
	var body struct {
		Name      string `json:"name"`
		IPAddress string `json:"ip_address"`
	}

	if err := decode(r, &body); err != nil {
		return nil, err
	}

	// names of domains know no case
	name := strings.ToLower(strings.TrimSuffix(body.Name, "."))
	if len(name) > maxDomainName || !domainPattern.MatchString(name) {
		return nil, invalid("Name Only valid hostname characters are allowed. (a-z, 0-9, . and -)")
	}

	address, err := netip.ParseAddr(body.IPAddress)
	if body.IPAddress != "" && err != nil {
		return nil, invalid("IP address is not valid.")
	}

	err = z.store.Update(func(d *state.Document) error {
		if d.Domain(name) != nil {
			return invalid("domain '%s': name already exists", name)
		}

		domain := state.Domain{
			Name:    name,
			TTL:     domainTTL,
			Created: z.now(),
			Records: []state.Record{},
		}

		// DigitalOcean's own name servers are in each zone from the start
		for n := 1; n <= 3; n++ {
			domain.Records = append(domain.Records, state.Record{
				ID:   d.NextID(),
				Type: "NS",
				Name: "@",
				Data: fmt.Sprintf("ns%d.digitalocean.com", n),
				TTL:  domainTTL,
			})
		}

		if address.IsValid() {
			domain.Records = append(domain.Records, state.Record{
				ID:   d.NextID(),
				Type: addressType(address),
				Name: "@",
				Data: address.String(),
				TTL:  domainTTL,
			})
		}

		d.Domains = append(d.Domains, domain)

		return nil
	})
	if err != nil {
		return nil, err
	}

	return one(http.StatusCreated, "domain", domainShape{Name: name}), nil
}

func addressType(address netip.Addr) string {
	if address.Is4() {
		return "A"
	}

	return "AAAA"
}

func (z *zones) deleteDomain(r *http.Request) (*reply, error) {
	return noContent(), z.store.Update(func(d *state.Document) error {
		domain, err := domainIn(r, d)
		if err != nil {
			return err
		}

		name := domain.Name
		d.Domains = slices.DeleteFunc(d.Domains, func(x state.Domain) bool {
			return x.Name == name
		})
		unassignURN(d, "do:domain:"+name)

		return nil
	})
}
