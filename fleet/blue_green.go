package fleet

import (
	"context"
)

// byStrategy are the roles of which a roll by one strategy stands.
func byStrategy(members []member, strategy string) map[string]bool {
	roles := map[string]bool{}

	for _, m := range members {
		if m.Extra == strategy {
			roles[m.Role] = true
		}
	}

	return roles
}

// sides are the nodes of a role that stack.yaml names, and those that a roll made beside them.
func (s *rollState) sides(ctx context.Context) (blue, green []member, err error) {
	members, err := s.fleet.nodes(ctx)
	if err != nil {
		return nil, nil, err
	}

	green = extrasOf(members, s.Role)

	for _, m := range s.fleet.named(members) {
		if m.Role == s.Role {
			blue = append(blue, m)
		}
	}

	return blue, green, nil
}

// switchOver gives the traffic of the nodes of stack.yaml to those beside them, all at once. The others run on without,
// so that the way back is as short: it is taken when the new ones do worse with the traffic than those did before. For
// the time of an admission both have it.
func (s *rollState) switchOver(ctx context.Context) error {
	f := s.fleet

	blue, green, err := s.sides(ctx)
	if err != nil {
		return err
	}

	before := f.served(ctx, blue, f.Soak/windows)

	if err := f.giveTraffic(ctx, green, blue); err != nil {
		return err
	}

	w := &watching{
		fleet:   f,
		members: green,
		named:   blue,
		before:  &before,
	}

	bad := w.run(ctx)
	if bad == nil || ctx.Err() != nil {
		return bad
	}

	if err := s.switchBack(ctx); err != nil {
		return err
	}

	return s.undo(ctx, bad.Error())
}

// switchBack is switchOver the other way.
func (s *rollState) switchBack(ctx context.Context) error {
	blue, green, err := s.sides(ctx)
	if err != nil {
		return err
	}

	return s.fleet.giveTraffic(ctx, blue, green)
}

// giveTraffic gives one group of nodes the traffic of another. The load balancer sends to the first before the second
// loses it.
func (f *Fleet) giveTraffic(ctx context.Context, to, from []member) error {
	if err := f.admit(ctx, to); err != nil {
		return err
	}

	if err := f.awaitTraffic(ctx, to); err != nil {
		return err
	}

	return f.withhold(ctx, from)
}
