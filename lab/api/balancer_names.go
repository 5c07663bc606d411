package api

import (
	"slices"
	"strings"

	"github.com/hornero/hornero/lab/state"
)

// nameBalancer adds DNS records for the names of a Let's Encrypt certificate that was added to a load balancer, where
// the account has their domain. It changes no record that exists and removes none: the names may have other uses.
func nameBalancer(d *state.Document, balancer state.LoadBalancer, before []state.Rule) {
	if balancer.NoLetsEncryptDNS {
		return
	}

	for _, rule := range balancer.Rules {
		certificate := d.Certificate(rule.CertificateID)
		if certificate == nil || certificate.Type != letsEncrypt {
			continue
		}

		// only a certificate that was just added gets records: a user may have removed the others
		had := slices.ContainsFunc(before, func(x state.Rule) bool {
			return x.CertificateID == rule.CertificateID
		})
		if had {
			continue
		}

		for _, name := range certificate.DNSNames {
			addBalancerRecord(d, strings.ToLower(name), balancer.Front().String())
		}
	}
}

// addBalancerRecord adds an A record for a name to the narrowest domain that holds it.
func addBalancerRecord(d *state.Document, name, address string) {
	var domain *state.Domain

	for i := range d.Domains {
		// records of a name belong into the narrowest zone, where resolvers look
		held := name == d.Domains[i].Name || strings.HasSuffix(name, "."+d.Domains[i].Name)
		if held && (domain == nil || len(d.Domains[i].Name) > len(domain.Name)) {
			domain = &d.Domains[i]
		}
	}

	if domain == nil {
		return
	}

	record := state.Record{
		Type: "A",
		Name: strings.TrimSuffix(name, "."+domain.Name),
		Data: address,
		TTL:  domainTTL,
	}
	if name == domain.Name {
		record.Name = "@"
	}

	// a name that points elsewhere is left alone; a CNAME can't have an A beside it
	taken := slices.ContainsFunc(domain.Records, func(x state.Record) bool {
		return x.Name == record.Name && (x.Type == "A" || x.Type == "CNAME")
	})
	if taken {
		return
	}

	record.ID = d.NextID()
	domain.Records = append(domain.Records, record)
}
