package peers_test

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peers"
)

// go-dqlite takes a statement's deadline back before it commits.
func TestADeadlineStandsUntilThereIsAnother(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	connection, err := peers.DialSoon(t.Context(), silent.Addr().String())
	require.NoError(t, err)
	defer connection.Close()
	late := time.AfterFunc(10*time.Second, func() { connection.Close() })
	defer late.Stop()
	for range 2 {
		require.NoError(t, connection.SetDeadline(time.Now().Add(50*time.Millisecond)))
		require.NoError(t, connection.SetDeadline(time.Time{}))
		_, err = connection.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	}
}
