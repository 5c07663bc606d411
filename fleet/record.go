package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/stack"
)

// ErrDomain means that the records of stack.yaml have no place.
var ErrDomain = errors.New("the domain cannot be used")

// addressRecord is the type of the records that a stack has: its addresses are of IPv4.
const addressRecord = "A"

// wantedRecord is a record as it would be made now.
type wantedRecord struct {
	name    string // below the domain's
	full    string
	to      string // what it points at, for people
	address string // "" while that has none
	ttl     int
}

// wantedRecords are those of stack.yaml, in its order.
func (f *Fleet) wantedRecords(balancers []godo.LoadBalancer) []wantedRecord {
	domain := f.Stack.Domain
	if domain == nil {
		return nil
	}

	var all []wantedRecord

	for _, record := range domain.Records {
		next := wantedRecord{
			name: record.Name,
			full: domain.FullName(record),
			ttl:  record.TTL,
		}
		next.to, next.address = f.recordTarget(balancers, record.To)

		all = append(all, next)
	}

	return all
}

// recordTarget is what a record points at, in words, and its address.
func (f *Fleet) recordTarget(
	balancers []godo.LoadBalancer,
	to string,
) (words, address string) {
	if to == stack.ToReservedIP {
		return "the reserved IP", f.Stack.ReservedIP.Address
	}

	name := to
	if to == stack.ToLoadBalancer {
		name = ""
	}

	balancer, _ := f.balancerNamed(balancers, name) // without an address while it is not there

	return "load balancer " + f.balancerName(name), balancer.IP
}

// domainRecords are all address records of the domain.
func (f *Fleet) domainRecords(ctx context.Context) ([]godo.DomainRecord, error) {
	name := f.Stack.Domain.Name

	all, err := do.DomainRecords(ctx, f.Client, name, addressRecord)
	if do.IsNotFound(err) {
		return nil, fmt.Errorf("%w: the account has no %s; add it at DigitalOcean, or by `doctl compute domain create "+
			"%s`, or correct domain.name in stack.yaml", ErrDomain, name, name)
	}

	return all, err
}

// readRecords reads both sides for a plan. A domain that cannot be used is told of, and nothing is compared.
func (f *Fleet) readRecords(
	ctx context.Context,
	w *wanted,
	balancers []godo.LoadBalancer,
) ([]wantedRecord, []godo.DomainRecord, error) {
	if f.Stack.Domain == nil {
		return nil, nil, nil
	}

	have, err := f.domainRecords(ctx)
	if errors.Is(err, ErrDomain) {
		w.unusable = append(w.unusable, unusable{
			kind:   KindRecord,
			name:   f.Stack.Domain.Name,
			reason: err.Error(),
		})

		return nil, nil, nil
	}

	return f.wantedRecords(balancers), have, err
}

// checkDomain looks whether the records have a place before anything is made.
func (f *Fleet) checkDomain(ctx context.Context) error {
	if f.Stack.Domain == nil {
		return nil
	}

	_, err := f.domainRecords(ctx)

	return err
}

// ensureRecords makes the names of stack.yaml point at the stack. It comes when the stack serves: visitors who come by
// them come from elsewhere until then.
func (f *Fleet) ensureRecords(ctx context.Context) error {
	if f.Stack.Domain == nil {
		return nil
	}

	balancers, err := f.balancers(ctx)
	if err != nil {
		return err
	}

	have, err := f.domainRecords(ctx)
	if err != nil {
		return err
	}

	for _, want := range f.wantedRecords(balancers) {
		if err := f.ensureRecord(ctx, want, recordsNamed(have, want.name)); err != nil {
			return err
		}
	}

	return nil
}

// ensureRecord makes the records of one name the one that is wanted. The first is changed, so that the name never has
// none; the others go.
func (f *Fleet) ensureRecord(
	ctx context.Context,
	want wantedRecord,
	is []godo.DomainRecord,
) error {
	if want.address == "" {
		return fmt.Errorf("point %s at %s: it has no address yet; run `hornero up` again", want.full, want.to)
	}

	reason := compareRecord(want, is)
	if reason == "" {
		return nil
	}

	domain := f.Stack.Domain.Name
	request := &godo.DomainRecordEditRequest{
		Type: addressRecord,
		Name: want.name,
		Data: want.address,
		TTL:  want.ttl,
	}

	var err error
	if len(is) == 0 {
		err = f.createRecord(ctx, request)
	} else {
		_, _, err = f.Client.Domains.EditRecord(ctx, domain, is[0].ID, request)
		is = is[1:]
	}

	if err != nil {
		return fmt.Errorf("point %s at %s: %w", want.full, want.address, err)
	}

	for _, record := range is {
		if err := f.deleteRecord(ctx, record); err != nil {
			return err
		}
	}

	f.progress("record %s points at %s (%s)", want.full, want.address, want.to)

	return nil
}

// destroyRecords deletes those of the names of stack.yaml that point at the stack. One that points elsewhere is in use
// by something else.
func (f *Fleet) destroyRecords(ctx context.Context) error {
	if f.Stack.Domain == nil {
		return nil
	}

	balancers, err := f.balancers(ctx)
	if err != nil {
		return err
	}

	have, err := f.domainRecords(ctx)
	if errors.Is(err, ErrDomain) {
		return nil // they went with it
	}

	if err != nil {
		return err
	}

	var errs []error

	for _, want := range f.wantedRecords(balancers) {
		for _, record := range recordsNamed(have, want.name) {
			if record.Data == want.address {
				errs = append(errs, f.deleteRecord(ctx, record))
			}
		}
	}

	return errors.Join(errs...)
}

func (f *Fleet) deleteRecord(ctx context.Context, record godo.DomainRecord) error {
	// Two operators may meet here.
	_, err := f.Client.Domains.DeleteRecord(ctx, f.Stack.Domain.Name, record.ID)
	if err != nil && !do.IsNotFound(err) {
		return fmt.Errorf("delete record %s: %w", record.Name, err)
	}

	return nil
}

// recordsNamed are the records of a name below the domain's, the eldest first.
func recordsNamed(records []godo.DomainRecord, name string) []godo.DomainRecord {
	named := slices.DeleteFunc(slices.Clone(records), func(record godo.DomainRecord) bool {
		return record.Name != name
	})
	slices.SortFunc(named, func(a, b godo.DomainRecord) int {
		return cmp.Compare(a.ID, b.ID)
	})

	return named
}

// compareRecord tells what is otherwise; "" for nothing.
func compareRecord(want wantedRecord, is []godo.DomainRecord) string {
	if len(is) == 0 {
		return "it is not there"
	}

	var addresses, lives []string
	for _, record := range is {
		addresses = append(addresses, record.Data)
		lives = append(lives, strconv.Itoa(record.TTL)+" s")
	}

	var reasons []string

	if points := strings.Join(addresses, ", "); points != want.address {
		reasons = append(reasons, changed(
			"address",
			points,
			cmp.Or(want.address, "that of "+want.to),
		))
	}

	from := strings.Join(set(lives), ", ")
	to := strconv.Itoa(want.ttl) + " s"

	if from != to {
		reasons = append(reasons, changed("ttl", from, to))
	}

	return strings.Join(reasons, "; ")
}

func compareRecords(want wanted, have found) []Difference {
	var all []Difference

	for _, record := range want.records {
		is := recordsNamed(have.records, record.name)
		reason := compareRecord(record, is)

		if reason == "" {
			continue
		}

		one := Difference{
			Kind:   KindRecord,
			Name:   record.full,
			Action: ActionChange,
			Reason: reason,
			By:     up,
		}
		if len(is) == 0 {
			one.Action = ActionCreate
		}

		all = append(all, one)
	}

	return all
}
