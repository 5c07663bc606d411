package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

func TestTheSitesOfAnEdge(t *testing.T) {
	report := fleet.Report{
		Stack: "shop",
		Cloud: "lab",
		Sites: []fleet.SiteLine{
			{
				Names: []string{"www.example.org", "example.org"},
				Nodes: "web",
				By:    []string{"edge-1", "edge-2"},
			},
			{
				Names: []string{"shop.example.org"},
				Nodes: "shop",
			},
		},
	}

	var out bytes.Buffer

	require.NoError(t, printReport(&out, report, false))
	require.Contains(t, out.String(), "stack shop on lab\n"+
		"site  https://www.example.org  of role web, by edge-1, edge-2\n"+
		"site  https://shop.example.org  of role shop, by nobody\n"+
		"peers quorum")
}
