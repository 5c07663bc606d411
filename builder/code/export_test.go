package code

// SetMaxBytes sets what an archive may unpack to, and returns what puts it back.
func SetMaxBytes(most int64) (restore func()) {
	before := maxBytes
	maxBytes = most

	return func() { maxBytes = before }
}
