package bootstrap_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/roles"
)

// answerWithin bounds one question, on a machine that is busy with much else.
const answerWithin = 30 * time.Second

// openPort serves the health port of a node that serves, at an address of the test's own.
func openPort(t *testing.T) (*bootstrap.Agent, string) {
	t.Helper()

	agent := bootstrap.New(bootstrap.Config{
		State: t.TempDir(),
		Log:   testLog(t),
	})
	agent.Served(&fixedSet{snapshot: twoDatabases()}, "db-1")
	agent.At(loopback(9))

	background(t, func(ctx context.Context) {
		_ = agent.ServeHealth(ctx) // it ends with the test
	})

	address := net.JoinHostPort(loopback(9), strconv.Itoa(roles.HealthPort))

	eventually(t, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}

		return err == nil
	})

	return agent, address
}

// from is a dialer of another machine.
func from(host int) *net.Dialer {
	return &net.Dialer{
		LocalAddr: &net.TCPAddr{IP: net.ParseIP(loopback(host))},
		Timeout:   answerWithin,
	}
}

// asksFrom is what a checker at an address is answered.
func asksFrom(t *testing.T, host int, address string) int {
	t.Helper()

	checker := &http.Client{
		Timeout:   answerWithin,
		Transport: &http.Transport{DialContext: from(host).DialContext, DisableKeepAlives: true},
	}

	response, err := checker.Get("http://" + address + "/healthz")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())

	return response.StatusCode
}

// allocated is what the process has ever allocated, in bytes: more than it can have had at once.
func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)

	return stats.TotalAlloc
}

func TestLongHeadersTakeNoMemory(t *testing.T) {
	_, address := openPort(t)
	long := []byte("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 930<<10))
	before := allocated()

	var flood sync.WaitGroup

	for range 900 {
		flood.Go(func() {
			conn, err := from(2).Dial("tcp", address)
			if err != nil {
				return
			}
			defer conn.Close()

			// The node ends it in the middle.
			_ = conn.SetDeadline(time.Now().Add(answerWithin))
			_, _ = conn.Write(long)
			_, _ = conn.Read(make([]byte, 1))
		})
	}

	for range 10 {
		require.Equal(t, http.StatusOK, asksFrom(t, 3, address))
	}

	flood.Wait()
	require.Equal(t, http.StatusOK, asksFrom(t, 2, address))
	require.Less(t, allocated()-before, uint64(64<<20), "900 of 930 KB would be 837 MB")
}

func TestIdleConnectionsTakeNoPlaces(t *testing.T) {
	agent, address := openPort(t)

	const idle = 2000

	for range idle {
		conn, err := from(2).Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
	}

	require.Equal(t, http.StatusOK, asksFrom(t, 3, address), "another address")
	require.Equal(t, http.StatusOK, asksFrom(t, 2, address), "and a checker at the same one")

	require.GreaterOrEqual(t,
		value(t, agent, "hornero_refused_total", "reason=too_many"),
		float64(idle-32),
	)
}

func TestNobodyHoldsAConnection(t *testing.T) {
	_, address := openPort(t)

	conn, err := from(2).Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()

	require.NoError(t, conn.SetDeadline(time.Now().Add(answerWithin)))

	_, err = conn.Write([]byte("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"))
	require.NoError(t, err)

	answer, err := io.ReadAll(conn)
	require.NoError(t, err, "the node closes it")
	require.Contains(t, string(answer), "200 OK")
}
