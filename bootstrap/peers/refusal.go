package peers

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
)

// triedDqlite is how a refusal names what was tried.
const triedDqlite = "connect to dqlite"

// listenTLS is the server's side: it tells of members of another era.
func (c Config) listenTLS() *tls.Config {
	config := inEra(c.TLS, c.Era)
	choose := config.GetConfigForClient
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		from := hello.Conn.RemoteAddr()

		// TLS would only say that there is no protocol in common.
		if err := otherEra(hello.SupportedProtos, c.Era); err != nil {
			c.refuse(from, err)
			return nil, err
		}

		one := config.Clone()
		if choose != nil {
			chosen, err := choose(hello)
			if err != nil {
				return nil, err
			}

			one = chosen
		}

		verify := one.VerifyConnection
		one.VerifyConnection = func(state tls.ConnectionState) error {
			err := verify(state)
			// It named no era at all, and showed a certificate of this stack.
			if errors.Is(err, ErrOtherEra) {
				c.refuse(from, err)
			}

			if err != nil {
				return err
			}

			return c.refuseReplaced(from, state)
		}

		return one, nil
	}

	return config
}

// refuseReplaced refuses a member that another took the place of: its certificate outlives it.
func (c Config) refuseReplaced(from net.Addr, state tls.ConnectionState) error {
	who, err := callerOf(state)
	if err != nil {
		return err
	}

	if err = c.out(who); err != nil {
		c.Refused(peerset.Refusal{
			From:   from.String(),
			Node:   who.Name,
			Role:   who.Role,
			Tried:  triedDqlite,
			Reason: peerset.ReasonEvicted,
			Err:    err,
		})
	}

	return err
}

// callerOf is who the other side of a connection is.
func callerOf(state tls.ConnectionState) (peerset.Identity, error) {
	name, err := pki.NameOf(state.PeerCertificates[0])

	return peerset.Identity{
		Name:        name.Node,
		Role:        name.Role,
		Incarnation: name.Incarnation,
	}, err
}

// otherEra refuses a caller that names eras but not this one, before TLS finds no protocol in common.
func otherEra(names []string, era int) error {
	named := slices.ContainsFunc(names, func(name string) bool {
		return strings.HasPrefix(name, eraProtocol)
	})
	if !named || slices.Contains(names, protocol(era)) {
		return nil
	}

	return fmt.Errorf("%w: it speaks %q here, %q there", ErrOtherEra, protocol(era), names)
}

func (c Config) refuse(from net.Addr, err error) {
	c.Refused(peerset.Refusal{
		From:   from.String(),
		Tried:  triedDqlite,
		Reason: peerset.ReasonOtherEra,
		Err:    err,
	})
}
