package state

import (
	"time"
)

// Domain is a DNS zone.
type Domain struct {
	Name    string    `json:"name"`
	TTL     int       `json:"ttl"` // seconds
	Created time.Time `json:"created"`
	Records []Record  `json:"records"`
}

// Record is one record of a domain. What does not apply to its type is nil.
type Record struct {
	ID       int     `json:"id"`
	Type     string  `json:"type"`
	Name     string  `json:"name"`
	Data     string  `json:"data"`
	Priority *int    `json:"priority"`
	Port     *int    `json:"port"`
	TTL      int     `json:"ttl"` // seconds
	Weight   *int    `json:"weight"`
	Flags    *int    `json:"flags"`
	Tag      *string `json:"tag"`
}

// Domain finds a domain; nil when there is none.
func (d *Document) Domain(name string) *Domain {
	return find(d.Domains, func(x *Domain) bool { return x.Name == name })
}
