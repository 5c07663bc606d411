package lab

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/lab/loadbalancer"
	"github.com/hornero/hornero/lab/machine"
	"github.com/hornero/hornero/lab/state"
)

// hostBalancers runs the API's load balancers on this computer.
type hostBalancers struct {
	runner *loadbalancer.Runner
}

func (b *hostBalancers) Apply(ctx context.Context, wanted api.Balancer) error {
	balancer := loadbalancer.Balancer{
		ID: wanted.ID,
		At: machine.Attachment{
			Public:   wanted.Address,
			Private:  wanted.Private,
			VPC:      wanted.VPC,
			VPCRange: wanted.VPCRange,
		},
		Health:           loadbalancer.Health(wanted.Health),
		RedirectToHTTPS:  wanted.RedirectToHTTPS,
		ProxyProtocol:    wanted.ProxyProtocol,
		BackendKeepalive: wanted.BackendKeepalive,
		IdleTimeout:      wanted.IdleTimeout,
		Allow:            wanted.Allow,
		Deny:             wanted.Deny,
		StrongCiphers:    wanted.TLSCipherPolicy == api.StrongCiphers,
	}

	// no cookie means that clients are not kept with one Droplet
	if wanted.Sticky.Cookie != "" {
		balancer.Sticky = loadbalancer.Sticky{
			Cookie: wanted.Sticky.Cookie,
			TTL:    time.Duration(wanted.Sticky.TTL) * time.Second,
		}
	}

	for _, rule := range wanted.Rules {
		// HAProxy as Debian has it speaks none; clients begin at the rule for TCP that stands beside it, and stay there
		if rule.EntryProtocol == "http3" {
			continue
		}

		balancer.Rules = append(balancer.Rules, loadbalancer.Rule{
			EntryProtocol:  rule.EntryProtocol,
			EntryPort:      rule.EntryPort,
			TargetProtocol: rule.TargetProtocol,
			TargetPort:     rule.TargetPort,
			TLSPassthrough: rule.TLSPassthrough,
			Certificate:    bundle(wanted.Certificates[rule.CertificateID]),
		})
	}

	for _, target := range wanted.Targets {
		balancer.Targets = append(balancer.Targets, loadbalancer.Target{
			ID:      target.DropletID,
			Address: target.Address,
		})
	}

	return b.runner.Apply(ctx, balancer)
}

// bundle is a certificate as HAProxy reads it: leaf, chain and key in one.
func bundle(certificate state.Certificate) string {
	if certificate.ID == "" {
		return ""
	}

	parts := []string{}

	for _, part := range []string{certificate.Leaf, certificate.Chain, certificate.PrivateKey} {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}

	return strings.Join(parts, "\n") + "\n"
}

func (b *hostBalancers) Remove(ctx context.Context, id string) error {
	return b.runner.Remove(ctx, id)
}

func (b *hostBalancers) List() ([]string, error) {
	return b.runner.List()
}

func (b *hostBalancers) Published(address netip.Addr) (string, bool) {
	published, ok := b.runner.Published(address)
	if !ok {
		return "", false
	}

	return published.String(), true
}
