package fleet_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/stack"
)

const keysText = `version: 1
name: blog
cloud: lab
region: fra1
release: debian-13
roles:
  api: {greeting: hello}
  web: {title: "Tom & Ann", admin_user: admin, admin_email: admin@example.org}
nodes:
  - {name: db, role: db, count: 3}
  - {name: proxy, role: proxy, count: 2}
  - {name: api, role: api, count: 2}
  - {name: late, role: api, count: 1}
  - {name: web, role: web, count: 1}
load_balancer: {nodes: api, http: PORT, https: TLSPORT}
drift: report
drift_every: 6h
`

// keyChange changes one key of keysText.
type keyChange struct {
	from, to string
	want     []string // beginnings of the plan's lines
	why      string   // why there is no change
}

// replaced are the lines of nodes that were given something else.
func replaced(nodes ...string) []string {
	var lines []string
	for _, node := range nodes {
		lines = append(lines, "replace node "+node+": settings, secrets or rights")
	}

	return lines
}

// keyChanges have a row for each key of stack.yaml. ADDRESS is a reserved IP of the account.
func keyChanges() map[string]keyChange {
	const openSite = "change firewall hornero-blog-proxy: port 443 from nobody -> 0.0.0.0/0, ::/0; port 80 from nobody"

	everybody := replaced("db-1", "db-2", "db-3", "proxy-1", "proxy-2", "api-1", "api-2", "late-1", "web-1")

	changes := map[string]keyChange{
		"version": {why: "no other can be read"},
		"cloud":   {why: "it says who is asked"},
		"secrets": {why: "it names the file; what is in it has a test of its own"},
		"name": {
			from: "name: blog",
			to:   "name: shop",
			want: []string{
				"create network hornero-shop: ",
				"create certificate hornero-shop-",
				"create load balancer hornero-shop: ",
				"create firewall hornero-shop-db: ",
				"create firewall hornero-shop-proxy: ",
				"create firewall hornero-shop-api: ",
				"create firewall hornero-shop-web: ",
				"launch node db-1: ",
				"launch node db-2: ",
				"launch node db-3: ",
				"launch node proxy-1: ",
				"launch node proxy-2: ",
				"launch node api-1: ",
				"launch node api-2: ",
				"launch node late-1: ",
				"launch node web-1: ",
			},
		},
		"region": {
			from: "fra1",
			to:   "nyc3",
			want: []string{"replace network hornero-blog: region fra1 -> nyc3"},
		},
		"release": {
			from: "debian-13",
			to:   "debian-12",
			want: []string{
				"nothing image db: no image of role db on debian-12 in fra1",
				"nothing image proxy: ",
				"nothing image api: ",
				"nothing image web: ",
			},
		},
		"roles": {
			from: "Tom & Ann",
			to:   "Ann & Tom",
			want: replaced("web-1"),
		},
		"drift": {
			from: "drift: report",
			to:   "drift: quarantine",
			want: everybody,
		},
		"drift_every": {
			from: "6h",
			to:   "7h",
			want: everybody,
		},
		"domain": {
			from: "drift: report\n",
			to:   "drift: report\ndomain: {name: example.org, records: [{name: www}]}\n",
			want: []string{"nothing record example.org: the domain cannot be used: the account has no example.org; "},
		},
		"domain.name":         {why: "the row above"},
		"domain.records":      {why: "a test of records, in which the account has the domain"},
		"domain.records.name": {why: "the same"},
		"domain.records.to":   {why: "the same"},
		"domain.records.ttl":  {why: "the same"},
		"vpc": {
			from: "drift: report\n",
			to:   "drift: report\nvpc: {range: 10.200.0.0/20}\n",
			want: []string{"replace network hornero-blog: range 10."},
		},
		"vpc.range":        {why: "all that it has: the row above"},
		"images":           {why: "it tells when a bake makes new ones; the image that comes of it shows by itself"},
		"images.max_age":   {why: "as above"},
		"images.signed_by": {why: "a test of signatures: it shows where an image is not signed"},
		"images.unsigned":  {why: "the same"},
		"reserved_ip": {
			from: "drift: report\n",
			to:   "drift: report\nreserved_ip: {nodes: proxy, address: ADDRESS}\n",
			want: append([]string{openSite}, replaced("proxy-1", "proxy-2")...),
		},
		"reserved_ip.nodes": {why: "one role alone can hold it: the row above"},
		"reserved_ip.address": {
			from: "drift: report\n",
			to:   "drift: report\nreserved_ip: {nodes: proxy, address: 198.51.100.250}\n",
			want: append(
				[]string{
					openSite,
					"nothing reserved IP 198.51.100.250: the reserved IP cannot be used: the account has no ",
				},
				replaced("proxy-1", "proxy-2")...,
			),
		},
		"project": {
			from: "drift: report\n",
			to:   "drift: report\nproject: first-projects\n",
			want: []string{"nothing project first-projects: the project cannot be used: the account has no project "},
		},
		"ssh_keys": {
			from: "drift: report\n",
			to:   "drift: report\nssh_keys: [ann]\n",
			want: everybody,
		},
	}

	maps.Copy(changes, addressChanges())

	for key, change := range groupChanges() {
		changes["nodes"+key] = change
	}

	for key, change := range balancerChanges() {
		changes[key] = change
	}

	for _, key := range siteKeys() {
		changes[key] = keyChange{why: "a test of a stack that has an edge, TestThePlanShowsEachKeyOfASite"}
	}

	for _, key := range acmeKeys() {
		changes[key] = keyChange{why: "a test of a stack that has an edge, TestThePlanShowsEachKeyOfTheAuthority"}
	}

	for _, key := range optionKeys() {
		changes["load_balancer."+key] = keyChange{why: "a table by the fields of the API's request"}
	}

	return changes
}

func groupChanges() map[string]keyChange {
	const late = "{name: late, role: api, count: 1}"

	return map[string]keyChange{
		"": {
			from: "  - " + late + "\n",
			to:   "",
			want: []string{"remove node late-1: of no group of stack.yaml any more; "},
		},
		".name": {
			from: late,
			to:   "{name: later, role: api, count: 1}",
			want: []string{"launch node later-1: it has no Droplet", "remove node late-1: of no group"},
		},
		".role": {
			from: late,
			to:   "{name: late, role: web, count: 1}",
			want: []string{
				"replace node late-1: role api -> web; image hornero-api -> hornero-web; settings, secrets or rights",
			},
		},
		".count": {
			from: late,
			to:   "{name: late, role: api, count: 2}",
			want: []string{"launch node late-2: it has no Droplet"},
		},
		".size": {
			from: late,
			to:   "{name: late, role: api, count: 1, size: s-2vcpu-2gb}",
			want: []string{"replace node late-1: size s-1vcpu-1gb -> s-2vcpu-2gb"},
		},
		".image": {
			from: late,
			to:   "{name: late, role: api, count: 1, image: 123456789}",
			want: []string{"nothing image 123456789 of group late: the image that stack.yaml names cannot be used: "},
		},
		".monitoring": {
			from: late,
			to:   "{name: late, role: api, count: 1, monitoring: true}",
			want: []string{"replace node late-1: monitoring off -> on"},
		},
		".ipv6": {
			from: late,
			to:   "{name: late, role: api, count: 1, ipv6: true}",
			want: []string{"replace node late-1: ipv6 off -> on"},
		},
		".backups": {
			from: late,
			to:   "{name: late, role: api, count: 1, backups: true}",
			want: []string{"change node late-1: backups off -> on"},
		},
		".schema": {
			from: "{name: web, role: web, count: 1}",
			to:   "{name: web, role: web, count: 1, schema: shop}",
			want: []string{
				"create secret wordpress.admin_password.shop: the secrets file has none",
				"create secret wordpress.db_password.shop: the secrets file has none",
				"create secret wordpress.salt.shop: the secrets file has none",
			},
		},
		".settings": {
			from: late,
			to:   "{name: late, role: api, count: 1, settings: {greeting: bye}}",
			want: replaced("late-1"),
		},
	}
}

func balancerChanges() map[string]keyChange {
	const (
		short = "load_balancer: {nodes: api, http: PORT, https: TLSPORT}"
		line  = "change load balancer hornero-blog: "
		wall  = "change firewall hornero-blog-api: "
	)

	moved := func(node, tags string) string { return "change node " + node + ": " + tags }
	without := func(node string) string {
		return moved(node, "tag hornero:blog:lb:api is of no load balancer of its role")
	}
	renamed := func(node string) string {
		return moved(node, "no traffic: tag hornero:blog:lb:front is missing; tag hornero:blog:lb:api is of no ")
	}

	named := keyChange{
		from: short,
		to:   "balancers: [{name: front, nodes: api, http: PORT, https: TLSPORT}]",
		want: []string{
			"create load balancer hornero-blog-front: it is not there",
			"remove load balancer hornero-blog: ",
			wall + "port 8080 from load balancer hornero-blog -> load balancer hornero-blog, load balancer ",
			renamed("api-1"),
			renamed("api-2"),
			renamed("late-1"),
		},
	}

	return map[string]keyChange{
		"balancers":          named,
		"load_balancer.name": named,
		"load_balancer": {
			from: short,
			to:   "",
			want: []string{
				"remove certificate hornero-blog-",
				"remove load balancer hornero-blog: ",
				without("api-1"),
				without("api-2"),
				without("late-1"),
			},
		},
		"load_balancer.nodes": {
			from: short,
			to:   "load_balancer: {nodes: web, http: PORT, https: TLSPORT}",
			want: []string{
				line + "target hornero:blog:lb:api -> hornero:blog:lb:web; rules [",
				"change firewall hornero-blog-web: port 80 from tag hornero:blog:role:proxy -> load balancer ",
				without("api-1"),
				without("api-2"),
				without("late-1"),
				moved("web-1", "no traffic: tag hornero:blog:lb:web is missing"),
			},
		},
		"load_balancer.serves": {
			from: short,
			to:   "load_balancer: {nodes: api, serves: pages, http: PORT, https: TLSPORT}",
			want: []string{
				line + "rules [",
				wall + "port 8080 from load balancer hornero-blog -> nobody; port 8090 from nobody -> load balancer ",
			},
		},
		"load_balancer.http": {
			from: "http: PORT",
			to:   "http: 8081",
			want: []string{line + "rules ["},
		},
		"load_balancer.https": {
			from: ", https: TLSPORT",
			to:   "",
			want: []string{"remove certificate hornero-blog-", line + "rules ["},
		},
		"load_balancer.rules": {
			from: short,
			to: "load_balancer: {nodes: api, http: PORT, https: TLSPORT, " +
				"rules: [{protocol: tcp, port: 7, serves: pages}]}",
			want: []string{
				line + "rules [",
				wall + "port 8090 from nobody -> load balancer ",
			},
		},
	}
}

// siteKeys are the keys of sites.
func siteKeys() []string {
	return append([]string{"sites"}, keysOf(reflect.TypeFor[stack.Site](), "sites.", map[reflect.Type]bool{})...)
}

// optionKeys are keys of load balancers that a table by the API's fields is about.
func optionKeys() []string {
	keys := []string{"certificate.lets_encrypt", "certificate.dns_records", "sticky.cookie", "sticky.ttl"}

	for _, key := range []string{"protocol", "port", "to", "serves", "target_port", "passthrough"} {
		keys = append(keys, "rules."+key)
	}

	for _, key := range []string{"protocol", "port", "path", "interval", "timeout", "unhealthy", "healthy"} {
		keys = append(keys, "health."+key)
	}

	return append(
		keys,
		"redirect",
		"sticky",
		"health",
		"proxy_protocol",
		"allow",
		"deny",
		"size",
		"idle",
		"keepalive",
		"network",
		"type",
		"ciphers",
		"dual_stack",
		"certificate",
	)
}

// keysOf are the keys of a part of stack.yaml, those of its parts included. A part that stands in two places is looked
// at in the first.
func keysOf(kind reflect.Type, path string, seen map[reflect.Type]bool) []string {
	var keys []string

	for field := range kind.Fields() {
		key := field.Tag.Get("yaml")
		if key == "" {
			continue
		}

		keys = append(keys, path+key)

		part := field.Type
		for part.Kind() == reflect.Pointer || part.Kind() == reflect.Slice {
			part = part.Elem()
		}

		if part.Kind() == reflect.Struct && !seen[part] {
			seen[part] = true
			keys = append(keys, keysOf(part, path+key+".", seen)...)
		}
	}

	return keys
}

// A key that is added has to be thought of: does plan show that it changed?
func TestThePlanShowsEachKeyThatChanged(t *testing.T) {
	t.Parallel()

	changes := keyChanges()
	keys := keysOf(reflect.TypeFor[stack.Stack](), "", map[reflect.Type]bool{})

	w := newAPIWorld(t, keysText)
	w.giveToken()
	w.site.answer(answerReady)
	w.mustUp()
	w.nothingToDo()

	w.transferImages("nyc3")
	w.uploadKey("ann")

	reserved, _, err := w.config.Client.ReservedIPs.Create(t.Context(), &godo.ReservedIPCreateRequest{Region: "fra1"})
	require.NoError(t, err)

	for _, key := range keys {
		change, there := changes[key]
		require.True(t, there, "%s has no row in the table of changes", key)

		if change.why != "" {
			continue
		}

		require.Contains(t, keysText, change.from, key)
		to := strings.ReplaceAll(change.to, "ADDRESS", reserved.IP)
		w.config.Stack = w.parse(strings.Replace(keysText, change.from, to, 1), w.config.Manifests)

		lines := w.plan()
		require.Len(t, lines, len(change.want), "%s: %q", key, lines)

		for i, want := range change.want {
			require.True(t, strings.HasPrefix(lines[i], want), "%s: %q is not %q", key, lines[i], want)
		}
	}

	for key := range changes {
		require.True(t, slices.Contains(keys, key), "%s is no key of stack.yaml", key)
	}
}

// transferImages has every image in one more region.
func (w *world) transferImages(region string) {
	images, err := do.ImagesByTag(w.t.Context(), w.config.Client, "hornero")
	require.NoError(w.t, err)

	for _, image := range images {
		require.NoError(w.t, do.TransferImage(w.t.Context(), w.config.Client, image.ID, region, do.WaitOptions{}))
	}
}
