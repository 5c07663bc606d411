package bootstrap

import (
	"context"
	"log/slog"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/metrics"
	"github.com/hornero/hornero/roles"
)

// Driver is Go code that runs a role where a template cannot say it. The server that it drives goes on without it.
type Driver interface {
	// Run drives until ctx ends.
	Run(ctx context.Context) error
	// Drain gives the node's work up and returns when it has.
	Drain(ctx context.Context) error
}

// Word is what a driver says of its node.
type Word struct {
	State   string
	Healthy bool
	Reason  string
	Facts   map[string]string
}

// Env is what a driver gets.
type Env struct {
	Node     cloudinit.Node
	Address  string // in the VPC
	Manifest *roles.Manifest
	Set      peerset.Set
	Facts    func() roles.Facts // of now
	Say      func(Word)
	Note     func(kind, text string) // adds an event about this node, in its own time
	Metrics  *metrics.Registry
	Log      *slog.Logger
}

// Drivers makes drivers by the name that a manifest gives.
type Drivers map[string]func(Env) (Driver, error)
