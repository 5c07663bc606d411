package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/stack"
)

// defaultIdle is what the API fills in where nobody said how long a load balancer waits for an answer.
const defaultIdle = 60

func (b wantedBalancer) endsTLS() bool {
	return slices.ContainsFunc(b.rules, func(rule godo.ForwardingRule) bool { return rule.EntryProtocol == "https" })
}

// site is the certificate in the account that load balancers are to use; nil where there is none.
func (h found) site(want wanted) *godo.Certificate {
	if want.certificate == nil {
		return nil
	}

	return want.certificate.among(h.certificates)
}

func compareCertificates(want wanted, have found) []Difference {
	// Which one it will be is not known.
	if slices.Contains(want.unmade, stack.SiteCertificate) {
		return nil
	}

	var all []Difference
	site := have.site(want)

	if want.certificate != nil && site == nil {
		all = append(all, Difference{
			Kind:   KindCertificate,
			Name:   want.certificate.free(have.certificates),
			Action: ActionCreate,
			Reason: "it is not there",
			By:     up,
		})
	}

	for _, is := range have.certificates {
		if is.ID == idOf(site) {
			continue
		}

		reason := "no load balancer is to use one"
		if want.certificate != nil {
			reason = "not the one in the secrets file"
		}

		all = append(all, Difference{
			Kind:   KindCertificate,
			Name:   is.Name,
			Action: ActionRemove,
			Reason: reason,
			By:     up,
		})
	}

	return all
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
		one := Difference{
			Kind:   KindBalancer,
			Name:   b.name,
			Action: ActionChange,
			By:     up,
		}

		reasons := compareBalancer(b, is[0])

		// Which certificate it is to have is not known before that is made.
		if want.certificate != nil {
			reasons = append(reasons, compareUse(is[0], have.site(want))...)
		}

		if fixed := fixedReason(is[0], have.network); fixed != "" {
			one.Action = ActionReplace
			one.By = replaceBalancer(b.called)
			reasons = append(reasons, fixed)
		}

		if len(reasons) > 0 {
			one.Reason = strings.Join(reasons, "; ")
			all = append(all, one)
		}
	}

	for _, is := range have.balancers {
		if !kept[is.ID] {
			all = append(all, Difference{
				Kind:   KindBalancer,
				Name:   is.Name,
				Action: ActionRemove,
				Reason: fmt.Sprintf("%s is not in stack.yaml, or the name is there twice; it is paid for", is.ID),
				By:     up,
			})
		}
	}

	return all
}

// compareBalancer tells what is otherwise, both sides in the same words: the API fills in what nobody said.
func compareBalancer(want wantedBalancer, is godo.LoadBalancer) []string {
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

	return reasons
}

// compareUse tells which ports of a load balancer use another certificate than they are to.
func compareUse(is godo.LoadBalancer, certificate *godo.Certificate) []string {
	var reasons []string

	for _, rule := range is.ForwardingRules {
		if rule.CertificateID != "" && rule.CertificateID != idOf(certificate) {
			reasons = append(reasons, fmt.Sprintf("the certificate of port %d is another than the secrets file's",
				rule.EntryPort))
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
