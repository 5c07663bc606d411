package fleet

import (
	"slices"

	"github.com/digitalocean/godo"
)

// balancerMonthly is what one unit of a load balancer costs a month, in dollars. The API has no price of it:
// https://www.digitalocean.com/pricing/load-balancers, looked at in 2025.
const balancerMonthly = 12

// backupsShare is what weekly backups of a Droplet cost, as a share of its price. The API has no price of them:
// https://www.digitalocean.com/pricing/backups, looked at in 2025.
const backupsShare = 0.2

// Price is what a stack costs a month, in dollars, without traffic, images, Spaces and taxes. It is about right: the
// API tells the prices of Droplets only.
type Price struct {
	Now   float64 `json:"monthly_now"`
	After float64 `json:"monthly_after"`
	// Unknown are sizes whose price the API does not tell.
	Unknown []string `json:"unknown,omitempty"`
}

// priceOf sums up what is there and what is wanted. A roll that stands is paid for in both.
func priceOf(want wanted, have found, sizes []godo.Size) Price {
	var price Price
	monthly := map[string]float64{}

	for _, size := range sizes {
		monthly[size.Slug] = size.PriceMonthly
	}

	costs := func(size string, backups bool) float64 {
		cost, known := monthly[size]
		if !known && !slices.Contains(price.Unknown, size) {
			price.Unknown = append(price.Unknown, size)
		}

		if backups {
			cost += cost * backupsShare
		}

		return cost
	}

	for _, m := range append(have.members[:len(have.members):len(have.members)], have.surplus...) {
		cost := costs(m.Droplet.SizeSlug, m.has(featureBackups))
		price.Now += cost

		if m.Extra != "" && m.Extra != StrategyRolling {
			price.After += cost
		}
	}

	for _, node := range want.nodes {
		price.After += costs(node.Size, node.Backups)
	}

	for _, balancer := range have.balancers {
		price.Now += balancerMonthly * float64(unitsOf(balancer.AsRequest()))
	}

	for _, b := range want.balancers {
		price.After += balancerMonthly * float64(unitsOf(b.request))
	}

	return price
}
