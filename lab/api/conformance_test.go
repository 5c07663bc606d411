package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
)

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

// oneOfEach makes a resource of each kind that no Droplet is needed for.
func (w *world) oneOfEach() {
	key := "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHqzM0kxTAnBDHX5lCXmYMlQpyFLwBJVeKwBYhLXeEuS"
	record := `{"type":"SRV","name":"_x._tcp","data":"a.example.com.","priority":0,"port":1,"weight":0}`

	w.post("account/keys", fmt.Sprintf(`{"name":"k","public_key":%q}`, key))
	w.post("domains", `{"name":"example.com","ip_address":"203.0.113.9"}`)
	w.post("domains/example.com/records", record)
	w.post("spaces/keys", `{"name":"k"}`)
	w.post("volumes", `{"name":"free","region":"nyc3","size_gigabytes":1,"tags":["data"]}`)
	w.post("projects", `{"name":"p","purpose":"x"}`)
	w.post("reserved_ips", `{"region":"nyc3"}`)
	w.post("certificates", `{"name":"pending","type":"lets_encrypt","dns_names":["example.com"]}`)
	w.post("certificates", `{"name":"error","type":"lets_encrypt","dns_names":["example.org"]}`)
}

func (w *world) post(path, body string) {
	w.t.Helper()
	status, answer, _ := w.raw("POST", "/v2/"+path, body)
	require.Less(w.t, status, 300, "%s: %v", path, answer)
}

// beginAll starts work of every kind that takes time: of the Droplet, and beside it.
func (w *world) beginAll(droplet int) {
	ctx := w.t.Context()

	_, _, err := w.DropletActions.Snapshot(ctx, droplet, "kept")
	require.NoError(w.t, err)

	_, _, err = w.Droplets.Create(ctx, request("new"))
	require.NoError(w.t, err)

	inbound := `{"protocol":"tcp","ports":"all","sources":{"addresses":["::/0"]}}`
	w.post("firewalls", fmt.Sprintf(
		`{"name":"waiting","droplet_ids":[%d],"inbound_rules":[%s]}`,
		droplet,
		inbound,
	))

	forwarding := `{"entry_protocol":"http","entry_port":80,"target_protocol":"http","target_port":80}`
	w.post("load_balancers", fmt.Sprintf(
		`{"name":"new","region":"nyc3","tag":"data","forwarding_rules":[%s]}`,
		forwarding,
	))

	w.post("reserved_ips", fmt.Sprintf(`{"droplet_id":%d}`, droplet))
}

// TestConformance looks at every list in each state that things can be in.
func TestConformance(t *testing.T) {
	w := newWorld(t, func(o *api.Options) { o.ShutdownTimeout = 0 })
	ctx := t.Context()
	droplet := w.create(request("active"))
	w.oneOfEach()
	w.conform(t)

	release := w.machines.hold()
	w.beginAll(droplet.ID)
	w.conform(t) // new, locked, in progress, waiting, pending
	release()

	w.machines.breakCall("Shutdown", fmt.Errorf("on purpose"))
	w.active(droplet.ID)

	require.Equal(t, "errored", w.did(w.DropletActions.Shutdown(ctx, droplet.ID)).Status)

	w.did(w.DropletActions.PowerOff(ctx, droplet.ID))
	w.conform(t) // off, errored, completed, active, assigned, verified

	release = w.machines.hold()
	defer release()

	w.destroy(droplet.ID)
	w.conform(t) // being deleted
	require.True(t, w.store.View().Droplet(droplet.ID).Deleting)
}
