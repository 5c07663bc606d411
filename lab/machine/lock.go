package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lockFile takes a lock that all processes of this computer see; it goes with its holder. Whoever holds it may remove
// the file.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	var lock *os.File
	var problem error
	err = until(ctx, func() bool {
		lock, problem = tryLock(path)
		return lock != nil || problem != nil
	})
	if err := errors.Join(err, problem); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}

	return func() { lock.Close() }, nil
}

// tryLock takes the lock when it is free. A file that was removed before it was locked is no lock: nobody else
// will see it.
func tryLock(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}

	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) { // its folder went meanwhile
		return nil, nil
	} else if err != nil {
		return nil, err
	}

	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil && stillAt(lock, path) {
		return lock, nil
	}

	// Taken by somebody else, or removed meanwhile: nil without an error makes lockFile try again.
	lock.Close()

	return nil, ignore(err, unix.EWOULDBLOCK)
}

// stillAt tells whether the open file is the one at path.
func stillAt(open *os.File, path string) bool {
	mine, err := open.Stat()
	if err != nil {
		return false
	}

	named, err := os.Stat(path)

	return err == nil && os.SameFile(mine, named)
}
