package haproxy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// sitesFrontend is where an edge's visitors come in.
const sitesFrontend = "sites"

// sitePrefix begins the names of an edge's backends; the site's first name follows.
const sitePrefix = "site-"

// canaryPart ends the name of a backend that has the canaries of a site alone, for those who ask for them. Before the
// name of a group that is a variant of a site a colon stands, too.
const (
	canaryPart  = "::canary"
	variantMark = ":"
)

// isCanary tells whether a node was given a share of its role's visitors.
func isCanary(peer peerset.Peer) bool {
	share, _ := strconv.Atoi(peer.Facts[peerset.FactShare])
	return share > 0
}

// siteWeight is what a server of a site weighs in the configuration.
const siteWeight = 100

// sharesOf are the weights of the servers of an edge's sites, by server. Canaries together get the part of the visitors
// that they report; never more than as many other nodes would.
func sharesOf(servers []Server, roles Roles, snapshot peerset.Snapshot) map[string]int {
	type site struct{ others, canaries int }

	sites := map[string]site{}
	shares := map[string]int{}

	for _, server := range servers {
		peer, _ := snapshot.Peer(server.Name)
		if !strings.HasPrefix(server.Backend, sitePrefix) || !wanted(server, roles, snapshot).reader {
			continue
		}

		share, _ := strconv.Atoi(peer.Facts[peerset.FactShare])
		shares[server.id()] = share
		one := sites[server.Backend]

		switch {
		case !peer.Healthy:
		case share > 0:
			one.canaries++
		default:
			one.others++
		}

		sites[server.Backend] = one
	}

	weights := map[string]int{}

	for _, server := range servers {
		share, is := shares[server.id()]
		if !is {
			continue
		}

		weights[server.id()] = siteWeight
		one := sites[server.Backend]

		// Alone they get all.
		if share > 0 && one.others > 0 {
			part := siteWeight * one.others * share / ((100 - min(share, 99)) * max(one.canaries, 1))
			weights[server.id()] = min(max(part, 1), siteWeight)
		}
	}

	return weights
}

// edgeStatus tells how an edge is. It serves as soon as its process runs: a site without nodes has a page that says so,
// and another edge would have no more.
func edgeStatus(servers []Server) Status {
	serves := map[string]bool{}

	for _, server := range servers {
		open := server.Up && !server.Maintenance
		serves[server.Backend] = serves[server.Backend] || open
	}

	var without []string

	sites := 0

	for backend, some := range serves {
		if !strings.Contains(backend, variantMark) {
			sites++
		}

		// That there is no canary is as it should be.
		if !some && !strings.HasSuffix(backend, canaryPart) {
			without = append(without, strings.TrimPrefix(backend, sitePrefix))
		}
	}

	slices.Sort(without)

	status := Status{State: StateServing, Healthy: true}

	switch {
	case len(without) > 0:
		status.Reason = "no node serves " + strings.Join(without, ", ")
	default:
		status.Reason = fmt.Sprintf("serves all sites (%d)", sites)
	}

	return status
}
