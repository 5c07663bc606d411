package peers_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// idleFrom opens connections from an address that say nothing.
func (d *doors) idleFrom(from, count int, port string) {
	d.t.Helper()

	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(d.address(from))}}

	for range count {
		conn, err := dialer.Dial("tcp", port)
		require.NoError(d.t, err)
		d.t.Cleanup(func() { conn.Close() })
	}
}

// countTooMany takes what is told and counts the connections that were too many.
func (d *doors) countTooMany() *atomic.Int32 {
	var many atomic.Int32

	go func() {
		for {
			select {
			case r := <-d.told:
				if r.Reason == peerset.ReasonTooMany {
					many.Add(1)
				}
			case <-d.t.Context().Done():
				return
			}
		}
	}()

	return &many
}

func TestIdleConnectionsKeepNobodyOut(t *testing.T) {
	t.Parallel()

	d := openDoors(t)
	many := d.countTooMany()

	pair := d.issue("test", "db", "db-1", peerset.KindMember)
	agent := as(t, &pair)
	flooder := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(d.address(9))}}

	held, err := tls.DialWithDialer(flooder, "tcp", strings.TrimPrefix(d.api, "https://"), agent)
	require.NoError(t, err)
	defer held.Close()

	require.Equal(t, http.StatusOK, ask(t, held), "it has shown its certificate")

	d.idleFrom(9, 200, strings.TrimPrefix(d.api, "https://"))
	d.idleFrom(9, 200, d.dqlite())

	require.Equal(t, http.StatusOK, ask(t, held), "what a node of that address has open stays open")

	status, said := d.post(agent, 8, "/v1/report", `{"state":"synced"}`)
	require.Equal(t, http.StatusOK, status, said)
	require.NoError(t, d.knock(agent))

	require.Eventually(t, func() bool { return many.Load() >= 2*(200-33) }, 30*time.Second, time.Millisecond)
}

func TestALongHeaderIsNotRead(t *testing.T) {
	t.Parallel()

	d := openDoors(t)
	pair := d.issue("test", "db", "db-1", peerset.KindMember)

	conn, err := tls.Dial("tcp", strings.TrimPrefix(d.api, "https://"), as(t, &pair))
	require.NoError(t, err)
	defer conn.Close()

	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))

	// The member ends it in the middle of what is too long.
	_, _ = conn.Write([]byte("GET /v1/peers HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 10<<10)))

	answer := make([]byte, len("HTTP/1.1 431"))
	_, err = io.ReadFull(conn, answer)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 431", string(answer))
}

// ask sends a request on an open connection.
func ask(t *testing.T, conn net.Conn) int {
	t.Helper()
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))

	_, err := conn.Write([]byte("GET /v1/events?n=1 HTTP/1.1\r\nHost: x\r\n\r\n"))
	require.NoError(t, err)

	answer := make([]byte, 64<<10)
	count, err := conn.Read(answer)
	require.NoError(t, err)
	require.Contains(t, string(answer[:count]), "200 OK")

	return http.StatusOK
}
