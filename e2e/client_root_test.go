//go:build root && (chaos || bench)

package e2e_test

import (
	"context"
	"database/sql"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/machine"
)

// ports of a proxy, by what they lead to.
var proxyPorts = map[string]string{
	"writer":  ":3306",
	"readers": ":3307",
}

type quiet struct{}

func (quiet) Print(...any) {}

// through connects to the database through each proxy, from the lab's own network, as a Droplet in the VPC
// would. Params are session variables.
func (s *stack) through(port string, params map[string]string) []*sql.DB {
	s.t.Helper()

	host, err := machine.New(machine.Config{
		Name:   s.lab,
		State:  "/nowhere",
		Cache:  "/nowhere",
		Public: netip.MustParsePrefix(s.labRange),
	})
	require.NoError(s.t, err)
	mysql.RegisterDialContext("vpc", func(ctx context.Context, address string) (net.Conn, error) {
		return host.Dial(ctx, "tcp", address)
	})
	mysql.SetLogger(quiet{})

	password := s.databasePassword()
	var proxies []*sql.DB

	for _, n := range slices.SortedFunc(
		maps.Values(s.nodes()),
		func(a, b node) int {
			return strings.Compare(a.Name, b.Name)
		},
	) {
		if n.Role != "proxy" {
			continue
		}

		config := mysql.NewConfig()
		config.User = "wordpress"
		config.Passwd = password
		config.DBName = "wordpress"
		config.Net = "vpc"
		config.Addr = n.Addresses.Private + proxyPorts[port]
		config.TLSConfig = "skip-verify"
		config.Timeout = time.Second
		config.ReadTimeout = askTimeout
		config.WriteTimeout = askTimeout
		config.Params = params
		db, err := sql.Open("mysql", config.FormatDSN())
		require.NoError(s.t, err)
		s.t.Cleanup(func() { db.Close() })

		proxies = append(proxies, db)
	}

	require.Len(s.t, proxies, 2)

	return proxies
}
