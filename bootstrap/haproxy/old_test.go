package haproxy_test

import (
	"bufio"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/haproxy"
)

// stateOf17 is "show servers state" of HAProxy 1.7 (Management Guide 1.7, 9.3): version 1 of the format, which
// ends before the fields of later releases (srv_fqdn, srv_port, ...).
const stateOf17 = "1\n" +
	"# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight" +
	" srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state" +
	" srv_agent_state bk_f_forced_id srv_f_forced_id\n" +
	`4 writer 1 db-1 10.108.0.11 2 0 1 1 26 1 0 1 0 0 0 0
5 readers 1 db-1 10.108.0.11 2 0 1 1 26 15 3 3 6 0 0 0
5 readers 2 db-2 127.0.0.1 0 5 1 1 26 1 0 0 8 0 0 0

`

// HAProxy 1.7 has no master process and says less about its servers; the driver needs no more.
func TestHAProxy17IsUnderstood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	listener, err := net.Listen("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })

	asked := make(chan string, 1)
	go func() {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		defer connection.Close()

		line, _ := bufio.NewReader(connection).ReadString('\n')
		asked <- line
		_, _ = connection.Write([]byte(stateOf17))
	}()

	socket := haproxy.Socket{
		Path:   path,
		Master: filepath.Join(t.TempDir(), "none.sock"),
	}

	servers, err := socket.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, "show servers state\n", <-asked)

	require.Equal(t, []haproxy.Server{
		{
			Backend: "writer",
			Name:    "db-1",
			Address: "10.108.0.11",
			Weight:  1,
			Up:      true,
			Health:  1,
		},
		{
			Backend: "readers",
			Name:    "db-1",
			Address: "10.108.0.11",
			Weight:  1,
			Up:      true,
			Passed:  true,
			Health:  3,
		},
		{
			Backend:     "readers",
			Name:        "db-2",
			Address:     "127.0.0.1",
			Weight:      1,
			Maintenance: true,
		},
	}, servers)

	left, err := socket.Left(t.Context())
	require.NoError(t, err)
	require.Empty(t, left)
}
