//go:build root

package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// scanned are the ports that anything of the stack listens on, and some where somebody might.
const scanned = "22 25 53 80 111 443 3306 3307 4444 4567 4568 8080 8081 8404 9200 9201 9202 9203"

// scan has a shell try ports of addresses, all at once: what is dropped gets no answer.
const scan = `ip netns exec "$1" bash -c '
for address in $1; do
	for port in $2; do
		timeout 5 bash -c "exec 3<>/dev/tcp/$address/$port" 2>/dev/null && echo "$address:$port" &
	done
done
wait' scan '%s' '%s'`

// openFrom are the ports that a Droplet reaches, sorted.
func (s *stack) openFrom(id int, addresses ...string) []string {
	s.t.Helper()

	script := fmt.Sprintf(scan, strings.Join(addresses, " "), scanned)
	open := strings.Fields(s.fromOutside(id, script))
	slices.Sort(open)

	return open
}

// at are ports of one address, as openFrom tells them.
func at(address string, ports ...string) (all []string) {
	for _, port := range ports {
		all = append(all, net.JoinHostPort(address, port))
	}

	return all
}

// balancerAddress is that of the stack's only load balancer.
func (s *stack) balancerAddress() string {
	s.t.Helper()

	var list struct {
		Balancers []struct {
			IP string
		} `json:"load_balancers"`
	}

	s.call(http.StatusOK, "GET", "/v2/load_balancers", nil, &list)
	require.Len(s.t, list.Balancers, 1)

	return list.Balancers[0].IP
}

// outsider is a Droplet that is none of the stack's, in its network: it has a public address and one beside the nodes'.
func (s *stack) outsider() int {
	s.t.Helper()

	var web struct{ Droplet droplet }
	path := dropletPath(s.nodes()["web-1"].DropletID)
	s.call(http.StatusOK, "GET", path, nil, &web)

	id := s.createStranger("outsider", web.Droplet, "#!/bin/sh\ntrue\n")
	path = dropletPath(id)
	balancer := s.balancerAddress()

	reaches := func() bool {
		var now struct{ Droplet droplet }
		s.call(http.StatusOK, "GET", path, nil, &now)

		if now.Droplet.Status != "active" {
			return false
		}

		return len(s.openFrom(id, balancer)) > 0
	}
	require.Eventually(
		s.t,
		reaches,
		time.Minute,
		time.Second,
		"the outsider reaches the load balancer",
	)

	return id
}

// onlyWhatIsDeclaredIsOpen scans the stack from outside: everybody reaches the load balancer and the reserved IP, and
// port 22 where stack.yaml allows it; nobody reaches anything else, from the internet or from within the VPC.
func onlyWhatIsDeclaredIsOpen(t *testing.T, s *stack) {
	s.heldBy("")
	outsider := s.outsider()

	// Only this computer may log in, and then everybody again.
	require.Contains(t, s.must("plan"), "\nwarning: port 22 of every node is open to everybody; ")
	s.opensToOutsider(outsider, "22")

	text, err := os.ReadFile(s.file)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, os.WriteFile(s.file, text, 0o600))
		s.must("up")
		s.must("plan", "--detailed-exitcode")
	})

	// A lab's second address is that of the computer that it runs on.
	gateway := netip.MustParsePrefix(s.labRange).Masked().Addr().Next()
	operator := gateway.Next()

	narrow := fmt.Appendf(nil, "%s\noperator_addresses: [%s]\n", text, operator)
	require.NoError(t, os.WriteFile(s.file, narrow, 0o600))
	require.Contains(t, s.must("plan"), "change: port 22 from 0.0.0.0/0, ::/0 -> "+operator.String())

	s.must("up")
	require.NotContains(t, s.must("plan", "--detailed-exitcode"), "warning: port 22")
	s.opensToOutsider(outsider)
	s.untilHealthy() // asked by SSH

	page := strings.TrimPrefix(s.address, "http://")
	s.answers(page)
	s.answers(s.reserved)

	s.mendsAFirewall(outsider)
}

// opensToOutsider holds what an outsider reaches against what is declared; admitted are the ports of every node.
func (s *stack) opensToOutsider(outsider int, admitted ...string) {
	s.t.Helper()

	balancer := s.balancerAddress()
	every := []string{s.reserved}

	var clients []string

	for _, n := range s.nodes() {
		// It is one of the clients that stack.yaml names.
		if n.Role == called("proxy") {
			clients = append(clients, at(n.Addresses.Private, "3306", "3307")...)
		}

		every = append(
			every,
			n.Addresses.Public,
			n.Addresses.Private,
		)
	}

	want := slices.Concat(
		at(balancer, "443", "80"),
		at(s.reserved, "443", "80"),
		clients,
	)

	// Who comes by the reserved IP reaches the node that holds it.
	for _, address := range every {
		want = append(want, at(address, admitted...)...)
	}

	slices.Sort(want)
	got := s.openFrom(outsider, append(every, balancer)...)
	require.Equal(s.t, want, got)
}

// mendsAFirewall has somebody open a port by hand: plan says so, up shuts it, and meanwhile the node's own walls hold.
func (s *stack) mendsAFirewall(outsider int) {
	s.t.Helper()

	path := "/v2/firewalls/" + s.firewallOf("db") + "/rules"
	everybody := map[string]any{
		"addresses": []string{"0.0.0.0/0"},
	}
	rule := map[string]any{
		"protocol": "tcp",
		"ports":    "3306",
		"sources":  everybody,
	}
	rules := map[string]any{
		"inbound_rules": []any{rule},
	}
	s.call(http.StatusNoContent, "POST", path, rules, nil)

	database := s.nodes()["db-1"].Addresses.Private
	reached := func() bool {
		return slices.Contains(s.openFrom(outsider, database), net.JoinHostPort(database, "3306"))
	}
	open := func() bool {
		s.on("db-1", noWalls)
		return reached()
	}
	require.Eventually(
		s.t,
		open,
		30*time.Second,
		time.Second,
		"the rule is in force",
	)

	held := func() bool { return !reached() }
	require.Eventually(
		s.t,
		held,
		30*time.Second,
		time.Second,
		"the node loads its walls again",
	)

	said, err := s.try("plan", "--detailed-exitcode")
	require.Error(s.t, err)
	require.Contains(s.t, said, "change: port 3306 from 0.0.0.0/0, ")
	require.Contains(s.t, said, "Plan: 1 to change.")

	s.must("up")
	s.must("plan", "--detailed-exitcode")
	s.opensToOutsider(outsider)
}

// firewallOf is the number of the firewall of a built-in role.
func (s *stack) firewallOf(role string) string {
	s.t.Helper()

	var list struct {
		Firewalls []struct {
			ID   string
			Name string
		}
	}

	s.call(http.StatusOK, "GET", "/v2/firewalls", nil, &list)

	for _, firewall := range list.Firewalls {
		if strings.HasSuffix(firewall.Name, "-"+called(role)) {
			return firewall.ID
		}
	}

	require.Fail(s.t, "no firewall", "of role %s: %v", role, list)

	return ""
}
