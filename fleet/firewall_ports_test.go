package fleet_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

// A role of the user's own that declares no port is reached where it serves.
func TestWhatARoleServesIsOpen(t *testing.T) {
	t.Parallel()

	w := newAPIWorld(t, apiText+"balancers: [{name: front, nodes: api, http: PORT}]\n")
	w.site.answer(answerReady)
	require.NoError(t, w.up())

	require.Contains(
		t,
		w.lets("hornero-blog-api"),
		"tcp 8080 from hornero-blog-front",
	)
	require.Contains(
		t,
		w.lets("hornero-blog-api"),
		"tcp 9200 from hornero:blog, hornero-blog-front",
	)
	require.Len(
		t,
		w.lets("hornero-blog-api"),
		6,
		"nobody asks for the pages",
	)
}

// ownRole is a role with ports.
func ownRole(name, ports, watches string) string {
	return "version: 1\nname: " + name + "\nsummary: of the user's own\npeers: client\n" + ports + watches
}

// An arbitrator has a vote in Galera, and nothing to ask the server.
func TestAnArbitratorReachesGalera(t *testing.T) {
	t.Parallel()

	const nodes = "version: 1\nname: blog\ncloud: lab\nregion: fra1\n" +
		"nodes:\n  - {name: db, role: db, count: 2}\n  - {name: vote, role: arbitrator, count: 1}\n"

	w := newWorldOf(t, nodes, nil)
	require.NoError(t, w.up())

	open := w.lets("hornero-blog-db")
	require.Contains(t, open, "tcp 4567 from hornero:blog:role:arbitrator, hornero:blog:role:db")
	require.Contains(t, open, "tcp 3306 from hornero:blog:role:db")
}

func TestLimitsOfFirewalls(t *testing.T) {
	t.Parallel()

	own := fstest.MapFS{}
	nodes := "nodes:\n  - {name: db, role: db, count: 1}\n  - {name: hub, role: hub, count: 1}\n"

	for number := range 7 {
		name := fmt.Sprintf("leaf-%d", number)
		manifest := ownRole(name, "", "watches: {hub: hub}\n")
		own[name+"/role.yaml"] = &fstest.MapFile{Data: []byte(manifest)}
		nodes += "  - {name: " + name + ", role: " + name + ", count: 1}\n"
	}

	hub := ownRole("hub", "ports: [{port: 5000, name: hub, from: [watchers]}]\n", "")
	own["hub/role.yaml"] = &fstest.MapFile{Data: []byte(hub)}

	const head = "version: 1\nname: blog\ncloud: lab\nregion: fra1\n"
	w := newWorldOf(t, head+nodes, own)
	require.NoError(t, w.up())
	require.Empty(t, w.plan())

	rules := slices.DeleteFunc(w.lets("hornero-blog-hub"), func(line string) bool {
		return !strings.HasPrefix(line, "tcp 5000 ")
	})
	require.Equal(t, []string{
		"tcp 5000 from hornero:blog:role:leaf-0, hornero:blog:role:leaf-1, hornero:blog:role:leaf-2, " +
			"hornero:blog:role:leaf-3, hornero:blog:role:leaf-4",
		"tcp 5000 from hornero:blog:role:leaf-5, hornero:blog:role:leaf-6",
	}, rules, "five tags a rule")

	ports := "ports:\n"
	for number := range 50 {
		ports += fmt.Sprintf("  - {port: %d, name: p%d, from: [self]}\n", 6000+number, number)
	}

	many := fstest.MapFS{"hub/role.yaml": &fstest.MapFile{Data: []byte(ownRole("hub", ports, ""))}}
	w = newWorldOf(t, head+nodes[:strings.Index(nodes, "  - {name: leaf-0")], many)

	err := w.up()
	require.ErrorIs(t, err, fleet.ErrFirewall)
	require.ErrorContains(
		t,
		err,
		"of role hub: they come to 58 rules, and DigitalOcean allows 50; declare fewer ports",
	)
	require.Empty(t, w.names())
}
