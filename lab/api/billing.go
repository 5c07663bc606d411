package api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/hornero/hornero/lab/state"
)

// What things cost in US dollars a month beside a Droplet's size: DigitalOcean's published prices of 2026.
const (
	volumePrice   = 0.10 // for a GB
	snapshotPrice = 0.06 // for a GB
	balancerPrice = 12.0 // for a node
	reservedPrice = 5.0  // while it is assigned to no Droplet
	monthHours    = 672  // what a month is billed for at most, by the hour
)

func (s *Server) billingRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/customers/my/balance":                                 s.getBalance,
		"GET /v2/customers/my/billing_history":                         s.listBilling,
		"GET /v2/customers/my/invoices":                                s.listInvoices,
		"GET /v2/droplets/{droplet}/destroy_with_associated_resources": s.listAssociated,
	}
}

// getBalance adds up what there is now, from its beginning or the month's. What is gone is not counted: nobody pays.
func (s *Server) getBalance(*http.Request) (*reply, error) {
	d := s.Store.View()
	now := s.now()
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	usage := 0.0

	add := func(monthly float64, since time.Time) {
		// the balance is that of the current month
		if since.Before(month) {
			since = month
		}

		// an hour costs a 672th of a month, and no month costs more than its price
		usage += monthly * min(1, now.Sub(since).Hours()/monthHours)
	}

	for _, droplet := range d.Droplets {
		size, _ := findSize(droplet.Size)
		add(size.PriceMonthly*(1+backupsShare(droplet)), droplet.Created)
	}

	for _, balancer := range d.LoadBalancers {
		add(balancerPrice*float64(max(balancer.SizeUnit, 1)), balancer.Created)
	}

	for _, volume := range d.Volumes {
		add(volumePrice*float64(volume.Size), volume.Created)
	}

	for _, image := range d.Images {
		// base images are DigitalOcean's own, and free
		if image.Type != state.ImageBase {
			add(snapshotPrice*gigabytes(image.Bytes), image.Created)
		}
	}

	return &reply{
		status: http.StatusOK,
		body: map[string]any{
			"month_to_date_balance": dollars(usage),
			"account_balance":       dollars(0),
			"month_to_date_usage":   dollars(usage),
			"generated_at":          showTime(now),
		},
	}, nil
}

// backupsShare is what backups of a Droplet cost, as a share of its price: DigitalOcean's published prices of 2026.
func backupsShare(droplet state.Droplet) float64 {
	switch {
	case !hasBackups(droplet):
		return 0
	case droplet.BackupPolicy.Plan == planWeekly:
		return 0.2
	}

	return 0.3
}

func dollars(amount float64) string {
	return strconv.FormatFloat(amount, 'f', 2, 64)
}

func (s *Server) listBilling(r *http.Request) (*reply, error) {
	return list(r, "billing_history", []struct{}{}), nil
}

func (s *Server) listInvoices(r *http.Request) (*reply, error) {
	return list(r, "invoices", []struct{}{}), nil
}

// associatedShape is something that goes on costing money when its Droplet is gone.
type associatedShape struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Cost string `json:"cost"` // US dollars a month
}

func (s *Server) listAssociated(r *http.Request) (*reply, error) {
	droplet, err := s.dropletIn(r)
	if err != nil {
		return nil, err
	}

	d := s.Store.View()

	// clients want an empty list, never null or none at all
	all := map[string][]associatedShape{
		"reserved_ips":     {},
		"floating_ips":     {},
		"snapshots":        {},
		"volumes":          {},
		"volume_snapshots": {},
	}

	add := func(key, id, name string, cost float64) {
		all[key] = append(all[key], associatedShape{
			ID:   id,
			Name: name,
			Cost: dollars(cost),
		})
	}

	if held := d.ReservedIPOf(droplet.ID); held != nil {
		address := held.Address.String()
		add("reserved_ips", address, address, reservedPrice)
		add("floating_ips", address, address, reservedPrice) // the old name of the same
	}

	for _, image := range d.Images {
		if image.DropletID == droplet.ID {
			add("snapshots", fmt.Sprint(image.ID), image.Name, snapshotPrice*gigabytes(image.Bytes))
		}
	}

	// a snapshot of a volume does not name the Droplet, only its volume
	own := map[string]bool{}
	for _, volume := range d.Volumes {
		if volume.DropletID == droplet.ID {
			own[volume.ID] = true
			add("volumes", volume.ID, volume.Name, volumePrice*float64(volume.Size))
		}
	}

	for _, snapshot := range d.VolumeSnapshots {
		if own[snapshot.VolumeID] {
			add("volume_snapshots", snapshot.ID, snapshot.Name, snapshotPrice*gigabytes(snapshot.Bytes))
		}
	}

	return &reply{
		status: http.StatusOK,
		body:   all,
	}, nil
}
