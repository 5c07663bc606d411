package api_test

import (
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func TestDomains(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	made, answer, err := w.Domains.Create(ctx, &godo.DomainCreateRequest{
		Name:      "Example.com",
		IPAddress: "203.0.113.7",
	})
	require.NoError(t, err)
	require.Equal(t, 201, answer.StatusCode)
	require.Equal(t, godo.Domain{Name: "example.com"}, *made, "ttl and zone_file come later")

	domain, _, err := w.Domains.Get(ctx, "example.com")
	require.NoError(t, err)
	require.Equal(t, 1800, domain.TTL)
	require.Contains(t, domain.ZoneFile, "example.com. 1800 IN A 203.0.113.7")

	records, _, err := w.Domains.Records(ctx, "example.com", nil)
	require.NoError(t, err)
	require.Len(t, records, 4)
	require.Equal(t, []string{"NS", "NS", "NS", "A"}, []string{
		records[0].Type, records[1].Type, records[2].Type, records[3].Type,
	})

	_, _, err = w.Domains.Create(ctx, &godo.DomainCreateRequest{Name: "example.com"})
	refused(t, err, 422, "name already exists")

	_, _, err = w.Domains.Create(ctx, &godo.DomainCreateRequest{Name: "no dots"})
	refused(t, err, 422, "valid hostname characters")

	_, err = w.Domains.Delete(ctx, "example.com")
	require.NoError(t, err)

	_, err = w.Domains.Delete(ctx, "example.com")
	refused(t, err, 404, "could not be found")
}

func TestRecords(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, _, err := w.Domains.Create(ctx, &godo.DomainCreateRequest{Name: "example.com"})
	require.NoError(t, err)

	for _, c := range []struct {
		name string
		sent godo.DomainRecordEditRequest
		data string // as it comes back; empty when it is refused
		why  string
	}{
		{
			name: "A",
			sent: godo.DomainRecordEditRequest{
				Type: "A",
				Name: "www",
				Data: "203.0.113.7",
			},
			data: "203.0.113.7",
		},
		{
			name: "A is no host",
			sent: godo.DomainRecordEditRequest{
				Type: "A",
				Name: "w",
				Data: "example.com.",
			},
			why: "valid address",
		},
		{
			name: "A is no IPv6",
			sent: godo.DomainRecordEditRequest{
				Type: "A",
				Name: "w",
				Data: "2001:db8::1",
			},
			why: "valid address",
		},
		{
			name: "AAAA",
			sent: godo.DomainRecordEditRequest{
				Type: "AAAA",
				Name: "www",
				Data: "2001:db8::1",
			},
			data: "2001:db8::1",
		},
		{
			name: "CNAME loses its dot",
			sent: godo.DomainRecordEditRequest{
				Type: "CNAME",
				Name: "shop",
				Data: "mail.example.org.",
			},
			data: "mail.example.org",
		},
		{
			name: "CNAME to the domain",
			sent: godo.DomainRecordEditRequest{
				Type: "CNAME",
				Name: "blog",
				Data: "@",
			},
			data: "@",
		},
		{
			name: "CNAME beside others",
			sent: godo.DomainRecordEditRequest{
				Type: "CNAME",
				Name: "www",
				Data: "@",
			},
			why: "cannot share a name",
		},
		{
			name: "MX",
			sent: godo.DomainRecordEditRequest{
				Type:     "MX",
				Name:     "@",
				Data:     "mail.example.com.",
				Priority: 10,
			},
			data: "mail.example.com",
		},
		{
			name: "SRV",
			sent: godo.DomainRecordEditRequest{
				Type:     "SRV",
				Name:     "_sip._tcp",
				Data:     "sip.example.com.",
				Priority: 1,
				Port:     5060,
				Weight:   2,
			},
			data: "sip.example.com",
		},
		{
			name: "SRV with a port too high",
			sent: godo.DomainRecordEditRequest{
				Type: "SRV",
				Name: "_sip._tcp",
				Data: "x.",
				Port: 65536,
			},
			why: "Port needs to be",
		},
		{
			name: "TXT",
			sent: godo.DomainRecordEditRequest{
				Type: "TXT",
				Name: "@",
				Data: "v=spf1 -all",
			},
			data: "v=spf1 -all",
		},
		{
			name: "CAA",
			sent: godo.DomainRecordEditRequest{
				Type: "CAA",
				Name: "@",
				Data: "letsencrypt.org.",
				Tag:  "issue",
			},
			data: "letsencrypt.org",
		},
		{
			name: "CAA of no known tag",
			sent: godo.DomainRecordEditRequest{
				Type: "CAA",
				Name: "@",
				Data: "x.",
				Tag:  "other",
			},
			why: "issuewild",
		},
		{
			name: "no such type",
			sent: godo.DomainRecordEditRequest{
				Type: "LOC",
				Name: "@",
				Data: "x",
			},
			why: "Type needs to be one of",
		},
		{
			name: "TTL too short",
			sent: godo.DomainRecordEditRequest{
				Type: "A",
				Name: "w",
				Data: "203.0.113.7",
				TTL:  5,
			},
			why: "TTL needs",
		},
		{
			name: "no data",
			sent: godo.DomainRecordEditRequest{
				Type: "TXT",
				Name: "w",
			},
			why: "Data can't be blank",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			record, answer, err := w.Domains.CreateRecord(ctx, "example.com", &c.sent)
			if c.data == "" {
				refused(t, err, 422, c.why)
				return
			}

			require.NoError(t, err)
			require.Equal(t, 201, answer.StatusCode)
			require.Equal(t, c.data, record.Data)

			got, _, err := w.Domains.Record(ctx, "example.com", record.ID)
			require.NoError(t, err)
			require.Equal(t, record, got)
		})
	}

	found, _, err := w.Domains.RecordsByTypeAndName(ctx,
		"example.com",
		"A",
		"www.example.com",
		nil,
	)
	require.NoError(t, err)
	require.Len(t, found, 1)

	edited, _, err := w.Domains.EditRecord(ctx,
		"example.com",
		found[0].ID,
		&godo.DomainRecordEditRequest{
			Type: "A",
			TTL:  60,
		},
	)
	require.NoError(t, err)
	require.Equal(t, "203.0.113.7", edited.Data, "what is not sent is not changed")
	require.Equal(t, 60, edited.TTL)

	status, body, _ := w.raw("GET", "/v2/domains/example.com/records?type=A", "")
	require.Equal(t, 200, status)

	require.Nil(t,
		body["domain_records"].([]any)[0].(map[string]any)["priority"],
		"null where it does not apply",
	)

	_, err = w.Domains.DeleteRecord(ctx, "example.com", edited.ID)
	require.NoError(t, err)

	_, _, err = w.Domains.Record(ctx, "example.com", edited.ID)
	refused(t, err, 404, "could not be found")
}
