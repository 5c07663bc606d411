package bootstrap

import (
	"context"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/roles"
)

// What the tests of one part reach without a whole node around it.

func (a *Agent) Owe(template roles.Template) error { return a.owe(template) }

func (a *Agent) Settle(ctx context.Context) error { return a.settle(ctx) }

func (a *Agent) StartServices(ctx context.Context, services ...roles.Service) error {
	a.manifest = &roles.Manifest{Services: services}
	return a.startServices(ctx)
}

func (a *Agent) Find(ctx context.Context) error { return a.find(ctx) }

func (a *Agent) Forget(ctx context.Context, set peerset.Set, expected map[string][]string, name string) error {
	a.set, a.node.Expected = set, expected
	return a.forget(ctx, name)
}
