// Package pause waits for a while, or until it is not to be waited for any more.
package pause

import (
	"context"
	"time"
)

// For waits for d; false when ctx ended before.
func For(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
