//go:build root

package machine_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/lab/machine"
	"github.com/hornero/hornero/lab/state"
)

// listenRaw makes a Droplet write down, for three seconds, the sources of frames that reach its interface: what
// a guest nearby sends, not what the guest itself lets in.
const listenRaw = `import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((sys.argv[1], 0)); s.settimeout(0.2)
seen = set(); end = time.time() + 3
while time.time() < end:
    try: frame = s.recv(2048)
    except TimeoutError: continue
    if b"hornero-guard" in frame: seen.add(frame[frame.index(b"hornero-guard"):][:17].decode())
print(" ".join(sorted(seen)))
`

// sendRaw makes a Droplet send frames: as itself first, then as somebody else in every way that it can.
const sendRaw = `import socket, struct, sys, ipaddress
link, own_mac, own, other, to_mac, to = sys.argv[1:]
raw = lambda mac: bytes.fromhex(mac.replace(":", ""))
address = lambda ip: ipaddress.ip_address(ip).packed
def udp(source, target, text):
    body = struct.pack("!HHHH", 9, 9, 8 + len(text), 0) + text
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, 17, 0, address(source), address(target))
    total = sum(struct.unpack("!10H", header)); total = (total & 0xffff) + (total >> 16)
    return header[:10] + struct.pack("!H", 0xffff - total) + header[12:] + body
def arp(mac, source, text):
    return struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 2, raw(mac), address(source), raw(to_mac), address(to)) + text
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind((link, 0))
frame = lambda source, kind, body, target=to_mac: s.send(raw(target) + raw(source) + struct.pack("!H", kind) + body)
for _ in range(5):
    frame(own_mac, 0x0800, udp(own, to, b"hornero-guard own"))
    frame("02:00:00:00:00:99", 0x0800, udp(own, to, b"hornero-guard mac"))
    frame(own_mac, 0x0800, udp(other, to, b"hornero-guard adr"))
    frame(own_mac, 0x0800, udp(own, "224.0.0.18", b"hornero-guard mul"), "01:00:5e:00:00:12")
    frame(own_mac, 0x0806, arp(own_mac, other, b"hornero-guard arp"))
    frame(own_mac, 0x0806, arp("02:00:00:00:00:99", own, b"hornero-guard arm"))
    frame(own_mac, 0x88b5, b"hornero-guard eth")
`

func (l *testLab) put(client *ssh.Client, path, text string) {
	l.t.Helper()
	l.run(client, "cat > "+path+" <<'END'\n"+text+"END")
}

func TestADropletSendsOnlyAsItself(t *testing.T) {
	l := newLab(t)
	layers := l.base("debian-13")
	a, b, c := l.droplet(100001, layers), l.droplet(100002, layers), l.droplet(100003, layers)
	c.VPC = otherVPC
	sender, receiver, stranger := l.start(a), l.start(b), l.start(c)
	l.put(sender, "/root/send.py", sendRaw)

	for _, client := range []*ssh.Client{receiver, stranger} {
		l.put(client, "/root/listen.py", listenRaw)
	}

	for _, one := range []struct {
		link              string
		from, other, to   netip.Addr
		client            *ssh.Client
		receiverIsOutside bool
	}{
		{
			link:              "eth1",
			from:              a.Private,
			other:             netip.MustParseAddr("10.108.0.77"),
			to:                b.Private,
			client:            receiver,
			receiverIsOutside: false,
		},
		{
			link:              "eth0",
			from:              a.Public,
			other:             b.Public.Next().Next(),
			to:                b.Public,
			client:            receiver,
			receiverIsOutside: false,
		},
		{
			link:              "eth1",
			from:              a.Private,
			other:             netip.MustParseAddr("10.108.0.77"),
			to:                c.Private,
			client:            stranger,
			receiverIsOutside: true,
		},
	} {
		heard := make(chan string, 1)
		go func() {
			text, err := try(one.client, "python3 /root/listen.py "+one.link)
			if err != nil {
				text = err.Error() + text
			}

			heard <- text
		}()

		time.Sleep(time.Second) // until its python listens

		l.run(sender, strings.Join([]string{
			"python3 /root/send.py",
			one.link,
			machine.MAC(one.from).String(),
			one.from.String(),
			one.other.String(),
			machine.MAC(one.to).String(),
			one.to.String(),
		}, " "))

		want := "hornero-guard own"
		if one.receiverIsOutside {
			want = "" // not a frame leaves its VPC
		}

		require.Equal(t, want, <-heard, one.link)
	}

	// The guest may give itself any address; the guard in the fabric drops what it sends from there.
	l.run(sender, "ip address add 10.108.0.99/20 dev eth1")

	require.Equal(t,
		"lost",
		l.run(
			sender,
			"ping -c 1 -W 1 -I 10.108.0.99 "+b.Private.String()+" >/dev/null && echo answered || echo lost",
		),
	)

	require.Equal(t,
		"answered",
		l.run(
			sender,
			"ping -c 1 -W 1 "+b.Private.String()+" >/dev/null && echo answered || echo lost",
		),
	)
}

func TestIPv6(t *testing.T) {
	l := newLab(t)
	layers := l.base("debian-13")
	a, b, c := l.droplet(100001, layers), l.droplet(100002, layers), l.droplet(100003, layers)
	a.IPv6, b.IPv6 = state.IPv6Beside(a.Public), state.IPv6Beside(b.Public)
	one, three := l.start(a), l.start(c)
	l.start(b)

	opens := func(to netip.Addr) bool {
		connection, err := net.DialTimeout("tcp", net.JoinHostPort(to.String(), "22"), time.Second)
		if err == nil {
			connection.Close()
		}

		return err == nil
	}
	require.True(t, opens(a.IPv6), "from this computer")

	from := func(client *ssh.Client, to netip.Addr) string {
		return l.run(
			client,
			"timeout 2 bash -c 'exec 3<>/dev/tcp/"+to.String()+"/22' 2>/dev/null && echo yes || echo no",
		)
	}
	require.Equal(t, "yes", from(one, b.IPv6))
	require.Equal(t, "no", from(three, b.IPv6), "a Droplet without IPv6 has none")

	require.Equal(t,
		"no",
		from(one, netip.MustParseAddr("2001:db8:ffff::1")),
		"nothing leaves the lab",
	)

	// nodad, because a tentative address could not be used for sending at once.
	another := state.IPv6Beside(l.address(0x77)).String()
	l.run(one, "ip -6 address add "+another+"/64 dev eth0 nodad")

	require.Equal(t,
		"lost",
		l.run(one,
			"ping -6 -c 1 -W 1 -I "+another+" "+b.IPv6.String()+
				" >/dev/null && echo answered || echo lost",
		),
	)

	l.run(one, "ip -6 address del "+another+"/64 dev eth0")

	require.NoError(t, l.EnableIPv6(c.ID, state.IPv6Beside(c.Public)))
	require.Equal(t, "yes", from(three, b.IPv6), "given later")
	require.NoError(t, l.Up(t.Context()))
	require.True(t, opens(a.IPv6), "a lab that is started again leaves it alone")

	require.NoError(t, l.SetFirewalls(t.Context(), []machine.DropletFirewall{{
		Droplet:   b.ID,
		Public:    b.Public,
		Addresses: []netip.Addr{b.Private, b.IPv6},
		Inbound: []machine.FirewallRule{{
			Protocol: "tcp",
			First:    22,
			Last:     22,
			Peers:    []netip.Prefix{netip.PrefixFrom(a.IPv6, 128)},
		}},
	}}))

	require.Equal(t, "yes", from(one, b.IPv6), "the firewall lets it in")
	require.Equal(t, "no", from(three, b.IPv6))
	require.False(t, opens(b.IPv6))
	require.NoError(t, l.SetFirewalls(t.Context(), nil))
	require.True(t, opens(b.IPv6))
}

func TestADropletWithItsVPCOnly(t *testing.T) {
	l := newLab(t)
	layers := l.base("debian-13")
	a, b := l.droplet(100001, layers), l.droplet(100002, layers)
	b.Public = netip.Addr{}
	client := l.start(a)
	require.NoError(t, l.Create(t.Context(), b))
	require.NoError(t, l.Start(t.Context(), b.ID))

	require.Eventually(t, func() bool {
		text, err := try(client, "timeout 1 bash -c 'exec 3<>/dev/tcp/"+b.Private.String()+"/22'")
		return err == nil && text == ""
	}, 20*time.Second, 100*time.Millisecond, "its sshd answers in the VPC")

	text, err := command.Run(
		t.Context(),
		command.Command{Args: []string{
			"ip",
			"netns",
			"exec",
			l.Namespace("100002"),
			"ip",
			"-br",
			"address",
		}},
	)
	require.NoError(t, err)
	require.Contains(t, text, "eth0")
	require.NotContains(t, text, "eth1")
	require.NotContains(t, text, "10.10.", "no anchor address")

	listener, err := l.Listen("tcp", machine.MetadataAddress().String()+":80")
	require.NoError(t, err)
	defer listener.Close()

	connection, err := l.DialIn(t.Context(), b.ID, "tcp", machine.MetadataAddress().String()+":80")
	require.NoError(t, err, "the metadata service is there")
	connection.Close()

	require.False(t,
		reaches(t, l, b, l.Gateway().String()),
		"the public network is not",
	)

	require.NoError(t, l.Links(b.ID, false))
	require.NoError(t, l.Links(b.ID, true))
}
