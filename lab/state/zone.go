package state

import (
	"fmt"
	"slices"
	"strings"
)

// NamesHost tells whether a record's data is the name of a host, and may end with a dot that is not shown again.
func (r Record) NamesHost() bool {
	return slices.Contains([]string{"CNAME", "MX", "NS", "SRV", "CAA"}, r.Type)
}

// FullName is a record's name with its domain's.
func (d Domain) FullName(name string) string {
	if name == "@" {
		return d.Name
	}

	return name + "." + d.Name
}

// ZoneFile is the zone as RFC 1035 writes it.
func (d Domain) ZoneFile() string {
	var text strings.Builder

	fmt.Fprintf(&text, "$ORIGIN %s.\n$TTL %d\n%s\n", d.Name, d.TTL, d.ZoneStart())

	for _, record := range d.Records {
		text.WriteString(d.ZoneLine(record) + "\n")
	}

	return text.String()
}

// ZoneStart is the zone's first record.
func (d Domain) ZoneStart() string {
	return fmt.Sprintf(
		"%s. IN SOA ns1.digitalocean.com. hostmaster.%s. %d 10800 3600 604800 1800",
		d.Name,
		d.Name,
		d.Created.Unix(),
	)
}

// ZoneLine is a record as the zone has it.
func (d Domain) ZoneLine(record Record) string {
	owner := d.FullName(record.Name)
	data := d.zoneData(record)

	return fmt.Sprintf("%s. %d IN %s %s", owner, record.TTL, record.Type, data)
}

// zoneData is the data of a record as a zone has it: names of hosts end with a dot there.
func (d Domain) zoneData(record Record) string {
	switch record.Type {
	case "CNAME", "NS":
		return d.host(record.Data)
	case "MX":
		return fmt.Sprintf("%d %s", *record.Priority, d.host(record.Data))
	case "SRV":
		return fmt.Sprintf("%d %d %d %s", *record.Priority, *record.Weight, *record.Port, d.host(record.Data))
	case "CAA":
		return fmt.Sprintf("%d %s %s", *record.Flags, *record.Tag, quoted(record.Data))
	case "TXT":
		return quoted(record.Data)
	}

	return record.Data
}

// host is a host that a record names. The API shows it without the last dot: a name without any dot is below the
// domain.
func (d Domain) host(name string) string {
	if !strings.Contains(name, ".") {
		name = d.FullName(name)
	}

	return name + "."
}

// quoted is a text as RFC 1035, 5.1 quotes it.
func quoted(text string) string {
	var all strings.Builder

	all.WriteByte('"')

	for _, letter := range []byte(text) {
		switch {
		case letter == '"' || letter == '\\':
			all.WriteByte('\\')
			all.WriteByte(letter)

		case letter < ' ' || letter > '~':
			fmt.Fprintf(&all, `\%03d`, letter)

		default:
			all.WriteByte(letter)
		}
	}

	all.WriteByte('"')

	return all.String()
}
