package stack

import "cmp"

// DefaultRecordTTL keeps a visitor from asking for an address that is gone for long.
const DefaultRecordTTL = 300

// What a record may point at besides a load balancer by its name.
const (
	ToLoadBalancer = "load_balancer" // the short form of one
	ToReservedIP   = "reserved_ip"
)

// Domain is a domain of the account, and the records of it that are the stack's.
type Domain struct {
	Name    string   `yaml:"name"`
	Records []Record `yaml:"records"`
}

// Record gives a name of the domain the address of something of the stack.
type Record struct {
	Name string `yaml:"name"` // below the domain's; "@" is the domain's own
	// To is a load balancer by its name, ToLoadBalancer or ToReservedIP.
	To  string `yaml:"to"`
	TTL int    `yaml:"ttl"` // seconds
}

// FullName is the name of a record with the domain's.
func (d Domain) FullName(record Record) string {
	if record.Name == "@" {
		return d.Name
	}

	return record.Name + "." + d.Name
}

// usualTarget is what a record points at that does not say; "" where the stack has nothing in public.
func (s *Stack) usualTarget() string {
	switch balancers := s.AllBalancers(); {
	case len(balancers) > 0:
		return cmp.Or(balancers[0].Name, ToLoadBalancer)
	case s.ReservedIP != nil:
		return ToReservedIP
	}

	return ""
}

// targets are what a record can point at.
func (s *Stack) targets() []string {
	var all []string

	for _, balancer := range s.AllBalancers() {
		all = append(all, cmp.Or(balancer.Name, ToLoadBalancer))
	}

	if s.ReservedIP != nil {
		all = append(all, ToReservedIP)
	}

	return all
}

// completeDomain fills in the defaults of records.
func (s *Stack) completeDomain() {
	if s.Domain == nil {
		return
	}

	for i := range s.Domain.Records {
		record := &s.Domain.Records[i]
		record.To = cmp.Or(record.To, s.usualTarget())
		record.TTL = cmp.Or(record.TTL, DefaultRecordTTL)
	}
}
