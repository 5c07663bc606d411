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
	"github.com/hornero/hornero/lab/state"
)

// beginTo tells what of this computer a Droplet reaches: a connection, and an answer to a datagram.
const beginTo = `import socket, sys
address, tcp, udp = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
def attempt(kind, port, talk):
    s = socket.socket(family, kind); s.settimeout(1)
    try:
        s.connect((address, port)); talk(s); return "reached"
    except OSError: return "lost"
connection = attempt(socket.SOCK_STREAM, tcp, lambda s: s.recv(9))
print(connection, attempt(socket.SOCK_DGRAM, udp, lambda s: (s.send(b"x"), s.recv(9))))
`

// serveOnAll answers at all addresses of this computer, by TCP and by UDP, as many a service does.
func serveOnAll(t *testing.T) (tcp, udp string) {
	t.Helper()

	listener, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })

	socket, err := net.ListenPacket("udp", ":0")
	require.NoError(t, err)
	t.Cleanup(func() { socket.Close() })

	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}

			connection.Write([]byte("secret"))
			connection.Close()
		}
	}()

	go func() {
		buffer := make([]byte, 16)
		for {
			_, from, err := socket.ReadFrom(buffer)
			if err != nil {
				return
			}

			socket.WriteTo([]byte("secret"), from)
		}
	}()

	_, tcp, err = net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	_, udp, err = net.SplitHostPort(socket.LocalAddr().String())
	require.NoError(t, err)

	return tcp, udp
}

// otherAddresses are addresses of this computer that are not the lab's: a Droplet may send packets for them to it.
func otherAddresses(t *testing.T, public netip.Prefix) []string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	require.NoError(t, err)

	var found []string

	for _, one := range all {
		address := one.(*net.IPNet).IP
		if address.To4() == nil || address.IsLoopback() || public.Contains(netip.MustParseAddr(address.String())) {
			continue
		}

		found = append(found, address.String())
	}

	return found
}

// This computer reaches its Droplets, and no Droplet begins anything with it.
func TestADropletDoesNotReachThisComputer(t *testing.T) {
	l := newLab(t)
	a := l.droplet(100001, l.base("debian-13"))
	a.IPv6 = state.IPv6Beside(a.Public)
	client := l.start(a)
	tcp, udp := serveOnAll(t)
	l.put(client, "/root/begin.py", beginTo)

	reach := func(address string) string {
		return l.run(client, strings.Join([]string{"python3 /root/begin.py", address, tcp, udp}, " "))
	}

	own := []string{l.Self().String(), l.GatewayIPv6().Next().String()}
	others := otherAddresses(t, l.Public)

	for _, other := range others {
		l.run(client, "ip route replace "+other+" via "+own[0])
	}

	for _, address := range append(others, own...) {
		require.Equal(t, "lost lost", reach(address), address)
	}

	// A lab that is started again has the fence once, and what was open stays so.
	require.NoError(t, l.Up(t.Context()))
	require.Equal(t, "lost lost", reach(own[0]))
	l.answersTo(client, a.Public)

	_, err := command.Run(t.Context(), command.Command{Args: []string{
		"ip", "netns", "exec", "hornero-" + labName, "nft", "flush chain bridge hornero_guard fence",
	}})
	require.NoError(t, err)

	for _, address := range own {
		require.Equal(t, "reached reached", reach(address), "without the fence, %s", address)
	}

	// An answer by UDP comes from the address in the lab: the Droplet takes it for a stranger's.
	for _, address := range others {
		require.Equal(t, "reached lost", reach(address), "without the fence, %s", address)
	}
}

// answersTo has a Droplet answer this computer by UDP, as it does by TCP with all that this test runs there.
func (l *testLab) answersTo(client *ssh.Client, address netip.Addr) {
	l.t.Helper()

	l.run(client, "nohup python3 -c 'import socket\n"+
		"s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((\"\", 7070))\n"+
		"while True: s.sendto(b\"answer\", s.recvfrom(16)[1])' >/dev/null 2>&1 &")

	connection, err := net.Dial("udp", netip.AddrPortFrom(address, 7070).String())
	require.NoError(l.t, err)
	defer connection.Close()

	// Until its python listens, what is sent is lost.
	require.Eventually(l.t, func() bool {
		connection.SetDeadline(time.Now().Add(200 * time.Millisecond))
		connection.Write([]byte("x"))
		buffer := make([]byte, 16)
		n, err := connection.Read(buffer)

		return err == nil && string(buffer[:n]) == "answer"
	}, 20*time.Second, 50*time.Millisecond, "the answer to what this computer asked")
}
