package galera

import (
	"context"
	"time"
)

// Unit is the server's unit.
type Unit interface {
	// State returns what the unit does; a server that is active counts as starting until it answers SQL.
	State(ctx context.Context) (Process, error)
	// Start asks for a start as a member and does not wait for it.
	Start(ctx context.Context) error
	// Bootstrap starts the server as the first of a new primary component and returns when it is up. Nothing of it
	// stays behind for the next start.
	Bootstrap(ctx context.Context) error
	// Stop asks for a stop and does not wait for it.
	Stop(ctx context.Context) error
	// Kill ends a server that is still starting, and what it runs: it hears no request to stop before it
	// serves, and may hang for ever at one that it heard too early.
	Kill(ctx context.Context) error
	// Trouble returns the errors that the server wrote to its journal since a moment.
	Trouble(ctx context.Context, since time.Time) Trouble
}

// Database is the running server.
type Database interface {
	// Probe asks the server for its own view; an error means that it does not answer.
	Probe(ctx context.Context) (Wsrep, error)
	// Apply runs the file of users and grants. It may run again: every statement is idempotent.
	Apply(ctx context.Context, path string) error
	// Disconnect ends the sessions of clients that are in no transaction, and returns how many are left.
	Disconnect(ctx context.Context) (int, error)
	// TakeWrites lets clients write. RefuseWrites makes them only read, but not what Galera applies nor root; while a
	// client is in a transaction it leaves that for later, unless such clients are to be cut off.
	TakeWrites(ctx context.Context) error
	RefuseWrites(ctx context.Context, cutOff bool) error
	// Reform makes the running non-primary component primary.
	Reform(ctx context.Context) error
	// Evict takes a member that has ended out of Galera's view at once; "" forgets all who were evicted.
	Evict(ctx context.Context, member string) error
	// Ended tells of a server that answered a probe and has ended since: the member of Galera's view that it was.
	Ended() <-chan string
}

// Data is the data directory of a stopped server.
type Data interface {
	// Inspect tells what is there, without starting anything.
	Inspect() (Content, Position, error)
	// Recover finds the position of a crashed server.
	Recover(ctx context.Context) (Position, error)
	// Wipe removes everything.
	Wipe() error
	// SetPosition makes the server start from a position; bootstrap also lets it begin a primary component there.
	SetPosition(position Position, bootstrap bool) error
	// ForgetView lets the next server begin as another member of Galera's views than the last.
	ForgetView() error
	// MarkGone leaves, for every later start of the agent, that an incarnation is gone and why; GoneReason reads it.
	MarkGone(incarnation int, why string) error
	GoneReason(incarnation int) (string, error)
	// Seed names the pristine directory: all that were baked together, and no others, have the same name; "" for
	// none.
	Seed() (string, error)
	// ClearPristine marks the directory as no longer pristine.
	ClearPristine() error
	// Transferring tells whether a state transfer into the directory is under way. BeginTransfer marks that one was
	// seen, and EndTransfer that the server got through it.
	Transferring() bool
	BeginTransfer() error
	EndTransfer() error
	// Space tells how much of the file system is left.
	Space() (Space, error)
	// Progress changes while bytes move into the directory.
	Progress() (string, error)
}
