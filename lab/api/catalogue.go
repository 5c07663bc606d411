package api

import (
	"net/http"
	"slices"
	"sync"

	"github.com/hornero/hornero/lab/state"
)

func (s *Server) accountRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/account": s.getAccount,
	}
}

func (s *Server) catalogueRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/regions": s.listRegions,
		"GET /v2/sizes":   s.listSizes,
	}
}

type region struct {
	Name      string   `json:"name"`
	Slug      string   `json:"slug"`
	Features  []string `json:"features"`
	Available bool     `json:"available"`
	Sizes     []string `json:"sizes"`
}

type size struct {
	Slug         string   `json:"slug"`
	Memory       int      `json:"memory"` // MB
	VCPUs        int      `json:"vcpus"`
	Disk         int      `json:"disk"` // GB
	Transfer     float64  `json:"transfer"`
	PriceMonthly float64  `json:"price_monthly"`
	PriceHourly  float64  `json:"price_hourly"`
	Regions      []string `json:"regions"`
	Available    bool     `json:"available"`
	Description  string   `json:"description"`
}

func regionNames() [][2]string {
	return [][2]string{
		{"ams3", "Amsterdam 3"}, {"blr1", "Bangalore 1"}, {"fra1", "Frankfurt 1"}, {"lon1", "London 1"},
		{"nyc1", "New York 1"}, {"nyc2", "New York 2"}, {"nyc3", "New York 3"}, {"sfo2", "San Francisco 2"},
		{"sfo3", "San Francisco 3"}, {"sgp1", "Singapore 1"}, {"syd1", "Sydney 1"}, {"tor1", "Toronto 1"},
	}
}

// Regions names the lab's regions.
func Regions() []string {
	slugs := []string{}
	for _, name := range regionNames() {
		slugs = append(slugs, name[0])
	}

	return slugs
}

// regions are made once: each answer with a Droplet in it shows one.
var regions = sync.OnceValue(func() []region {
	slugs := []string{}
	for _, size := range sizes() {
		slugs = append(slugs, size.Slug)
	}

	all := []region{}

	for _, name := range regionNames() {
		all = append(all, region{
			Name:      name[1],
			Slug:      name[0],
			Available: true,
			Sizes:     slugs,
			Features:  []string{"backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"},
		})
	}

	return all
})

var sizes = sync.OnceValue(func() []size {
	named := func(family, slug string, memory, vcpus, disk int, transfer, monthly, hourly float64) size {
		return size{
			Slug:         slug,
			Memory:       memory,
			VCPUs:        vcpus,
			Disk:         disk,
			Transfer:     transfer,
			PriceMonthly: monthly,
			PriceHourly:  hourly,
			Regions:      Regions(),
			Available:    true,
			Description:  family,
		}
	}

	basic := func(slug string, memory, vcpus, disk int, transfer, monthly, hourly float64) size {
		return named("Basic", slug, memory, vcpus, disk, transfer, monthly, hourly)
	}

	return []size{
		basic("s-1vcpu-512mb-10gb", 512, 1, 10, 0.5, 4, 0.00595),
		basic("s-1vcpu-1gb", 1024, 1, 25, 1, 6, 0.00893),
		basic("s-1vcpu-2gb", 2048, 1, 50, 2, 12, 0.01786),
		basic("s-2vcpu-2gb", 2048, 2, 60, 3, 18, 0.02679),
		basic("s-2vcpu-4gb", 4096, 2, 80, 4, 24, 0.03571),
		basic("s-4vcpu-8gb", 8192, 4, 160, 5, 48, 0.07143),
		basic("s-8vcpu-16gb", 16384, 8, 320, 6, 96, 0.14286),
		named("General Purpose", "g-2vcpu-8gb", 8192, 2, 25, 4, 63, 0.09375),
		named("CPU-Optimized", "c-2", 4096, 2, 25, 4, 42, 0.0625),
		named("CPU-Optimized", "c-4", 8192, 4, 50, 5, 84, 0.125),
		named("Memory-Optimized", "m-2vcpu-16gb", 16384, 2, 50, 4, 84, 0.125),
	}
})

func findRegion(slug string) (region, bool) {
	all := regions()
	i := slices.IndexFunc(all, func(r region) bool { return r.Slug == slug })
	if i < 0 {
		return region{}, false
	}

	return all[i], true
}

func findSize(slug string) (size, bool) {
	all := sizes()
	i := slices.IndexFunc(all, func(s size) bool { return s.Slug == slug })
	if i < 0 {
		return size{}, false
	}

	return all[i], true
}

// BaseImages are the images that the lab has from the start, as a new state holds them.
func BaseImages() []state.Image {
	base := func(id int, slug, name string) state.Image {
		return state.Image{
			ID:           id,
			Slug:         slug,
			Name:         name,
			Distribution: "Debian",
			Description:  name,
			Type:         state.ImageBase,
			Regions:      Regions(),
			MinDisk:      7,
			Tags:         []string{},
			Status:       "available",
			Root:         slug,
		}
	}

	return []state.Image{
		base(13001, "debian-13-x64", "13 x64"),
		base(12001, "debian-12-x64", "12 x64"),
	}
}

func (s *Server) listRegions(r *http.Request) (*reply, error) {
	return list(r, "regions", regions()), nil
}

func (s *Server) listSizes(r *http.Request) (*reply, error) {
	return list(r, "sizes", sizes()), nil
}

// dropletLimit is how many Droplets the account may have: far more than a laptop can run.
const dropletLimit = 100

func (s *Server) getAccount(*http.Request) (*reply, error) {
	team := map[string]string{
		"uuid": "5b1ab000-0000-4000-8000-000000000002",
		"name": "Hornero lab",
	}

	return one(http.StatusOK, "account", map[string]any{
		"droplet_limit":     dropletLimit,
		"floating_ip_limit": maxReservedIPs,
		"reserved_ip_limit": maxReservedIPs,
		"volume_limit":      maxVolumes,
		"email":             "lab@hornero.invalid",
		"name":              "Hornero lab",
		"uuid":              ownerUUID,
		"email_verified":    true,
		"status":            "active",
		"status_message":    "",
		"team":              team,
	}), nil
}
