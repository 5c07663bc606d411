package api

import (
	"errors"
	"net"
	"strings"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
)

// certificateReasons name what is wrong with a certificate.
var certificateReasons = map[error]string{
	pki.ErrNoCertificate: peerset.ReasonNoCertificate,
	pki.ErrExpired:       peerset.ReasonExpired,
	pki.ErrUntrusted:     peerset.ReasonUntrusted,
	pki.ErrOtherStack:    peerset.ReasonOtherStack,
	pki.ErrNoNode:        peerset.ReasonNoNode,
	pki.ErrNoReader:      peerset.ReasonForbidden,
	peerset.ErrForbidden: peerset.ReasonForbidden,
}

// RefusalAt makes what pki.Guard calls for a connection that it refuses: it passes a Refusal that names the listener.
func RefusalAt(listener string, refused func(peerset.Refusal)) func(net.Addr, pki.Name, error) {
	return func(from net.Addr, name pki.Name, err error) {
		refusal := peerset.Refusal{
			From:   from.String(),
			Node:   name.Node,
			Role:   name.Role,
			Tried:  "connect to " + listener,
			Reason: peerset.ReasonUntrusted,
			Err:    err,
		}

		for sentinel, reason := range certificateReasons {
			if errors.Is(err, sentinel) {
				refusal.Reason = reason
			}
		}

		refused(refusal)
	}
}

// reasonOf tells errors that refuse from those that only say that the peer set cannot now.
func reasonOf(err error) (string, bool) {
	switch {
	case errors.Is(err, peerset.ErrForbidden):
		return peerset.ReasonForbidden, true
	case errors.Is(err, peerset.ErrEvicted):
		return peerset.ReasonEvicted, true
	case errors.Is(err, peerset.ErrStaleEpoch):
		return peerset.ReasonStaleEpoch, true
	}

	return "", false
}

func (s Server) refuse(who caller, tried, reason string, err error) {
	s.Refused(peerset.Refusal{
		From:   who.from,
		Node:   who.Name,
		Role:   who.Role,
		Tried:  tried,
		Reason: reason,
		Err:    err,
	})
}

// handshakes reads what net/http says of handshakes that failed. Those that pki.Guard told of are not told again, and
// a connection that was only opened and closed is no attempt at anything.
type handshakes struct{ server Server }

func (h handshakes) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	said, isHandshake := strings.CutPrefix(text, "http: TLS handshake error from ")
	from, why, _ := strings.Cut(said, ": ")

	// pki.Guard has told of these with the certificate's name, which net/http does not know.
	told := strings.Contains(why, pki.ErrStranger.Error()) ||
		strings.Contains(why, peerset.ErrForbidden.Error())
	reason, refused := peerset.ReasonOfHandshake(why)

	switch {
	case told:

	case isHandshake && refused:
		h.server.Refused(peerset.Refusal{
			From:   from,
			Tried:  "connect to the agents' API",
			Reason: reason,
			Err:    errors.New(why),
		})

	default:
		h.server.Log.Debug("agents' API", "says", text)
	}

	return len(line), nil
}
