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

// ServeAs configures and serves as a node of a peer set, without looking for its document.
func (a *Agent) ServeAs(ctx context.Context, role, name string, settings map[string]string, set peerset.Set) error {
	manifest, err := roles.Load(a.Roles, role)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.manifest, a.set, a.address = manifest, set, "127.0.0.1"
	a.node.Node, a.node.Role, a.node.Settings = name, role, settings
	a.mu.Unlock()
	if err := a.apply(ctx, false); err != nil {
		return err
	}
	a.enter(PhaseServing, "")
	return a.serve(ctx)
}

func (a *Agent) Unfit() int { return a.unfit() }
