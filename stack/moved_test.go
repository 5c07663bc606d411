package stack_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/stack"
)

func TestWhatStoodAtTheTopIsToldItsNewPlace(t *testing.T) {
	const said = "roles:\n  web: {title: Blog, admin_user: admin, admin_email: admin@example.org}\n"

	for _, c := range []struct {
		name string
		old  string
		new  string
		want string
	}{
		{
			name: "all of the old form",
			old:  said,
			new: "site:\n  title: Blog\n  admin_user: admin\n  admin_email: nobody\n" +
				"galera:\n  sst_method: mariabackup\n",
			want: lines(
				`s.yaml:7:1: error: site: is now said of the role: write roles: {web: {admin_email: ..., `+
					`admin_user: ..., title: ...}}`,
				`s.yaml:11:1: error: galera: is now said of the role: write roles: {db: {sst_method: ...}}`,
			),
		},
		{
			name: "beside the new form",
			old:  said,
			new:  said + "site: {url: 'https://example.org'}\n",
			want: `s.yaml:9:1: error: site: is now said of the role: write roles: {web: {url: ...}}`,
		},
		{
			name: "what is missing is still told",
			old:  said,
			new:  "site: {title: Blog, admin_user: admin}\n",
			want: lines(
				`s.yaml:1:1: error: roles.web.admin_email: is missing; write admin_email: admin@example.org (the `+
					`administrator's address)`,
				`s.yaml:7:1: error: site: is now said of the role: write roles: {web: {admin_user: ..., title: ...}}`,
			),
		},
		{
			name: "a key that no role has",
			old:  said,
			new:  said + "anything: {title: Blog, colour: red}\n",
			want: lines(
				`s.yaml:9:1: error: anything: is now said of the role: write roles: {web: {title: ...}}`,
				`s.yaml:9:25: error: anything.colour: is a setting of no role; remove it`,
			),
		},
		{
			name: "keys of two roles, the one with most of them first",
			old:  said,
			new:  said + "both: {sst_method: rsync, title: Blog, url: 'https://example.org'}\n",
			want: `s.yaml:9:1: error: both: is now said of the role: write roles: {web: {title: ..., url: ...}, db: ` +
				`{sst_method: ...}}`,
		},
		{
			name: "a key of two roles of the stack: the first in the file",
			old:  said,
			new:  said + "haproxy: {haproxy_extra: x}\n",
			want: `s.yaml:9:1: error: haproxy: is now said of the role: write roles: {proxy: {haproxy_extra: ...}}`,
		},
		{
			name: "keys of no role",
			old:  said,
			new:  said + "whatever: {colour: red}\n",
			want: `s.yaml:9:1: error: whatever: unknown key; known here: acme, balancers, client_addresses, cloud, ` +
				`domain, drift, drift_every, images, load_balancer, name, nodes, operator_addresses, project, ` +
				`region, release, reserved_ip, roles, secrets, sites, ssh_keys, version, vpc`,
		},
		{
			name: "no mapping",
			old:  said,
			new:  said + "whatever: title\n",
			want: `s.yaml:9:1: error: whatever: unknown key; known here: acme, balancers, client_addresses, cloud, ` +
				`domain, drift, drift_every, images, load_balancer, name, nodes, operator_addresses, project, ` +
				`region, release, reserved_ip, roles, secrets, sites, ssh_keys, version, vpc`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.old, c.new)
			require.EqualError(t, err, c.want)
		})
	}
}

func TestTheNewPlaceIsThatOfTheRoleWhateverItIsCalled(t *testing.T) {
	all := withRoles(t, strings.Replace(apiRole, "name: api\n", "name: shop\n", 1))
	text := strings.NewReplacer("role: api", "role: shop", "  api: {greeting: Hello}\n", "").Replace(apiText)

	_, err := stack.Parse("s.yaml", []byte(text+"hello: {greeting: Hello, workers: 2}\n"), all)
	require.EqualError(t, err,
		`s.yaml:12:1: error: hello: is now said of the role: write roles: {shop: {greeting: ..., workers: ...}}`)
}
