package bootstrap

import (
	"context"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/roles"
)

// ServeAs configures and serves as a node of a peer set, without looking for its document.
func (a *Agent) ServeAs(ctx context.Context, role, name string, settings map[string]string, set peerset.Set) error {
	manifest, err := roles.Load(a.Roles, role)
	if err != nil {
		return err
	}

	a.mu.Lock()
	a.manifest, a.set, a.address = manifest, set, "127.0.0.1"
	a.node.Node = name
	a.node.Role = role
	a.node.Settings = settings
	a.mu.Unlock()

	if err := a.apply(ctx, false); err != nil {
		return err
	}

	a.enter(PhaseServing, "")

	return a.serve(ctx)
}

func (a *Agent) Unfit() int { return a.unfit() }
