package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-sql-driver/mysql"
)

// notes are kept in the stack's database.
type notes struct {
	db *sql.DB
}

// schema may be applied again, and by two nodes at once.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS notes (
		id BIGINT AUTO_INCREMENT PRIMARY KEY,
		text VARCHAR(200) NOT NULL,
		node VARCHAR(64) NOT NULL
	)`,
	`CREATE TABLE IF NOT EXISTS counts (
		id BIGINT AUTO_INCREMENT PRIMARY KEY,
		node VARCHAR(64) NOT NULL,
		notes BIGINT NOT NULL
	)`,
}

func openNotes(ctx context.Context, from database) (*notes, error) {
	pem, err := os.ReadFile(from.CA)
	if err != nil {
		return nil, fmt.Errorf("read the database's authority: %w", err)
	}

	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read the database's authority: %s holds no certificate", from.CA)
	}

	settings := mysql.NewConfig()
	settings.Net = "tcp"
	settings.Addr = from.Address
	settings.User = from.User
	settings.Passwd = from.Password
	settings.DBName = from.Name
	settings.Timeout = 5 * time.Second
	settings.TLS = &tls.Config{
		RootCAs:    trusted,
		ServerName: from.Server,
	}

	connector, err := mysql.NewConnector(settings)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}

	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(20)

	// A session ends when the writer moves: none is kept for long.
	db.SetConnMaxLifetime(time.Minute)

	opened := &notes{db: db}

	return opened, opened.retry(ctx, func(ctx context.Context) error {
		for _, statement := range schema {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				return err
			}
		}

		return nil
	})
}

func (n *notes) close() { n.db.Close() }

// retryFor is longer than the move of the database's writer takes.
const retryFor = 15 * time.Second

// retry repeats what a move of the writer broke off, until the context ends or too much time went by.
func (n *notes) retry(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, retryFor)
	defer cancel()

	for {
		err := work(ctx)

		var refused *mysql.MySQLError
		isMeant := errors.As(err, &refused) && refused.Number != deadlock && refused.Number != notReady

		if err == nil || isMeant {
			return err
		}

		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Errors of MariaDB's that another attempt mends.
const (
	deadlock = 1213 // also: another node wrote the same row
	notReady = 1047 // the node is on its way out of the cluster, or in
)

func (n *notes) add(ctx context.Context, text, node string) error {
	return n.retry(ctx, func(ctx context.Context) error {
		_, err := n.db.ExecContext(ctx, `INSERT INTO notes (text, node) VALUES (?, ?)`, text, node)
		return err
	})
}

// number is how many notes there are.
func (n *notes) number(ctx context.Context) (int, error) {
	var number int
	err := n.retry(ctx, func(ctx context.Context) error {
		return n.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM notes`).Scan(&number)
	})

	return number, err
}

func (n *notes) newest(ctx context.Context, limit int) ([]string, error) {
	rows, err := n.db.QueryContext(ctx, `SELECT text FROM notes ORDER BY id DESC LIMIT ?`, limit)
	if err != nil {
		return nil, fmt.Errorf("list notes: %w", err)
	}
	defer rows.Close()

	var list []string

	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("list notes: %w", err)
		}

		list = append(list, text)
	}

	return list, rows.Err()
}

// count writes down how many notes there are: the task that one node does for all.
func (n *notes) count(ctx context.Context, node string) error {
	return n.retry(ctx, func(ctx context.Context) error {
		_, err := n.db.ExecContext(ctx,
			`INSERT INTO counts (node, notes) SELECT ?, COUNT(*) FROM notes`,
			node,
		)
		return err
	})
}

// ping tells whether the database answers now.
func (n *notes) ping(ctx context.Context) error {
	return n.db.PingContext(ctx)
}
