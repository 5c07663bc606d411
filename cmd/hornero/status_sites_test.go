package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/certificates"
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
				Certificate: &certificates.Told{
					Ends:   time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC),
					Renews: time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC),

					Fallback: true,
				},
			},
			{
				Names: []string{"new.example.org"},
				Nodes: "shop",
				Certificate: &certificates.Told{
					Trouble: "names: waits for DNS: new.example.org has no address yet",
					Next:    time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC),
				},
			},
		},
	}

	var out bytes.Buffer

	require.NoError(t, printReport(&out, report, false))
	require.Contains(t, out.String(), "stack shop on lab\n"+
		"site  https://www.example.org  of role web, by edge-1, edge-2\n"+
		"site  https://shop.example.org  of role shop, by nobody\n"+
		"  certificate  ends 2027-02-01, is renewed 2027-01-02, by the second authority\n"+
		"site  https://new.example.org  of role shop, by nobody\n"+
		"  certificate  none yet: visitors get the stack's own; names: waits for DNS: new.example.org has no address "+
		"yet; next try 2026-12-01T10:00:00Z\n"+
		"peers quorum")
}
