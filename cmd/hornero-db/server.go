package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"os"

	"github.com/go-sql-driver/mysql"
)

// socketPath is where MariaDB listens for those on the node; tests have another.
func socketPath() string {
	return cmp.Or(os.Getenv("MYSQL_UNIX_PORT"), "/run/mysqld/mysqld.sock")
}

// connect opens the node's own server as root, which it knows by the socket.
func connect(ctx context.Context) (*sql.DB, error) {
	config := mysql.NewConfig()
	config.User = "root"
	config.Net = "unix"
	config.Addr = socketPath()
	config.MaxAllowedPacket = 0 // what the server takes

	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}

	server := sql.OpenDB(connector)
	if err := server.PingContext(ctx); err != nil {
		_ = server.Close()
		return nil, fmt.Errorf("reach the node's MariaDB: %w", err)
	}

	return server, nil
}

// words asks for rows of one text each.
func words(ctx context.Context, server *sql.DB, query string, args ...any) ([]string, error) {
	rows, err := server.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()

	var list []string

	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}

		list = append(list, text)
	}

	return list, rows.Err()
}
