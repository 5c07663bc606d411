package fleet_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/stack"
)

// wiseText has nothing that is unwise.
const wiseText = text + `operator_addresses: [203.0.113.7]
`

func TestWhatIsLegalAndUnwiseIsTold(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, strings.Replace(wiseText, "http: PORT", "http: PORT, https: TLSPORT", 1), nil)
	w.group("db", func(g *stack.Group) { g.Backups = true })
	require.Empty(t, w.warnings())

	for _, c := range []struct {
		change func(*stack.Stack)
		want   string
	}{
		{
			func(s *stack.Stack) { s.OperatorAddresses = nil },
			"port 22 of every node is open to everybody; ",
		},
		{
			func(s *stack.Stack) { s.OperatorAddresses = []string{"203.0.113.7", "0.0.0.0/0"} },
			"port 22 of every node is open to everybody; ",
		},
		{
			func(s *stack.Stack) { s.Nodes[0].Count = 1 },
			"role db has one node: while it is down nobody is served, and with its disk the data go; ",
		},
		{
			func(s *stack.Stack) { s.LoadBalancer.HTTPS = 0 },
			"load balancer hornero-blog has no https: ",
		},
		{
			func(s *stack.Stack) { s.Nodes[0].Backups = false },
			"role db has no backups: what is deleted by mistake is deleted on all of its nodes; ",
		},
		{
			func(s *stack.Stack) { s.Nodes[1].Count = 1 },
			"role proxy has one node: ",
		},
		{
			func(s *stack.Stack) { s.Nodes[2].Count = 1 },
			"role web has one node: ",
		},
	} {
		changed := *w.config.Stack
		balancer := *changed.LoadBalancer
		changed.LoadBalancer = &balancer
		changed.Nodes = append([]stack.Group{}, changed.Nodes...)
		c.change(&changed)

		before := w.config.Stack
		w.config.Stack = &changed
		lines := w.warnings()
		w.config.Stack = before

		require.Len(t, lines, 1)
		require.True(t, strings.HasPrefix(lines[0], c.want), lines[0])
	}
}

func TestALongTTLIsUnwise(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, strings.Replace(domainText, "ttl: 60", "ttl: 86400", 1), nil)

	lines := about(w.warnings(), "record ")
	require.Len(t, lines, 1)
	require.Contains(t, lines[0], "record www.example.org is remembered for 24h0m0s: ")
}
