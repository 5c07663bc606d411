package rootfs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hornero/hornero/internal/command"
)

// Suites are a release's suites as its archive names them; empty ones are not there.
type Suites struct {
	Main, Updates, Security string
	Components              []string
}

// MachineSources makes the lines of sources.list for a release from where this machine's own apt finds Debian,
// whatever its own release is.
func MachineSources(ctx context.Context, suites Suites) ([]string, error) {
	targets := []string{"apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"}
	sites, err := command.Run(ctx, command.Command{Args: targets})
	if err != nil {
		return nil, fmt.Errorf("ask apt for its sources: %w", err)
	}

	lines := suites.Lines(strings.Fields(sites))
	if len(lines) == 0 {
		return nil, fmt.Errorf(
			"%w: this machine's apt has no source of Debian: name sources in the template, or run apt-get update",
			ErrNoSource,
		)
	}

	return lines, nil
}

// Lines makes the lines for a release of the addresses of archives: one that ends in /debian, and one that ends in
// /debian-security, as Debian's mirrors do.
func (s Suites) Lines(sites []string) []string {
	var lines []string
	components := strings.Join(s.Components, " ")

	for _, one := range []struct{ suite, ending string }{
		{suite: s.Main, ending: "/debian"},
		{suite: s.Updates, ending: "/debian"},
		{suite: s.Security, ending: "/debian-security"},
	} {
		// Without the main suite there is nothing to make a system from.
		at := slices.IndexFunc(sites, func(site string) bool {
			return strings.HasSuffix(strings.TrimSuffix(site, "/"), one.ending)
		})
		if at < 0 && one.suite == s.Main {
			return nil
		}
		if at >= 0 && one.suite != "" {
			lines = append(lines, fmt.Sprintf("deb %s %s %s", sites[at], one.suite, components))
		}
	}

	return lines
}
