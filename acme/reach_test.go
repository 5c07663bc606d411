package acme_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/acme"
	"github.com/hornero/hornero/internal/derived"
)

// addressed is a configuration of a stack with an address.
func addressed(address string) acme.Config {
	config := acme.Config{Secret: secret.Reveal()}
	config.Request.Address = address

	return config
}

func TestANameMustLeadToTheStackAlone(t *testing.T) {
	for what, c := range map[string]struct {
		addresses []string
		refusal   string
	}{
		"its address":         {addresses: []string{"203.0.113.9"}},
		"mapped into IPv6":    {addresses: []string{"::ffff:203.0.113.9"}},
		"none":                {refusal: "www.example.org has no address yet"},
		"another":             {addresses: []string{"203.0.113.7"}, refusal: "leads to 203.0.113.7"},
		"another beside":      {addresses: []string{"203.0.113.9", "203.0.113.7"}, refusal: "leads to 203.0.113.7"},
		"another one of IPv6": {addresses: []string{"203.0.113.9", "2001:db8::1"}, refusal: "leads to 2001:db8::1"},
	} {
		reacher := acme.Reacher{
			Config: addressed("203.0.113.9"),
			Lookup: func(context.Context, string) (found []netip.Addr, err error) {
				for _, text := range c.addresses {
					found = append(
						found,
						netip.MustParseAddr(text),
					)
				}

				if found == nil {
					err = errors.New("no such host")
				}

				return found, err
			},
		}

		err := reacher.Reach(
			t.Context(),
			acme.Wanted{Names: []string{"www.example.org"}},
		)
		if c.refusal == "" {
			require.NoError(t, err, what)
			continue
		}

		require.ErrorContains(
			t,
			err,
			c.refusal,
			what,
		)
	}
}

func TestAResolverThatDoesNotAnswerIsNoReasonToWait(t *testing.T) {
	for silent, refusal := range map[bool]string{true: "", false: "has no address yet"} {
		reacher := acme.Reacher{
			Config: addressed("203.0.113.9"),
			Lookup: func(_ context.Context, name string) ([]netip.Addr, error) {
				return nil, &net.DNSError{
					Name:       name,
					IsNotFound: !silent,
					IsTimeout:  silent,
				}
			},
		}

		err := reacher.Reach(
			t.Context(),
			acme.Wanted{Names: []string{"www.example.org"}},
		)
		if silent {
			require.NoError(t, err)
			continue
		}

		require.ErrorContains(t, err, refusal)
	}
}

// Behind a front end of somebody's, or a load balancer, only the answer tells who is there.
func TestAnAnswerTellsWhoIsThere(t *testing.T) {
	w := newWorld(t)

	thumbprint, err := derived.Thumbprint(secret)
	require.NoError(t, err)

	server := httptest.NewServer(http.HandlerFunc(w.serve))
	defer server.Close()

	reacher := acme.Reacher{
		Config: acme.Config{Secret: secret.Reveal()},
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("203.0.113.9")}, nil
		},
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(
				ctx,
				"tcp",
				server.Listener.Addr().String(),
			)
		},
	}
	wanted := acme.Wanted{Names: []string{"www.example.org"}}

	require.NoError(
		t,
		reacher.Reach(t.Context(), wanted),
	)

	w.answers(".of-another-stack")
	require.ErrorContains(
		t,
		reacher.Reach(t.Context(), wanted),
		"is no node of this stack",
	)

	w.answers("")
	require.ErrorContains(
		t,
		reacher.Reach(t.Context(), wanted),
		"404",
	)

	w.answers("." + thumbprint)
	server.Close()
	require.ErrorContains(
		t,
		reacher.Reach(t.Context(), wanted),
		"ask www.example.org",
	)
}
