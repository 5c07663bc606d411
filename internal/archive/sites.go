package archive

import (
	"context"
	"strings"

	"github.com/hornero/hornero/internal/command"
)

// Sites are the mirrors of Debian's archive that somebody fetches from; "" where there is none.
type Sites struct {
	Mirror   string
	Security string
}

// MachineSites are those that this machine's own apt fetches from. A machine without apt, or of another distribution,
// has none.
func MachineSites(ctx context.Context) Sites {
	printed, err := command.Run(ctx, command.Command{
		Args: []string{"apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"},
	})
	if err != nil {
		return Sites{}
	}

	return SitesOf(printed)
}

// SitesOf picks Debian's among sites, one a line: they are known by their last folder, as every mirror has it. Of
// several the first counts.
func SitesOf(lines string) Sites {
	var sites Sites

	for line := range strings.Lines(lines) {
		site := strings.TrimRight(strings.TrimSpace(line), "/")

		switch {
		case sites.Mirror == "" && strings.HasSuffix(site, "/debian"):
			sites.Mirror = site
		case sites.Security == "" && strings.HasSuffix(site, "/debian-security"):
			sites.Security = site
		}
	}

	return sites
}
