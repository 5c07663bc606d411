package galera

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// ZeroUUID is Galera's "no state at all".
const ZeroUUID = "00000000-0000-0000-0000-000000000000"

// UnknownSeqno is Galera's "a state, but nobody wrote down how far it got".
const UnknownSeqno = -1

var errNoPosition = errors.New("no position in the output")

// Position is a place in the history of one cluster. Positions of different UUIDs cannot be compared.
type Position struct {
	UUID  string
	Seqno int64
}

// Known tells whether the position names a state and how far it got; nothing else is ever bootstrapped from.
func (p Position) Known() bool {
	return p.Named() && p.Seqno >= 0
}

// Named tells whether the position names a cluster's state, however far it got.
func (p Position) Named() bool {
	return p.UUID != "" && p.UUID != ZeroUUID
}

func (p Position) String() string {
	if !p.Named() {
		return "no data"
	}

	return fmt.Sprintf("%s:%d", p.UUID, p.Seqno)
}

var grastateLine = regexp.MustCompile(`(?m)^(uuid|seqno|safe_to_bootstrap):\s*(\S+)\s*$`)

// validUUID is how Galera writes the UUID of a cluster and of a member.
var validUUID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// ParseGrastate reads Galera's grastate.dat. Nothing here follows its safe_to_bootstrap, but that is the last line:
// without it the file was cut off, and its number may be half of one. Then a recovery finds the position.
func ParseGrastate(text string) (Position, error) {
	position, whole := Position{Seqno: UnknownSeqno}, false

	for _, m := range grastateLine.FindAllStringSubmatch(text, -1) {
		whole = m[1] == "safe_to_bootstrap"

		switch m[1] {
		case "uuid":
			position.UUID = m[2]

		case "seqno":
			seqno, err := strconv.ParseInt(m[2], 10, 64)
			if err != nil {
				return Position{}, fmt.Errorf("read grastate.dat: %w", err)
			}

			position.Seqno = seqno
		}
	}

	if !whole || !validUUID.MatchString(position.UUID) {
		return Position{}, fmt.Errorf("read grastate.dat: %w", errNoPosition)
	}

	return position, nil
}

// grastateText is a grastate.dat from which the server starts at a position; bootstrap makes it accept
// --wsrep-new-cluster.
func grastateText(position Position, bootstrap bool) string {
	if !position.Named() {
		position = Position{UUID: ZeroUUID, Seqno: UnknownSeqno}
	}

	safe := 0
	if bootstrap {
		safe = 1
	}

	return fmt.Sprintf(
		"# GALERA saved state\nversion: 2.1\nuuid:    %s\nseqno:   %d\nsafe_to_bootstrap: %d\n",
		position.UUID,
		position.Seqno,
		safe,
	)
}

var recoveredPosition = regexp.MustCompile(`WSREP: Recovered position:\s*([0-9a-f-]{36}):(-?\d+)`)

// ParseRecovered reads what `mariadbd --wsrep-recover` says.
func ParseRecovered(output string) (Position, error) {
	matches := recoveredPosition.FindAllStringSubmatch(output, -1)
	if len(matches) == 0 {
		return Position{}, fmt.Errorf("read recovered position: %w", errNoPosition)
	}

	last := matches[len(matches)-1]
	seqno, err := strconv.ParseInt(last[2], 10, 64)
	if err != nil {
		return Position{}, fmt.Errorf("read recovered position: %w", err)
	}

	return Position{UUID: strings.ToLower(last[1]), Seqno: seqno}, nil
}
