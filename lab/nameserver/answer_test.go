package nameserver_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/nameserver"
	"github.com/hornero/hornero/lab/state"
)

// served is an account whose names are answered on loopback.
type served struct {
	account atomic.Pointer[state.Document]
	address string
}

func serve(t *testing.T, domains ...state.Domain) *served {
	t.Helper()

	stream, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)

	s := &served{address: stream.Addr().String()}
	s.account.Store(&state.Document{Domains: domains})

	datagrams, err := net.ListenPacket("udp", s.address)
	require.NoError(t, err)

	server := nameserver.Serve(nameserver.Handler(s.account.Load), stream, datagrams)
	t.Cleanup(func() { require.NoError(t, server.Close()) })

	return s
}

// ask asks by UDP or TCP, and wants an answer.
func (s *served) ask(t *testing.T, network, name string, kind uint16) *dns.Msg {
	t.Helper()

	client := &dns.Client{Net: network, Timeout: 10 * time.Second}
	question := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)

	answer, _, err := client.Exchange(question, s.address)
	require.NoError(t, err)

	return answer
}

// domain makes a domain of records, one a line: name, type and data.
func domain(name, lines string) state.Domain {
	made := state.Domain{
		Name:    name,
		TTL:     1800,
		Created: time.Unix(1700000000, 0),
	}

	for line := range strings.Lines(strings.TrimSpace(lines)) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 3)
		made.Records = append(made.Records, record(fields[0], fields[1], fields[2]))
	}

	return made
}

func record(name, kind, data string) state.Record {
	return state.Record{
		Type:     kind,
		Name:     name,
		Data:     data,
		TTL:      30,
		Priority: new(10),
		Weight:   new(2),
		Port:     new(5060),
		Flags:    new(0),
		Tag:      new("issue"),
	}
}

// account is one with three domains. No zone can hold a label of 64 letters.
func account() []state.Domain {
	org := domain("example.org", `
@ NS ns1.digitalocean.com
@ A 198.51.100.9
@ AAAA 2001:db8::9
@ MX mail.example.org
@ CAA letsencrypt.org
@ TXT v="1" \ ü
many A 198.51.100.1
many A 198.51.100.2
www CNAME @
shop CNAME www.example.org
short CNAME many
other CNAME www.example.com
away CNAME www.example.net
round CNAME about.example.org
about CNAME round.example.org
*.apps A 198.51.100.3
one.apps A 198.51.100.4
deep.below A 198.51.100.5
_sip._tcp SRV sip.example.org
`)
	org.Records = append(org.Records, record(strings.Repeat("x", 64), "A", "198.51.100.6"))

	return []state.Domain{
		org,
		domain("example.com", "www A 198.51.100.7"),
		domain("sub.example.com", "a A 198.51.100.8"),
	}
}

// said is what an answer says in short: its code, and its records without their TTL and class.
func said(answer *dns.Msg) string {
	lines := []string{dns.RcodeToString[answer.Rcode]}

	for _, record := range answer.Answer {
		fields := strings.Fields(record.String())
		lines = append(lines, strings.Join(slices.Delete(fields, 1, 3), " "))
	}

	return strings.Join(lines, "; ")
}

// questions are a name, what is asked for, and what the answer says.
const questions = `
example.org A = NOERROR; example.org. A 198.51.100.9
Example.ORG A = NOERROR; Example.ORG. A 198.51.100.9
example.org AAAA = NOERROR; example.org. AAAA 2001:db8::9
many.example.org A = NOERROR; many.example.org. A 198.51.100.1; many.example.org. A 198.51.100.2
many.example.org AAAA = NOERROR
none.example.org A = NXDOMAIN

www.example.org A = NOERROR; www.example.org. CNAME example.org.; example.org. A 198.51.100.9
www.example.org CNAME = NOERROR; www.example.org. CNAME example.org.
shop.example.org CNAME = NOERROR; shop.example.org. CNAME www.example.org.
short.example.org AAAA = NOERROR; short.example.org. CNAME many.example.org.
other.example.org A = NOERROR; other.example.org. CNAME www.example.com.; www.example.com. A 198.51.100.7
away.example.org A = NXDOMAIN; away.example.org. CNAME www.example.net.
round.example.org A = SERVFAIL

two.apps.example.org A = NOERROR; two.apps.example.org. A 198.51.100.3
x.two.apps.example.org A = NOERROR; x.two.apps.example.org. A 198.51.100.3
two.apps.example.org AAAA = NOERROR
one.apps.example.org A = NOERROR; one.apps.example.org. A 198.51.100.4
x.one.apps.example.org A = NXDOMAIN
apps.example.org A = NOERROR
below.example.org A = NOERROR
deep.below.example.org A = NOERROR; deep.below.example.org. A 198.51.100.5

example.org NS = NOERROR; example.org. NS ns1.digitalocean.com.
example.org MX = NOERROR; example.org. MX 10 mail.example.org.
example.org TXT = NOERROR; example.org. TXT "v=\"1\" \\ \195\188"
example.org CAA = NOERROR; example.org. CAA 0 issue "letsencrypt.org"
_sip._tcp.example.org SRV = NOERROR; _sip._tcp.example.org. SRV 10 2 5060 sip.example.org.

a.sub.example.com A = NOERROR; a.sub.example.com. A 198.51.100.8
example.com A = NOERROR
anexample.org A = NXDOMAIN
www.example.net A = NXDOMAIN
9.100.51.198.in-addr.arpa PTR = NXDOMAIN
. NS = NXDOMAIN
`

func TestNamesOfTheAccount(t *testing.T) {
	s := serve(t, account()...)

	for line := range strings.Lines(questions) {
		asked, want, there := strings.Cut(strings.TrimSpace(line), " = ")
		if !there {
			continue
		}

		name, kind, _ := strings.Cut(asked, " ")

		for _, network := range []string{"udp", "tcp"} {
			answer := s.ask(t, network, name, dns.StringToType[kind])
			require.Equal(t, want, said(answer), "%s by %s", asked, network)

			// A client that wants to be led on believes nobody else.
			require.True(t, answer.RecursionAvailable, asked)
		}
	}

	start := s.ask(t, "udp", "example.org", dns.TypeSOA)
	require.Len(t, start.Answer, 1)
	require.EqualValues(t, 1700000000, start.Answer[0].(*dns.SOA).Serial)

	none := s.ask(t, "udp", strings.Repeat("x", 63)+".example.org", dns.TypeA)
	require.Equal(t, "NXDOMAIN", said(none))
}

// Who keeps answers must know for how long.
func TestAnAnswerTellsHowLongItLasts(t *testing.T) {
	s := serve(t, account()...)

	there := s.ask(t, "udp", "many.example.org", dns.TypeA)
	require.EqualValues(t, 30, there.Answer[0].Header().Ttl)
	require.Empty(t, there.Ns)

	for _, name := range []string{"none.example.org", "below.example.org"} {
		none := s.ask(t, "udp", name, dns.TypeA)
		require.Empty(t, none.Answer)
		require.Len(t, none.Ns, 1, name)

		start := none.Ns[0].(*dns.SOA)
		require.EqualValues(t, 1800, min(start.Hdr.Ttl, start.Minttl), name)
	}
}

// A record counts from the next question on.
func TestRecordsFollowTheAccount(t *testing.T) {
	s := serve(t, domain("example.org", "@ A 198.51.100.1"))
	require.Equal(t, "NXDOMAIN", said(s.ask(t, "udp", "www.example.org", dns.TypeA)))

	changed := domain("example.org", "www A 198.51.100.9")
	s.account.Store(&state.Document{Domains: []state.Domain{changed}})

	answer := s.ask(t, "udp", "www.example.org", dns.TypeA)
	require.Equal(t, "NOERROR; www.example.org. A 198.51.100.9", said(answer))
}

// What is too long for a datagram says so, and comes whole by TCP.
func TestALongAnswerIsCut(t *testing.T) {
	var records strings.Builder
	for i := range 100 {
		fmt.Fprintf(&records, "www A 198.51.100.%d\n", i)
	}

	s := serve(t, domain("example.org", records.String()))

	cut := s.ask(t, "udp", "www.example.org", dns.TypeA)
	require.True(t, cut.Truncated)
	require.NotEmpty(t, cut.Answer)

	whole := s.ask(t, "tcp", "www.example.org", dns.TypeA)
	require.False(t, whole.Truncated)
	require.Len(t, whole.Answer, 100)

	// Who has more room gets more.
	client := &dns.Client{Timeout: 10 * time.Second}
	question := new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA).SetEdns0(4096, false)

	roomy, _, err := client.Exchange(question, s.address)
	require.NoError(t, err)
	require.False(t, roomy.Truncated)
	require.Len(t, roomy.Answer, 100)
	require.NotNil(t, roomy.IsEdns0())
}

// Nobody else's zone is changed here, and what is no question is refused.
func TestOnlyQuestionsAreAnswered(t *testing.T) {
	s := serve(t, account()...)
	client := &dns.Client{Timeout: 10 * time.Second}

	update := new(dns.Msg).SetUpdate("example.org.")
	answer, _, err := client.Exchange(update, s.address)
	require.NoError(t, err)
	require.Equal(t, dns.RcodeNotImplemented, answer.Rcode)

	none := new(dns.Msg)
	none.Id = dns.Id()
	answer, _, err = client.Exchange(none, s.address)
	require.NoError(t, err)
	require.Equal(t, dns.RcodeFormatError, answer.Rcode)
}
