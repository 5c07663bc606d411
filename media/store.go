package media

import (
	"context"
	"io"
)

// Store is where files are kept besides here.
type Store interface {
	// Keep keeps a version of a file, and returns who has it.
	Keep(ctx context.Context, entry Entry, open func() (io.ReadCloser, error)) (holders []string, err error)
	// Remove keeps a deletion.
	Remove(ctx context.Context, entry Entry) (holders []string, err error)
	// Fetch opens what the store has at a path; ErrNotThere where it has nothing. known is what this node knows of it.
	Fetch(ctx context.Context, path string, known Entry) (Entry, io.ReadCloser, error)
}

// alone keeps nothing elsewhere: what is here is all there is.
type alone struct{}

func (alone) Keep(context.Context, Entry, func() (io.ReadCloser, error)) ([]string, error) {
	return nil, nil
}

func (alone) Remove(context.Context, Entry) ([]string, error) { return nil, nil }

func (alone) Fetch(context.Context, string, Entry) (Entry, io.ReadCloser, error) {
	return Entry{}, nil, ErrNotThere
}
