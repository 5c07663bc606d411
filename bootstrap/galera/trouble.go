package galera

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
)

// Cause is what a failure speaks of. Only CauseData says anything about what is in the data directory.
type Cause string

// The causes.
const (
	CauseUnknown Cause = ""
	CauseSpace   Cause = "disk space"
	CauseMemory  Cause = "memory"
	CauseLock    Cause = "a lock"
	CauseData    Cause = "the data"
	CauseAhead   Cause = "commits that the others do not have"
)

// passing tells causes that go away while the data stays what it is.
func (c Cause) passing() bool {
	return c == CauseSpace || c == CauseMemory || c == CauseLock
}

// Trouble is a failure as the server told it.
type Trouble struct {
	Cause Cause
	Said  string // its last errors, in a line
}

func (t Trouble) String() string {
	if t.Cause == CauseUnknown {
		return t.Said
	}

	return string(t.Cause) + ": " + t.Said
}

// symptoms are words of MariaDB, Galera, the transfer scripts and the C library, in lower case. The first cause
// that has one wins: a full disk and a lock make the server complain of its data, too.
var symptoms = []struct {
	cause Cause
	words []string
}{
	{CauseSpace, []string{
		"no space left",
		"disk full",
		"disk is full",
		"quota exceeded",
		"errcode: 28",
		"errno: 28",
		"error: 28",
		"error number 28",
	}},
	{CauseMemory, []string{
		"out of memory",
		"cannot allocate memory",
		"errcode: 12",
		"errno: 12",
		"errno 12",
	}},
	{CauseLock, []string{
		"unable to lock",
		"can't lock",
		"exclusive lock",
		"temporarily unavailable",
		"already in use",
		"is using unix socket",
	}},
	{CauseAhead, []string{"is greater than group seqno"}},
	{CauseData, []string{
		"corrupt",
		"checksum",
		"is in the future",
		"missing mlog_checkpoint",
		"missing file_checkpoint",
		"was not found at",
		"incorrect information in file",
		"can't open and lock privilege tables",
		"aria recovery failed",
		"inconsisten",
		"consistency compromised",
		"failed to apply",
	}},
}

func causeOf(text string) Cause {
	text = strings.ToLower(text)

	for _, symptom := range symptoms {
		for _, word := range symptom.words {
			if strings.Contains(text, word) {
				return symptom.cause
			}
		}
	}

	return CauseUnknown
}

// maxTrouble is how many of the server's errors a status carries.
const maxTrouble = 2

// TroubleOf reads what went wrong out of a server's log. All its errors tell the cause; the last that bear it are told
// on. What follows them is the server's end, which looks alike whatever the cause.
func TroubleOf(log string) Trouble {
	var found []string

	for line := range strings.Lines(log) {
		if _, message, ok := strings.Cut(line, "[ERROR] "); ok {
			found = append(found, strings.TrimSpace(message))
		}
	}

	cause := causeOf(strings.Join(found, "\n"))
	telling := slices.DeleteFunc(found, func(message string) bool {
		return cause != CauseUnknown && causeOf(message) != cause
	})

	last := telling[max(0, len(telling)-maxTrouble):]

	return Trouble{Cause: cause, Said: strings.Join(last, "; ")}
}

// troubleOf is an error of this side: of the agent's own work, or of a program that could not be run.
func troubleOf(err error) Trouble {
	if said := new(RecoveryError); errors.As(err, &said) && said.Trouble.Said != "" {
		return said.Trouble
	}

	for number, cause := range errnoCauses {
		if errors.Is(err, number) {
			return Trouble{Cause: cause, Said: err.Error()}
		}
	}

	return Trouble{Cause: causeOf(err.Error()), Said: err.Error()}
}

var errnoCauses = map[syscall.Errno]Cause{
	syscall.ENOSPC: CauseSpace,
	syscall.EDQUOT: CauseSpace,
	syscall.ENOMEM: CauseMemory,
	syscall.EAGAIN: CauseLock,
}

// RecoveryError is a recovery that found no position, and what the server said meanwhile.
type RecoveryError struct {
	Trouble Trouble
	Err     error
}

func (e *RecoveryError) Error() string {
	if e.Trouble.Said == "" {
		return fmt.Sprintf("recover position: %v", e.Err)
	}

	return fmt.Sprintf("recover position: %v: %s", e.Err, e.Trouble)
}

func (e *RecoveryError) Unwrap() error { return e.Err }
