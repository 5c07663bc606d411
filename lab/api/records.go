package api

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/hornero/hornero/lab/state"
)

// recordRequest is a record as it is sent: what is left out, or null, is not changed.
type recordRequest struct {
	Type     string  `json:"type"`
	Name     string  `json:"name"`
	Data     string  `json:"data"`
	Priority *int    `json:"priority"`
	Port     *int    `json:"port"`
	TTL      int     `json:"ttl"`
	Weight   *int    `json:"weight"`
	Flags    *int    `json:"flags"`
	Tag      *string `json:"tag"`
}

// apply changes a record to what the request says, and checks the result.
func (b *recordRequest) apply(domain *state.Domain, record state.Record) (state.Record, error) {
	set(&record.Type, strings.ToUpper(b.Type))
	set(&record.Name, strings.TrimSuffix(strings.ToLower(b.Name), "."))
	set(&record.Data, b.Data)
	setPointer(&record.Priority, b.Priority)
	setPointer(&record.Port, b.Port)
	setPointer(&record.Weight, b.Weight)
	setPointer(&record.Flags, b.Flags)

	if b.Tag != nil && *b.Tag != "" {
		record.Tag = b.Tag
	}

	// godo sends 0 for a TTL that was not given
	if b.TTL != 0 {
		record.TTL = b.TTL
	}

	// DigitalOcean shows names of hosts without the last dot; Terraform adds it again
	if record.NamesHost() && record.Data != "@" {
		record.Data = strings.TrimSuffix(record.Data, ".")
	}

	// the domain's own name is shown as @
	if record.Name == domain.Name || record.Name == "" {
		record.Name = "@"
	}

	record.Name = strings.TrimSuffix(record.Name, "."+domain.Name)
	onlyItsOwn(&record)

	return record, checkRecord(domain, record)
}

func setPointer(target **int, value *int) {
	if value != nil {
		*target = value
	}
}

// onlyItsOwn leaves a record the fields of its type: godo sends zeros for all of them.
func onlyItsOwn(record *state.Record) {
	if record.Type != "SRV" {
		record.Port, record.Weight = nil, nil
	}

	if record.Type != "SRV" && record.Type != "MX" {
		record.Priority = nil
	}

	if record.Type != "CAA" {
		record.Flags, record.Tag = nil, nil
	}
}

func checkRecord(domain *state.Domain, record state.Record) error {
	address, addressErr := netip.ParseAddr(record.Data)
	switch record.Type {
	case "A", "AAAA":
		if addressErr != nil || addressType(address) != record.Type {
			return invalid("Data needs to be a valid address for a record of type %s.", record.Type)
		}

	case "SRV":
		if record.Priority == nil || record.Port == nil || record.Weight == nil {
			return invalid("Priority, port and weight are needed for a record of type SRV.")
		}

	case "MX":
		if record.Priority == nil {
			return invalid("Priority can't be blank for a record of type MX.")
		}

	case "CAA":
		tags := []string{"issue", "issuewild", "iodef"}
		if record.Flags == nil || record.Tag == nil || !slices.Contains(tags, *record.Tag) {
			return invalid("Flags and a tag of issue, issuewild or iodef are needed for a record of type CAA.")
		}

	case "CNAME", "NS", "TXT":
	default:
		return invalid("Type needs to be one of A, AAAA, CAA, CNAME, MX, NS, SRV, TXT.")
	}

	return checkRecordValues(domain, record)
}

func checkRecordValues(domain *state.Domain, record state.Record) error {
	numbers := []struct {
		name  string
		value *int
		most  int
	}{
		{name: "Priority", value: record.Priority, most: maxPort},
		{name: "Port", value: record.Port, most: maxPort},
		{name: "Weight", value: record.Weight, most: maxPort},
		{name: "Flags", value: record.Flags, most: 255},
	}

	for _, number := range numbers {
		if number.value != nil && (*number.value < 0 || *number.value > number.most) {
			return invalid("%s needs to be between 0 and %d.", number.name, number.most)
		}
	}

	switch {
	case record.Data == "":
		return invalid("Data can't be blank.")
	case record.TTL < minRecordTTL:
		return invalid("TTL needs to be at least %d seconds.", minRecordTTL)
	case !validName(record.Name, "-_.@*"):
		return invalid("Name is not valid.")
	}

	// a CNAME stands alone at its name (RFC 1034)
	shared := slices.ContainsFunc(domain.Records, func(x state.Record) bool {
		alias := x.Type == "CNAME" || record.Type == "CNAME"
		return alias && x.ID != record.ID && x.Name == record.Name
	})
	if shared {
		return invalid("CNAME records cannot share a name with other records")
	}

	return nil
}

func (z *zones) listRecords(r *http.Request) (*reply, error) {
	domain, err := domainIn(r, z.store.View())
	if err != nil {
		return nil, err
	}

	query := r.URL.Query()
	kind := query.Get("type")

	// the filter takes the full name, as in db.example.com
	name := strings.TrimSuffix(strings.ToLower(query.Get("name")), ".")
	shown := []state.Record{}

	for _, record := range domain.Records {
		kindFits := kind == "" || strings.EqualFold(kind, record.Type)
		nameFits := name == "" || name == domain.FullName(record.Name)

		if kindFits && nameFits {
			shown = append(shown, record)
		}
	}

	return list(r, "domain_records", shown), nil
}

// recordIn finds the record in the path, as its place in the domain's list.
func recordIn(r *http.Request, domain *state.Domain) (int, error) {
	id, err := number(r, "record")
	if err != nil {
		return 0, err
	}

	i := slices.IndexFunc(domain.Records, func(x state.Record) bool { return x.ID == id })
	if i < 0 {
		return 0, notFound()
	}

	return i, nil
}

func (z *zones) getRecord(r *http.Request) (*reply, error) {
	domain, err := domainIn(r, z.store.View())
	if err != nil {
		return nil, err
	}

	i, err := recordIn(r, domain)
	if err != nil {
		return nil, err
	}

	return one(http.StatusOK, "domain_record", domain.Records[i]), nil
}

func (z *zones) createRecord(r *http.Request) (*reply, error) {
	var body recordRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	var made state.Record
	err := z.store.Update(func(d *state.Document) error {
		domain, err := domainIn(r, d)
		if err != nil {
			return err
		}

		fresh := state.Record{
			ID:  d.NextID(),
			TTL: domainTTL,
		}

		made, err = body.apply(domain, fresh)
		if err != nil {
			return err
		}

		domain.Records = append(domain.Records, made)

		return nil
	})
	if err != nil {
		return nil, err
	}

	return one(http.StatusCreated, "domain_record", made), nil
}

func (z *zones) updateRecord(r *http.Request) (*reply, error) {
	var body recordRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	var changed state.Record
	err := z.store.Update(func(d *state.Document) error {
		domain, err := domainIn(r, d)
		if err != nil {
			return err
		}

		i, err := recordIn(r, domain)
		if err != nil {
			return err
		}

		// clients send the type along, though it can't change
		if body.Type != "" && !strings.EqualFold(body.Type, domain.Records[i].Type) {
			return invalid("A record's type can't be changed.")
		}

		changed, err = body.apply(domain, domain.Records[i])
		domain.Records[i] = changed

		return err
	})
	if err != nil {
		return nil, err
	}

	return one(http.StatusOK, "domain_record", changed), nil
}

func (z *zones) deleteRecord(r *http.Request) (*reply, error) {
	return noContent(), z.store.Update(func(d *state.Document) error {
		domain, err := domainIn(r, d)
		if err != nil {
			return err
		}

		i, err := recordIn(r, domain)
		if err != nil {
			return err
		}

		domain.Records = slices.Delete(domain.Records, i, i+1)

		return nil
	})
}
