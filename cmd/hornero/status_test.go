package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

func TestTheBalancersOfAStack(t *testing.T) {
	for name, c := range map[string]struct {
		balancers []fleet.BalancerLine
		want      string
	}{
		"none": {
			want: "stack shop on lab\npeers quorum",
		},
		"one": {
			balancers: []fleet.BalancerLine{{Nodes: "shop", URL: "http://127.1.2.3/"}},
			want:      "stack shop on lab\nsite  http://127.1.2.3/\npeers quorum",
		},
		"several, one of them not made": {
			balancers: []fleet.BalancerLine{
				{Name: "front", Nodes: "shop", URL: "http://127.1.2.3/"},
				{Name: "api", Nodes: "stock"},
			},
			want: "stack shop on lab\n" +
				"load balancer front of role shop  http://127.1.2.3/\n" +
				"load balancer api of role stock  not made yet\n" +
				"peers quorum",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			report := fleet.Report{Stack: "shop", Cloud: "lab", Balancers: c.balancers}

			require.NoError(t, printReport(&out, report, false))
			require.True(t, strings.HasPrefix(out.String(), c.want), out.String())
		})
	}
}

// Names are as long as people make them; the columns stay columns.
func TestTheNodesAreATable(t *testing.T) {
	var out bytes.Buffer
	printNodes(&out, []fleet.NodeLine{
		{Name: "stock-keeping-1", Role: "stock-keeping", Incarnation: 1, Healthy: true},
		{Name: "shop-1", Role: "shop", Incarnation: 12, Healthy: true},
	})

	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 3)

	at := strings.Index(lines[0], "DROPLET")
	for _, line := range lines[1:] {
		require.Equal(t, "  0 ", line[at-2:at+2], line)
	}
}
