//go:build root

package lab_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
)

// Names are answered at the gateway, by UDP and TCP, also after the lab's process was killed.
func TestTheGatewayAnswersForNames(t *testing.T) {
	b := newBench(t)
	gateway := netip.MustParsePrefix(b.public).Addr().Next().String()

	addressOf := func(network, name string) []string {
		t.Helper()

		client := &dns.Client{Net: network, Timeout: 10 * time.Second}
		question := new(dns.Msg).SetQuestion(name, dns.TypeA)

		answer, _, err := client.Exchange(question, net.JoinHostPort(gateway, "53"))
		require.NoError(t, err)

		found := []string{dns.RcodeToString[answer.Rcode]}
		for _, record := range answer.Answer {
			found = append(found, record.(*dns.A).A.String())
		}

		return found
	}

	require.Equal(t, []string{"NXDOMAIN"}, addressOf("udp", "example.test."))

	_, _, err := b.client.Domains.Create(t.Context(), &godo.DomainCreateRequest{
		Name:      "example.test",
		IPAddress: "198.51.100.77",
	})
	require.NoError(t, err)

	there := []string{"NOERROR", "198.51.100.77"}
	require.Equal(t, there, addressOf("udp", "example.test."))
	require.Equal(t, there, addressOf("tcp", "example.test."))

	b.kill()
	b.startAgain()
	require.Equal(t, there, addressOf("udp", "example.test."))
}
