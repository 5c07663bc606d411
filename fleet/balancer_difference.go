package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/digitalocean/godo"
)

// defaultIdle is what the API fills in where nobody said how long a load balancer waits for an answer.
const defaultIdle = 60

func (b wantedBalancer) endsTLS() bool {
	return slices.ContainsFunc(b.rules, func(rule godo.ForwardingRule) bool { return rule.EntryProtocol == "https" })
}

func compareCertificate(want wanted, have found) []Difference {
	// It is not asked for, or not made yet, which is a difference of its own.
	if want.fingerprint == "" {
		return nil
	}

	one := Difference{
		Kind: KindCertificate,
		Name: want.name,
	}

	switch {
	case have.certificate == nil:
		one.Action = ActionCreate
		one.Reason = "it is not there"
		one.By = NothingYet + "it is uploaded with a load balancer; delete one that uses it, then `hornero up`"

		if missesTLS(want, have) {
			one.By = up
		}

	case fingerprint(*have.certificate) != want.fingerprint:
		one.Action = ActionChange
		one.Reason = "the account's is not the one in the secrets file"
		one.By = NothingYet + "delete the load balancers that use it, then the certificate, at DigitalOcean; " +
			"`hornero up` makes them anew, at other addresses"

	default:
		return nil
	}

	return []Difference{one}
}

// missesTLS tells whether a load balancer that uses the certificate is still to be made.
func missesTLS(want wanted, have found) bool {
	return slices.ContainsFunc(want.balancers, func(b wantedBalancer) bool {
		return b.endsTLS() && len(named(have.balancers, b.name)) == 0
	})
}

// fingerprint is a certificate's, written as digits alone.
func fingerprint(certificate godo.Certificate) string {
	return strings.ToLower(strings.ReplaceAll(certificate.SHA1Fingerprint, ":", ""))
}

// named are the load balancers of a name: the API lets many have the same.
func named(balancers []godo.LoadBalancer, name string) []godo.LoadBalancer {
	var all []godo.LoadBalancer
	for _, balancer := range balancers {
		if balancer.Name == name {
			all = append(all, balancer)
		}
	}

	return all
}

func compareBalancers(want wanted, have found) []Difference {
	var all []Difference
	kept := map[string]bool{} // by the number

	for _, b := range want.balancers {
		is := named(have.balancers, b.name)
		if len(is) == 0 {
			all = append(all, Difference{
				Kind:   KindBalancer,
				Name:   b.name,
				Action: ActionCreate,
				Reason: "it is not there",
				By:     up,
			})

			continue
		}

		kept[is[0].ID] = true
		reasons := compareBalancer(b, is[0], have.certificate)

		if len(reasons) > 0 {
			all = append(all, Difference{
				Kind:   KindBalancer,
				Name:   b.name,
				Action: ActionChange,
				Reason: strings.Join(reasons, "; "),
				By: NothingYet + "change it at DigitalOcean, or delete it there, and `hornero up` makes it anew, " +
					"at another address",
			})
		}
	}

	for _, is := range have.balancers {
		if !kept[is.ID] {
			all = append(all, Difference{
				Kind:   KindBalancer,
				Name:   is.Name,
				Action: ActionRemove,
				Reason: "not in stack.yaml, or there twice; it is paid for",
				By:     NothingYet + "delete load balancer " + is.ID + " at DigitalOcean",
			})
		}
	}

	return all
}

// compareBalancer tells what is otherwise, both sides in the same words: the API fills in what nobody said.
func compareBalancer(want wantedBalancer, is godo.LoadBalancer, certificate *godo.Certificate) []string {
	var reasons []string

	differ := func(what, from, to string) {
		if from != to {
			reasons = append(reasons, changed(what, from, to))
		}
	}

	differ("target", cmp.Or(is.Tag, "none"), want.target)
	differ("rules", rulesText(is.ForwardingRules), rulesText(want.rules))
	differ("health check", healthText(is.HealthCheck), healthText(want.health))
	differ("idle time", idleText(is.HTTPIdleTimeoutSeconds), idleText(want.idle))

	for _, rule := range is.ForwardingRules {
		if certificate != nil && rule.CertificateID != "" && rule.CertificateID != certificate.ID {
			reasons = append(reasons, fmt.Sprintf("the certificate of port %d is another than %s",
				rule.EntryPort, certificate.Name))
		}
	}

	return reasons
}

func rulesText(rules []godo.ForwardingRule) string {
	rules = slices.Clone(rules)
	slices.SortFunc(rules, func(a, b godo.ForwardingRule) int {
		return cmp.Or(
			cmp.Compare(a.EntryPort, b.EntryPort),
			cmp.Compare(a.EntryProtocol, b.EntryProtocol),
		)
	})

	var texts []string

	for _, rule := range rules {
		text := fmt.Sprintf("%s:%d to %s:%d", rule.EntryProtocol, rule.EntryPort, rule.TargetProtocol, rule.TargetPort)
		if rule.TlsPassthrough {
			text += " (TLS passed on)"
		}

		texts = append(texts, text)
	}

	return "[" + strings.Join(texts, ", ") + "]"
}

func healthText(check *godo.HealthCheck) string {
	if check == nil {
		return "none"
	}

	text := fmt.Sprintf("%s:%d%s every %d s (waits %d s, bad after %d, good after %d)",
		check.Protocol,
		check.Port,
		check.Path,
		check.CheckIntervalSeconds,
		check.ResponseTimeoutSeconds,
		check.UnhealthyThreshold,
		check.HealthyThreshold,
	)

	if check.ProxyProtocol != nil && *check.ProxyProtocol {
		text += " by the PROXY protocol"
	}

	return text
}

func idleText(seconds *uint64) string {
	if seconds == nil || *seconds == 0 {
		return fmt.Sprintf("%d s", defaultIdle)
	}

	return fmt.Sprintf("%d s", *seconds)
}
