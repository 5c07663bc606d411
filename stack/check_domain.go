package stack

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const (
	minRecordTTL = 30    // seconds; DigitalOcean takes no less
	maxRecordTTL = 86400 // a day: longer, and no record is ever right again in time
)

var (
	domainPattern = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$`)
	recordPattern = regexp.MustCompile(`^(@|(\*|[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)` +
		`(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*)$`)
)

// domain checks the stack's records. Whether the account has the domain is for the cloud to say.
func (c *check) domain(s *Stack) {
	if !c.doc.Has("domain") {
		return
	}

	// The key is there and holds nothing: YAML's null.
	if s.Domain == nil {
		c.add("domain", "must name a domain of the account and records, as in {name: example.org, records: "+
			"[{name: www}]}; remove it when there is to be none")

		return
	}

	if c.need("domain.name", "a domain of the account, as in name: example.org") &&
		!domainPattern.MatchString(s.Domain.Name) {
		c.add("domain.name", "must be a domain in lower case, as in example.org, got %q", s.Domain.Name)
	}

	if len(s.Domain.Records) == 0 {
		c.need("domain.records", "which names are the stack's, as in records: [{name: \"@\"}, {name: www}]")
		c.add("domain.records", "must hold at least one, as in {name: www}")
	}

	names := map[string]int{}

	for i, record := range s.Domain.Records {
		path := fmt.Sprintf("domain.records[%d]", i)
		if c.taken[path] {
			continue
		}

		if c.need(path+".name", `a name below the domain's, as in name: www, or name: "@" for the domain itself`) {
			c.recordName(path+".name", record.Name, s.Domain.Name)
		}

		if first, twice := names[record.Name]; twice && record.Name != "" {
			c.add(path+".name", "%q is there already, as domain.records[%d]; remove one", record.Name, first)
		} else {
			names[record.Name] = i
		}

		c.recordTarget(path, record, s)

		if c.doc.Has(path+".ttl") && (record.TTL < minRecordTTL || record.TTL > maxRecordTTL) {
			c.add(path+".ttl", "must be from %d to %d seconds, got %d", minRecordTTL, maxRecordTTL, record.TTL)
		}
	}
}

func (c *check) recordName(path, name, domain string) {
	below, whole := strings.CutSuffix(strings.TrimSuffix(name, "."), domain)

	switch {
	case whole && domain != "" && (below == "" || strings.HasSuffix(below, ".")):
		short := strings.TrimSuffix(below, ".")
		if short == "" {
			short = `"@"`
		}

		c.add(path, "must be without the domain; write %s", short)

	case !recordPattern.MatchString(name):
		c.add(path, `must be a name below the domain's in lower case, as in www, or "@" for the domain itself, got %q`,
			name)
	}
}

func (c *check) recordTarget(path string, record Record, s *Stack) {
	known := s.targets()

	switch {
	case len(known) == 0:
		c.add(path, "the stack has nothing that a name could point at; write a load_balancer, or a reserved_ip")
	case c.doc.Has(path+".to") && !slices.Contains(known, record.To):
		c.add(path+".to", "%s", noSuch(record.To, known))
	}
}
