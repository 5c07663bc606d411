package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/stack"
)

func (b wantedBalancer) endsTLS() bool {
	return slices.ContainsFunc(b.request.ForwardingRules, endsTLS)
}

// usesSite tells whether the load balancer is to use the certificate of the secrets file.
func (b wantedBalancer) usesSite() bool { return b.endsTLS() && b.issued == nil }

// use is the certificate in the account that a load balancer is to use; nil where there is none, or it uses none.
func (h found) use(want wanted, b wantedBalancer) *godo.Certificate {
	switch {
	case !b.endsTLS():
		return nil
	case b.issued != nil:
		return b.issued.among(h.certificates)
	}

	return h.site(want)
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
	kept := map[string]bool{}

	for _, certificate := range want.certificates() {
		if is := certificate.among(have.certificates); is != nil {
			kept[is.ID] = true
			continue
		}

		all = append(all, Difference{
			Kind:   KindCertificate,
			Name:   certificate.free(have.certificates),
			Action: ActionCreate,
			Reason: certificate.missing(),
			By:     up,
		})
	}

	for _, is := range have.certificates {
		if kept[is.ID] {
			continue
		}

		reason := "no load balancer is to use one"

		switch {
		case is.Type == issuedType:
			reason = "no load balancer is to use it"
		case want.certificate != nil:
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
		if want.certificate != nil || b.issued != nil {
			reasons = append(reasons, compareUse(b, is[0], have.use(want, b))...)
		}

		if fixed := fixedReason(b, is[0], have.network); fixed != "" {
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

// compareBalancer tells what is otherwise and can be changed in place.
func compareBalancer(want wantedBalancer, is godo.LoadBalancer) []string {
	return compareFields(want, is, func(field balancerField) bool { return !field.fixed })
}

// compareFields tells which of these fields are otherwise.
func compareFields(want wantedBalancer, is godo.LoadBalancer, of func(balancerField) bool) []string {
	var reasons []string
	now := is.AsRequest()

	for _, field := range balancerFields() {
		from, to := field.text(now), field.text(want.request)
		if of(field) && from != to {
			reasons = append(reasons, changed(field.what, from, to))
		}
	}

	return reasons
}

// compareUse tells which ports of a load balancer use another certificate than they are to.
func compareUse(b wantedBalancer, is godo.LoadBalancer, certificate *godo.Certificate) []string {
	var reasons []string

	whose := "the secrets file's"
	if b.issued != nil {
		whose = "that of Let's Encrypt"
	}

	for _, rule := range is.ForwardingRules {
		if rule.CertificateID != "" && rule.CertificateID != idOf(certificate) {
			reason := fmt.Sprintf("the certificate of port %d is another than %s", rule.EntryPort, whose)
			reasons = append(reasons, reason)
		}
	}

	return reasons
}
