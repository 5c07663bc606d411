package media

import "context"

// Evict removes files here until they take at most room bytes.
func (d *Daemon) Evict(room int64) (int, error) { return d.library.evict(room, restWhile) }

// CompareNow has all paths compared.
func (d *Daemon) CompareNow() { d.bell.Ring() }

// Fetch brings a file here.
func (d *Daemon) Fetch(ctx context.Context, name string) error { return d.library.Fetch(ctx, name) }

// Listed tells whether all that the Space holds is known.
func (d *Daemon) Listed() bool { return d.spaces != nil && d.spaces.listed.Load() }
