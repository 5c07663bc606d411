package roles_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

// The addresses of this process on loopback: the web node's HAProxy, and two proxies with the ports that they
// have in a stack.
var (
	rerouteNet = fmt.Sprintf("127.%d.%d.", 64+os.Getpid()>>8%128, os.Getpid()%256)
	rerouteWeb = rerouteNet + "9"
	rerouteOne = rerouteNet + "1"
	rerouteTwo = rerouteNet + "2"
)

// greet greets every connection with a name, like a proxy that leads to a database.
func greet(t *testing.T, address, name string) net.Listener {
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go greetAll(listener, name)

	return listener
}

func greetAll(listener net.Listener, name string) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}

		fmt.Fprintln(connection, name)
		connection.Close()
	}
}

// healthy answers checks as the agent of a proxy does.
func healthy(t *testing.T, address string) *http.Server {
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "9200"))
	require.NoError(t, err)

	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "serving")
		}),
		ReadHeaderTimeout: time.Second,
	}
	server.SetKeepAlivesEnabled(false)
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })

	return server
}

// blackhole takes no connection and refuses none, like a machine that is gone: the kernel drops what its full
// queue has no room for.
func blackhole(t *testing.T, address string, port int) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	require.NoError(t, syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))

	at := &syscall.SockaddrInet4{
		Port: port,
		Addr: [4]byte(net.ParseIP(address).To4()),
	}
	require.NoError(t, syscall.Bind(fd, at))
	require.NoError(t, syscall.Listen(fd, 0))

	// One that is dropped may be due to a machine with other work; three in a row are due to the full queue.
	target := net.JoinHostPort(address, strconv.Itoa(port))
	for dropped := 0; dropped < 3; {
		connection, err := net.DialTimeout("tcp", target, 100*time.Millisecond)
		if err != nil {
			dropped++
			continue
		}

		dropped = 0
		t.Cleanup(func() { connection.Close() })
	}
}

// privilegedLines need a user and folders that this machine need not have.
var privilegedLines = regexp.MustCompile(`(?m)^\t(chroot|stats|user|group|log stdout) .*\n`)

// webHAProxy runs HAProxy with what a web node of a stack with two proxies is given.
func webHAProxy(t *testing.T) {
	facts := nodeFacts("web", "debian-13")
	facts.Peers["proxy"] = []roles.PeerFact{
		{
			Name:    "proxy-1",
			Address: rerouteOne,
			Healthy: true,
		},
		{
			Name:    "proxy-2",
			Address: rerouteTwo,
			Healthy: true,
		},
	}

	text := render(t, "web", facts)["/etc/haproxy/haproxy.cfg"]
	text = privilegedLines.ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, "bind 127.0.0.1:3306", "bind "+rerouteWeb+":3306")

	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))

	var said bytes.Buffer
	command := exec.Command("haproxy", "-db", "-f", path)
	command.Stdout = &said
	command.Stderr = &said
	require.NoError(t, command.Start())

	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
		t.Log(said.String())
	})

	answers := func() bool {
		name, _ := session()
		return name != ""
	}
	require.Eventually(t, answers, 5*time.Second, 20*time.Millisecond, "HAProxy answers")
}

// session opens one as PHP would, and tells which proxy greeted it and after how long; no name when none did.
func session() (string, time.Duration) {
	started := time.Now()
	connection, err := net.DialTimeout("tcp", rerouteWeb+":3306", 5*time.Second)
	if err != nil {
		return "", time.Since(started)
	}
	defer connection.Close()

	connection.SetReadDeadline(time.Now().Add(5 * time.Second))

	name, _ := bufio.NewReader(connection).ReadString('\n')

	return strings.TrimSpace(name), time.Since(started)
}

// slowest opens sessions one after another for a time, and tells how long all but a hundredth of them took at
// most: the machine that tests has other work, too. All but a few must be served, and by the proxy that is
// left.
func slowest(t *testing.T, span time.Duration, few int) time.Duration {
	var times []time.Duration
	lost := 0
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()

	for end := time.Now().Add(span); time.Now().Before(end); <-pace.C {
		name, took := session()
		times = append(times, took)

		if name == "" {
			lost++
			continue
		}

		require.Equal(t, "proxy-2", name, "session %d after %s", len(times), took)
	}

	slices.Sort(times)

	count := len(times)
	half := times[count/2]
	most := times[count*99/100]
	longest := times[count-1]
	t.Logf("%d sessions: half took %s at most, 99 of 100 took %s, the slowest %s, %d lost",
		count, half, most, longest, lost)

	require.LessOrEqual(t, lost, max(few, len(times)/100), "sessions lost")

	return most
}

// The proxy's HAProxy is gone, and its agent does not know yet.
func TestADeadProxyIsRoutedAround(t *testing.T) {
	one := greet(t, rerouteOne+":3306", "proxy-1")
	greet(t, rerouteTwo+":3306", "proxy-2")
	healthy(t, rerouteOne)
	healthy(t, rerouteTwo)
	webHAProxy(t)
	require.NoError(t, one.Close())

	longest := slowest(t, 2*time.Second, 0)
	require.Less(t, longest, 250*time.Millisecond, "no session waits for a connection that nobody takes")
}

// Nothing of the machine answers, and nothing refuses.
func TestAVanishedMachineIsRoutedAround(t *testing.T) {
	one := greet(t, rerouteOne+":3306", "proxy-1")
	greet(t, rerouteTwo+":3306", "proxy-2")

	agent := healthy(t, rerouteOne)
	healthy(t, rerouteTwo)
	webHAProxy(t)
	require.NoError(t, one.Close())
	require.NoError(t, agent.Close())
	blackhole(t, rerouteOne, 3306)
	blackhole(t, rerouteOne, 9200)

	// One may be lost: HAProxy ends what is on its way to a server in the moment when that is marked down.
	longest := slowest(t, 2*time.Second, 1)
	require.Less(t, longest, 400*time.Millisecond, "until the checks find it out")

	longest = slowest(t, time.Second, 0)
	require.Less(t, longest, 250*time.Millisecond, "afterwards")
}

// Sessions wait for the only proxy as long as a restart takes.
func TestTheOnlyProxyMayRestart(t *testing.T) {
	one := greet(t, rerouteOne+":3306", "proxy-1")
	two := greet(t, rerouteTwo+":3306", "proxy-2")
	agent := healthy(t, rerouteOne)
	healthy(t, rerouteTwo)
	webHAProxy(t)
	require.NoError(t, one.Close())
	require.NoError(t, agent.Close())

	rerouted := func() bool {
		_, took := session()
		return took < 5*time.Millisecond
	}
	require.Eventually(t, rerouted, 5*time.Second, 100*time.Millisecond)

	slowest(t, 2*time.Second, 1) // proxy-1 is known to be down
	require.NoError(t, two.Close())

	// Only the test's own goroutine may end the test, so the error comes back to it.
	restarted := make(chan error, 1)
	go func() {
		time.Sleep(time.Second)

		listener, err := net.Listen("tcp", rerouteTwo+":3306")
		if err == nil {
			t.Cleanup(func() { listener.Close() })
			go greetAll(listener, "proxy-2")
		}

		restarted <- err
	}()

	name, took := session()
	require.NoError(t, <-restarted)
	t.Logf("a session waited %s", took)
	require.Equal(t, "proxy-2", name)
}
