package peers

import "errors"

// Crash ends a member without a word to the others.
func (s *Store) Crash() error {
	s.stop()
	s.done.Wait()
	return errors.Join(s.db.Close(), s.app.Close())
}

// Prepared are the names beside a member's folder.
var Prepared = []string{rebuilding, rebuilt, lost}

// DialSoon is how a member dials another.
var DialSoon = dialSoon
