package lab

import (
	"context"
	"errors"
	"net/netip"

	"github.com/hornero/hornero/lab/api"
)

// services are what serves a lab's Droplets beside the API.
type services struct {
	balancers  api.Balancers
	vendorData func() string
	close      func()
}

func (l *lab) startServices(context.Context) (*services, error) {
	return &services{balancers: noBalancers{}, vendorData: func() string { return "" }, close: func() {}}, nil
}

type noBalancers struct{}

func (noBalancers) Apply(context.Context, api.Balancer) error {
	return errors.New("no load balancers here")
}
func (noBalancers) Remove(context.Context, string) error { return nil }
func (noBalancers) List() []string                       { return nil }
func (noBalancers) Published(netip.Addr) (string, bool)  { return "", false }
