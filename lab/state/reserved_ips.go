package state

import (
	"net/netip"
	"time"
)

// ReservedIP is a public address that is moved from Droplet to Droplet.
type ReservedIP struct {
	Address   netip.Addr `json:"address"`
	Region    string     `json:"region"`
	DropletID int        `json:"droplet_id"` // 0 when it is free
	ProjectID string     `json:"project_id"`
	Locked    bool       `json:"locked"`
	Created   time.Time  `json:"created"`
}

// ReservedIP finds a reserved IP; nil when there is none.
func (d *Document) ReservedIP(address netip.Addr) *ReservedIP {
	return find(d.ReservedIPs, func(x *ReservedIP) bool { return x.Address == address })
}

// ReservedIPOf finds the reserved IP of a Droplet; nil when it has none.
func (d *Document) ReservedIPOf(droplet int) *ReservedIP {
	return find(d.ReservedIPs, func(x *ReservedIP) bool {
		return x.DropletID == droplet && droplet != 0
	})
}
