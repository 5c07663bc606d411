package main

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// paceEvery is after how many bytes the cluster is asked whether it keeps up.
const paceEvery = 1 << 20

// pace holds an import back while the cluster's other nodes do not keep up: Galera would stop everybody's writes until
// they do (flow control), and the site's are among them.
type pace struct {
	server *sql.DB
	bytes  int
	paused time.Duration // how long writes have been stopped since the server's start, when it was last asked
	asked  bool
}

// after is called with the length of each statement that ran.
func (p *pace) after(ctx context.Context, length int) error {
	p.bytes += length
	if p.bytes < paceEvery {
		return nil
	}

	p.bytes = 0

	paused, err := p.flowControl(ctx)
	if err != nil {
		return err
	}

	since := paused - p.paused
	p.paused = paused

	if !p.asked {
		p.asked = true
		return nil
	}

	// As long as everybody waited for the import, it waits for everybody.
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(min(since, 5*time.Second)):
		return nil
	}
}

// flowControl is how long Galera has stopped writes since the server's start; 0 of a server without Galera.
func (p *pace) flowControl(ctx context.Context) (time.Duration, error) {
	var name string
	var nanoseconds int64

	row := p.server.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep_flow_control_paused_ns'")

	switch err := row.Scan(&name, &nanoseconds); {
	case err == sql.ErrNoRows:
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("ask whether the cluster keeps up: %w", err)
	}

	return time.Duration(nanoseconds), nil
}
