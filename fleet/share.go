package fleet

import (
	"context"
	"fmt"
	"slices"

	"github.com/hornero/hornero/stack"
)

// sharesExactly tells whether an edge of the stack's own alone brings a role's visitors: it gives a canary the part
// that was asked for, and no more.
func (f *Fleet) sharesExactly(role string) bool {
	behind := slices.ContainsFunc(f.Stack.Sites, func(site stack.Site) bool {
		return site.Nodes == role
	})

	return behind && len(f.trafficTags(role)) == 0
}

// giveShare has the edge give a roll's extra nodes their part of the visitors. A node whose image knows no share gets
// as much as the others.
func (s *rollState) giveShare(ctx context.Context, extras ...member) {
	f := s.fleet
	if s.Strategy != StrategyCanary || s.Share == 0 || !f.sharesExactly(s.Role) {
		return
	}

	for _, m := range extras {
		order := fmt.Sprintf("hornero-bootstrap share %d", s.Share)
		code, err := f.shell.run(ctx, m, order, nil, nil, nil)

		switch {
		case err != nil || code != 0:
			f.progress(
				"%s: takes no share (exit %d, %v): it gets as many visitors as the others",
				m.Node,
				code,
				err,
			)
		default:
			f.progress("%s: %d %% of the visitors go to the canary", m.Node, s.Share)
		}
	}
}

// goesOnStanding leaves a roll that stands as it is, but for another share of its canary.
func (s *rollState) goesOnStanding(ctx context.Context) error {
	canary := s.strategy == StrategyCanary && s.Strategy == StrategyCanary
	if !canary || s.Share == 0 || !s.fleet.sharesExactly(s.Role) {
		return s.isStanding()
	}

	return s.reshare(ctx)
}

// reshare changes the share of a canary that stands.
func (s *rollState) reshare(ctx context.Context) error {
	others := 0
	for _, m := range s.members {
		if m.Role == s.Role && m.Extra == "" {
			others++
		}
	}

	// No node of it is to have more than the others have.
	if most := 100 * len(s.extras) / (len(s.extras) + others); s.Share > most {
		return fmt.Errorf(
			"roll %s: --share %d: the canary's nodes (%d beside %d) can take %d %% at most; "+
				"`hornero roll %s --promote` goes on",
			s.Role,
			s.Share,
			len(s.extras),
			others,
			most,
			s.Role,
		)
	}

	s.giveShare(ctx, s.extras...)

	return nil
}
