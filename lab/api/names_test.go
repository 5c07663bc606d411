package api_test

import (
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func TestDomains(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	made, answer, err := w.client.Domains.Create(ctx, &godo.DomainCreateRequest{Name: "Example.com", IPAddress: "203.0.113.7"})
	require.NoError(t, err)
	require.Equal(t, 201, answer.StatusCode)
	require.Equal(t, godo.Domain{Name: "example.com"}, *made, "ttl and zone_file come later")

	domain, _, err := w.client.Domains.Get(ctx, "example.com")
	require.NoError(t, err)
	require.Equal(t, 1800, domain.TTL)
	require.Contains(t, domain.ZoneFile, "example.com. 1800 IN A 203.0.113.7")

	records, _, err := w.client.Domains.Records(ctx, "example.com", nil)
	require.NoError(t, err)
	require.Len(t, records, 4)
	require.Equal(t, []string{"NS", "NS", "NS", "A"}, []string{
		records[0].Type, records[1].Type, records[2].Type, records[3].Type,
	})

	_, _, err = w.client.Domains.Create(ctx, &godo.DomainCreateRequest{Name: "example.com"})
	refused(t, err, 422, "name already exists")

	_, _, err = w.client.Domains.Create(ctx, &godo.DomainCreateRequest{Name: "no dots"})
	refused(t, err, 422, "valid hostname characters")

	_, err = w.client.Domains.Delete(ctx, "example.com")
	require.NoError(t, err)

	_, err = w.client.Domains.Delete(ctx, "example.com")
	refused(t, err, 404, "could not be found")
}

func TestRecords(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, _, err := w.client.Domains.Create(ctx, &godo.DomainCreateRequest{Name: "example.com"})
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
			why:  "",
		},
		{
			name: "A is no host",
			sent: godo.DomainRecordEditRequest{
				Type: "A",
				Name: "w",
				Data: "example.com.",
			},
			data: "",
			why:  "valid address",
		},
		{
			name: "A is no IPv6",
			sent: godo.DomainRecordEditRequest{
				Type: "A",
				Name: "w",
				Data: "2001:db8::1",
			},
			data: "",
			why:  "valid address",
		},
		{
			name: "AAAA",
			sent: godo.DomainRecordEditRequest{
				Type: "AAAA",
				Name: "www",
				Data: "2001:db8::1",
			},
			data: "2001:db8::1",
			why:  "",
		},
		{
			name: "CNAME loses its dot",
			sent: godo.DomainRecordEditRequest{
				Type: "CNAME",
				Name: "shop",
				Data: "mail.example.org.",
			},
			data: "mail.example.org",
			why:  "",
		},
		{
			name: "CNAME to the domain",
			sent: godo.DomainRecordEditRequest{
				Type: "CNAME",
				Name: "blog",
				Data: "@",
			},
			data: "@",
			why:  "",
		},
		{
			name: "CNAME beside others",
			sent: godo.DomainRecordEditRequest{
				Type: "CNAME",
				Name: "www",
				Data: "@",
			},
			data: "",
			why:  "cannot share a name",
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
			why:  "",
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
			why:  "",
		},
		{
			name: "SRV with a port too high",
			sent: godo.DomainRecordEditRequest{
				Type: "SRV",
				Name: "_sip._tcp",
				Data: "x.",
				Port: 65536,
			},
			data: "",
			why:  "Port needs to be",
		},
		{
			name: "TXT",
			sent: godo.DomainRecordEditRequest{
				Type: "TXT",
				Name: "@",
				Data: "v=spf1 -all",
			},
			data: "v=spf1 -all",
			why:  "",
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
			why:  "",
		},
		{
			name: "CAA of no known tag",
			sent: godo.DomainRecordEditRequest{
				Type: "CAA",
				Name: "@",
				Data: "x.",
				Tag:  "other",
			},
			data: "",
			why:  "issuewild",
		},
		{
			name: "no such type",
			sent: godo.DomainRecordEditRequest{
				Type: "LOC",
				Name: "@",
				Data: "x",
			},
			data: "",
			why:  "Type needs to be one of",
		},
		{
			name: "TTL too short",
			sent: godo.DomainRecordEditRequest{
				Type: "A",
				Name: "w",
				Data: "203.0.113.7",
				TTL:  5,
			},
			data: "",
			why:  "TTL needs",
		},
		{
			name: "no data",
			sent: godo.DomainRecordEditRequest{Type: "TXT", Name: "w"},
			data: "",
			why:  "Data can't be blank",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			record, answer, err := w.client.Domains.CreateRecord(ctx, "example.com", &c.sent)
			if c.data == "" {
				refused(t, err, 422, c.why)
				return
			}

			require.NoError(t, err)
			require.Equal(t, 201, answer.StatusCode)
			require.Equal(t, c.data, record.Data)

			got, _, err := w.client.Domains.Record(ctx, "example.com", record.ID)
			require.NoError(t, err)
			require.Equal(t, record, got)
		})
	}

	found, _, err := w.client.Domains.RecordsByTypeAndName(ctx,
		"example.com",
		"A",
		"www.example.com",
		nil,
	)
	require.NoError(t, err)
	require.Len(t, found, 1)

	edited, _, err := w.client.Domains.EditRecord(ctx,
		"example.com",
		found[0].ID,
		&godo.DomainRecordEditRequest{Type: "A", TTL: 60},
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

	_, err = w.client.Domains.DeleteRecord(ctx, "example.com", edited.ID)
	require.NoError(t, err)

	_, _, err = w.client.Domains.Record(ctx, "example.com", edited.ID)
	refused(t, err, 404, "could not be found")
}

func TestProjects(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	first, _, err := w.client.Projects.GetDefault(ctx)
	require.NoError(t, err)
	require.True(t, first.IsDefault)

	droplet := w.create(request("web"))
	urn := droplet.URN()
	held, _, err := w.client.Projects.ListResources(ctx, first.ID, nil)
	require.NoError(t, err)
	require.Equal(t, urn, held[0].URN, "what nobody assigned is in the default project")

	project, answer, err := w.client.Projects.Create(ctx, &godo.CreateProjectRequest{
		Name:        "site",
		Purpose:     "Website or blog",
		Environment: "staging",
	})
	require.NoError(t, err)
	require.Equal(t, 201, answer.StatusCode)
	require.Equal(t, "Staging", project.Environment)

	_, _, err = w.client.Projects.Create(ctx, &godo.CreateProjectRequest{Name: "site", Purpose: "x"})
	refused(t, err, 409, "already in use")

	_, _, err = w.client.Projects.Create(ctx, &godo.CreateProjectRequest{
		Name:        "other",
		Purpose:     "x",
		Environment: "Moon",
	})
	refused(t, err, 422, "environment")

	assigned, answer, err := w.client.Projects.AssignResources(ctx, project.ID, urn)
	require.NoError(t, err)
	require.Equal(t, 200, answer.StatusCode)
	require.Equal(t, urn, assigned[0].URN)

	held, _, err = w.client.Projects.ListResources(ctx, "default", nil)
	require.NoError(t, err)
	require.Empty(t, held, "it moved")

	_, _, err = w.client.Projects.AssignResources(ctx, project.ID, "do:droplet:1")
	refused(t, err, 422, "resource not found")

	changed, _, err := w.client.Projects.Update(ctx,
		project.ID,
		&godo.UpdateProjectRequest{Description: "blog"},
	)
	require.NoError(t, err)
	require.Equal(t, "site", changed.Name, "null leaves a field alone")
	require.Equal(t, "blog", changed.Description)

	_, err = w.client.Projects.Delete(ctx, project.ID)
	refused(t, err, 412, "cannot delete a project with resources")

	_, err = w.client.Droplets.Delete(ctx, droplet.ID)
	require.NoError(t, err)

	w.eventually("the project is empty", func() bool {
		_, err = w.client.Projects.Delete(ctx, project.ID)
		return err == nil
	})

	_, err = w.client.Projects.Delete(ctx, first.ID)
	refused(t, err, 412, "default")
}

func TestSpacesKeys(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	key, answer, err := w.client.SpacesKeys.Create(ctx, &godo.SpacesKeyCreateRequest{
		Name:   "ci",
		Grants: []*godo.Grant{{Bucket: "images", Permission: godo.SpacesKeyReadWrite}},
	})
	require.NoError(t, err)
	require.Equal(t, 201, answer.StatusCode)
	require.Len(t, key.AccessKey, 20)
	require.Len(t, key.SecretKey, 43)

	got, _, err := w.client.SpacesKeys.Get(ctx, key.AccessKey)
	require.NoError(t, err)
	require.Empty(t, got.SecretKey, "the secret is told once")
	require.Equal(t, "images", got.Grants[0].Bucket)

	renamed, _, err := w.client.SpacesKeys.Update(ctx, key.AccessKey, &godo.SpacesKeyUpdateRequest{Name: "cd", Grants: got.Grants})
	require.NoError(t, err)
	require.Equal(t, "cd", renamed.Name)

	for permission, bucket := range map[godo.SpacesKeyPermission]string{
		godo.SpacesKeyFullAccess: "images",
		godo.SpacesKeyRead:       "",
		"write":                  "images",
	} {
		_, _, err = w.client.SpacesKeys.Create(ctx, &godo.SpacesKeyCreateRequest{
			Name:   "bad",
			Grants: []*godo.Grant{{Bucket: bucket, Permission: permission}},
		})
		refused(t, err, 422, string(permission))
	}

	_, err = w.client.SpacesKeys.Delete(ctx, key.AccessKey)
	require.NoError(t, err)

	keys, _, err := w.client.SpacesKeys.List(ctx, nil)
	require.NoError(t, err)
	require.Empty(t, keys)

	_, _, err = w.client.SpacesKeys.Get(ctx, key.AccessKey)
	refused(t, err, 404, "could not be found")
}
