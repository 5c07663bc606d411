package api_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
)

// fields are what a thing must have: names and what each must be, as DigitalOcean's description says and
// clients decode. number, string, bool, list, object, time, uuid; a ? after it allows null.
type fields map[string]string

func kinds() map[string]func(any) bool {
	is := func(pattern string) func(any) bool {
		compiled := regexp.MustCompile(pattern)
		return func(value any) bool {
			text, ok := value.(string)
			return ok && compiled.MatchString(text)
		}
	}

	return map[string]func(any) bool{
		"number": func(value any) bool {
			_, ok := value.(float64)
			return ok
		},
		"string": func(value any) bool {
			_, ok := value.(string)
			return ok
		},
		"bool": func(value any) bool {
			_, ok := value.(bool)
			return ok
		},
		"list": func(value any) bool {
			_, ok := value.([]any)
			return ok
		},
		"object": func(value any) bool {
			_, ok := value.(map[string]any)
			return ok
		},
		"time": is(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`),
		"uuid": is(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`),
	}
}

// conforms looks at each field of a thing.
func conforms(t *testing.T, what string, thing any, wanted fields) {
	t.Helper()
	object, ok := thing.(map[string]any)
	require.True(t, ok, "%s is %v", what, thing)

	for name, kind := range wanted {
		value, there := object[name]
		require.True(t, there, "%s has no %s", what, name)

		kind, mayBeNull := strings.CutSuffix(kind, "?")
		if value == nil {
			require.True(t, mayBeNull, "%s: %s is null", what, name)
			continue
		}

		require.True(t,
			kinds()[kind](value),
			"%s: %s is no %s: %v",
			what,
			name,
			kind,
			value,
		)
	}
}

func shapes() map[string]fields {
	region := fields{
		"name":      "string",
		"slug":      "string",
		"features":  "list",
		"available": "bool",
		"sizes":     "list",
	}

	image := fields{
		"id":             "number",
		"name":           "string",
		"distribution":   "string",
		"slug":           "string?",
		"public":         "bool",
		"regions":        "list",
		"created_at":     "time",
		"type":           "string",
		"min_disk_size":  "number",
		"size_gigabytes": "number",
		"status":         "string",
		"tags":           "list",
		"description":    "string",
	}

	snapshot := fields{
		"id":             "string",
		"name":           "string",
		"created_at":     "time",
		"regions":        "list",
		"resource_id":    "string",
		"resource_type":  "string",
		"min_disk_size":  "number",
		"size_gigabytes": "number",
		"tags":           "list",
	}

	action := fields{
		"id":            "number",
		"status":        "string",
		"type":          "string",
		"started_at":    "time",
		"completed_at":  "time?",
		"resource_id":   "number?",
		"resource_type": "string",
		"region":        "object",
		"region_slug":   "string",
	}

	reserved := fields{
		"ip":         "string",
		"region":     "object",
		"droplet":    "object?",
		"locked":     "bool",
		"project_id": "string",
	}

	return map[string]fields{
		"account": {
			"email":             "string",
			"uuid":              "uuid",
			"email_verified":    "bool",
			"status":            "string",
			"status_message":    "string",
			"droplet_limit":     "number",
			"floating_ip_limit": "number",
			"team":              "object",
		},
		"ssh_key": {
			"id":          "number",
			"fingerprint": "string",
			"public_key":  "string",
			"name":        "string",
		},
		"region": region,
		"size": {
			"slug":          "string",
			"memory":        "number",
			"vcpus":         "number",
			"disk":          "number",
			"transfer":      "number",
			"price_monthly": "number",
			"price_hourly":  "number",
			"regions":       "list",
			"available":     "bool",
			"description":   "string",
		},
		"image":       image,
		"snapshot":    snapshot,
		"action":      action,
		"reserved_ip": reserved,
		"floating_ip": reserved,
		"droplet": {
			"id":                 "number",
			"name":               "string",
			"memory":             "number",
			"vcpus":              "number",
			"disk":               "number",
			"locked":             "bool",
			"status":             "string",
			"kernel":             "object?",
			"created_at":         "time",
			"features":           "list",
			"backup_ids":         "list",
			"next_backup_window": "object?",
			"snapshot_ids":       "list",
			"image":              "object",
			"volume_ids":         "list",
			"size":               "object",
			"size_slug":          "string",
			"networks":           "object",
			"region":             "object",
			"tags":               "list",
			"vpc_uuid":           "uuid",
		},
		"tag": {"name": "string", "resources": "object"},
		"vpc": {
			"id":          "uuid",
			"urn":         "string",
			"name":        "string",
			"description": "string",
			"region":      "string",
			"ip_range":    "string",
			"created_at":  "time",
			"default":     "bool",
		},
		"load_balancer": {
			"id":                               "uuid",
			"name":                             "string",
			"ip":                               "string",
			"size_unit":                        "number",
			"status":                           "string",
			"created_at":                       "time",
			"region":                           "object",
			"forwarding_rules":                 "list",
			"health_check":                     "object",
			"sticky_sessions":                  "object",
			"droplet_ids":                      "list",
			"tag":                              "string",
			"redirect_http_to_https":           "bool",
			"enable_proxy_protocol":            "bool",
			"enable_backend_keepalive":         "bool",
			"disable_lets_encrypt_dns_records": "bool",
			"http_idle_timeout_seconds":        "number",
			"project_id":                       "string",
			"vpc_uuid":                         "uuid",
			"firewall":                         "object",
			"type":                             "string",
			"network":                          "string",
		},
		"certificate": {
			"id":               "uuid",
			"name":             "string",
			"not_after":        "string",
			"sha1_fingerprint": "string",
			"created_at":       "time",
			"dns_names":        "list",
			"state":            "string",
			"type":             "string",
		},
		"firewall": {
			"id":              "uuid",
			"name":            "string",
			"status":          "string",
			"created_at":      "time",
			"pending_changes": "list",
			"inbound_rules":   "list",
			"outbound_rules":  "list",
			"droplet_ids":     "list",
			"tags":            "list",
		},
		"domain": {
			"name":      "string",
			"ttl":       "number?",
			"zone_file": "string?",
		},
		"domain_record": {
			"id":       "number",
			"type":     "string",
			"name":     "string",
			"data":     "string",
			"priority": "number?",
			"port":     "number?",
			"ttl":      "number",
			"weight":   "number?",
			"flags":    "number?",
			"tag":      "string?",
		},
		"project": {
			"id":          "uuid",
			"owner_uuid":  "uuid",
			"owner_id":    "number",
			"name":        "string",
			"description": "string",
			"purpose":     "string",
			"environment": "string",
			"is_default":  "bool",
			"created_at":  "time",
			"updated_at":  "time",
		},
		"resource": {
			"urn":         "string",
			"assigned_at": "time",
			"links":       "object",
			"status":      "string",
		},
		"volume": {
			"id":               "uuid",
			"region":           "object",
			"name":             "string",
			"description":      "string",
			"size_gigabytes":   "number",
			"droplet_ids":      "list",
			"created_at":       "time",
			"filesystem_type":  "string",
			"filesystem_label": "string",
			"tags":             "list",
		},
		"key": {
			"name":       "string",
			"access_key": "string",
			"created_at": "time",
			"grants":     "list",
		},
		"member": {
			"urn":        "string",
			"name":       "string",
			"created_at": "time",
		},
	}
}

// conform asks for each list and each thing in it by itself, and looks at every field. Lists may be named
// otherwise than what is in them.
func (w *world) conform(t *testing.T) {
	t.Helper()
	d := w.store.View()

	lists := map[string]string{
		"account/keys":                "ssh_key",
		"regions":                     "region",
		"sizes":                       "size",
		"images":                      "image",
		"snapshots":                   "snapshot",
		"actions":                     "action",
		"droplets":                    "droplet",
		"tags":                        "tag",
		"vpcs":                        "vpc",
		"reserved_ips":                "reserved_ip",
		"floating_ips":                "floating_ip",
		"load_balancers":              "load_balancer",
		"certificates":                "certificate",
		"firewalls":                   "firewall",
		"domains":                     "domain",
		"projects":                    "project",
		"volumes":                     "volume",
		"spaces/keys":                 "key",
		"domains/example.com/records": "domain_record",
		"projects/default/resources":  "resource",
	}

	for _, droplet := range d.Droplets {
		lists[fmt.Sprintf("droplets/%d/actions", droplet.ID)] = "action"
		lists[fmt.Sprintf("droplets/%d/firewalls", droplet.ID)] = "firewall"
		lists[fmt.Sprintf("droplets/%d/snapshots", droplet.ID)] = "image"
	}

	for _, vpc := range d.VPCs[:1] {
		lists["vpcs/"+vpc.ID+"/members"] = "member"
	}

	for path, singular := range lists {
		status, body, header := w.raw("GET", "/v2/"+path+"?per_page=200", "")
		require.Equal(t, 200, status, path)

		for _, name := range []string{"x-request-id", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} {
			require.NotEmpty(t, header.Get(name), "%s: %s", path, name)
		}

		conforms(t, path, body, fields{"links": "object", "meta": "object"})

		plural := singular + "s"
		if strings.HasSuffix(path, "/snapshots") {
			plural = "snapshots"
		}

		things, ok := body[plural].([]any)
		require.True(t, ok, "%s has no %s: %v", path, plural, body)

		for _, thing := range things {
			conforms(t, path, thing, shapes()[singular])
		}
	}

	_, body, _ := w.raw("GET", "/v2/account", "")
	conforms(t, "account", body["account"], shapes()["account"])
}

// TestConformance looks at every list in each state that things can be in.
func TestConformance(t *testing.T) {
	w := newWorld(t, func(o *api.Options) { o.ShutdownTimeout = 0 })
	ctx := t.Context()

	post := func(path, body string) {
		t.Helper()
		status, answer, _ := w.raw("POST", "/v2/"+path, body)
		require.Less(t, status, 300, "%s: %v", path, answer)
	}

	droplet := w.create(request("active"))

	post(
		"account/keys",
		`{"name":"k","public_key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHqzM0kxTAnBDHX5lCXmYMlQpyFLwBJVeKwBYhLXeEuS"}`,
	)

	post("domains", `{"name":"example.com","ip_address":"203.0.113.9"}`)

	post(
		"domains/example.com/records",
		`{"type":"SRV","name":"_x._tcp","data":"a.example.com.","priority":0,"port":1,"weight":0}`,
	)

	post("spaces/keys", `{"name":"k"}`)
	post("volumes", `{"name":"free","region":"nyc3","size_gigabytes":1,"tags":["data"]}`)
	post("projects", `{"name":"p","purpose":"x"}`)
	post("reserved_ips", `{"region":"nyc3"}`)
	post("certificates", `{"name":"pending","type":"lets_encrypt","dns_names":["example.com"]}`)
	post("certificates", `{"name":"error","type":"lets_encrypt","dns_names":["example.org"]}`)
	w.conform(t)

	release := w.machines.hold()
	_, _, err := w.client.DropletActions.Snapshot(ctx, droplet.ID, "kept")
	require.NoError(t, err)

	_, _, err = w.client.Droplets.Create(ctx, request("new"))
	require.NoError(t, err)

	post("firewalls", fmt.Sprintf(
		`{"name":"waiting","droplet_ids":[%d],"inbound_rules":[{"protocol":"tcp","ports":"all","sources":{"addresses":["::/0"]}}]}`,
		droplet.ID,
	))

	post(
		"load_balancers",
		`{"name":"new","region":"nyc3","tag":"data","forwarding_rules":[{"entry_protocol":"http","entry_port":80,"target_protocol":"http","target_port":80}]}`,
	)

	post("reserved_ips", fmt.Sprintf(`{"droplet_id":%d}`, droplet.ID))
	w.conform(t) // new, locked, in progress, waiting, pending
	release()

	w.machines.breakCall("Shutdown", fmt.Errorf("on purpose"))
	w.active(droplet.ID)

	action, _, err := w.client.DropletActions.Shutdown(ctx, droplet.ID)
	require.NoError(t, err)
	require.Equal(t, "errored", w.done(action).Status)

	action, _, err = w.client.DropletActions.PowerOff(ctx, droplet.ID)
	require.NoError(t, err)
	w.done(action)
	w.conform(t) // off, errored, completed, active, assigned, verified

	release = w.machines.hold()
	defer release()

	_, err = w.client.Droplets.Delete(ctx, droplet.ID)
	require.NoError(t, err)
	w.conform(t) // being deleted
	require.True(t, w.store.View().Droplet(droplet.ID).Deleting)
}

// TestNothingIsHalfMadeOfNonsense sends what no client should, everywhere: never a 5xx, and nothing comes of it.
func TestNothingIsHalfMadeOfNonsense(t *testing.T) {
	w := newWorld(t)
	droplet := w.create(request("one"))

	_, _, err := w.client.Domains.Create(
		t.Context(),
		&godo.DomainCreateRequest{Name: "example.com"},
	)
	require.NoError(t, err)

	before := w.store.View()

	paths := []string{"account/keys", "droplets", "images", "tags", "vpcs", "reserved_ips", "load_balancers", "certificates", "firewalls", "domains", "projects", "volumes", "spaces/keys",
		"droplets/actions?tag_name=x", "volumes/actions", "domains/example.com/records", fmt.Sprintf(
			"droplets/%d/actions",
			droplet.ID,
		), "images/1/actions", "tags/none/resources"}

	for _, path := range paths {
		for _, body := range []string{``, `{`, `[]`, `"x"`, `7`, `null`, `{}`, `{"name":7}`, `{"name":["x"]}`, `{"name":""}`, `{"name":"` + strings.Repeat("x", 300) + `"}`,
			"{\"name\":\"\xff\xfe\"}", `{"type":{}}`, `{"size_gigabytes":"many"}`, `{"region":null,"name":null}`, `{"name":"x y","region":"mars1"}`, `{"tags":"x"}`, `{"tags":[7]}`,
			`{"droplet_ids":{}}`, `{"resources":7}`, strings.Repeat(`{"a":`, 20000) + "1" +
				strings.Repeat("}", 20000), `{"image":{}}`, `{"public_key":"ssh-rsa AAAA"}`} {
			status, answer, _ := w.raw("POST", "/v2/"+path, body)
			require.GreaterOrEqual(t, status, 400, "%s %.80s: %v", path, body, answer)
			require.Less(t, status, 500, "%s %.80s: %v", path, body, answer)
			require.NotEmpty(t, answer["message"], path)
		}
	}

	require.Equal(t, before, w.store.View())
}
