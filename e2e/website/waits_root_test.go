//go:build root

package website_test

import "time"

// How long a test waits for something that comes at once on an idle machine, and how often it looks.
const (
	patience = time.Minute
	tick     = 10 * time.Millisecond
)
