package haproxy

import (
	"fmt"
	"slices"
	"strings"
)

// sitesFrontend is where an edge's visitors come in.
const sitesFrontend = "sites"

// sitePrefix begins the names of an edge's backends; the site's first name follows.
const sitePrefix = "site-"

// edgeStatus tells how an edge is. It serves as soon as its process runs: a site without nodes has a page that says so,
// and another edge would have no more.
func edgeStatus(servers []Server) Status {
	serves := map[string]bool{}

	for _, server := range servers {
		open := server.Up && !server.Maintenance
		serves[server.Backend] = serves[server.Backend] || open
	}

	var without []string

	for backend, some := range serves {
		if !some {
			without = append(without, strings.TrimPrefix(backend, sitePrefix))
		}
	}

	slices.Sort(without)

	status := Status{State: StateServing, Healthy: true}

	switch {
	case len(without) > 0:
		status.Reason = "no node serves " + strings.Join(without, ", ")
	default:
		status.Reason = fmt.Sprintf("serves all sites (%d)", len(serves))
	}

	return status
}
