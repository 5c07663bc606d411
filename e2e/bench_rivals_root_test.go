//go:build root && bench

package e2e_test

import (
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// itself is Hornero.
type itself struct {
	*stack
	text string // of stack.yaml: scale changes it
}

func (*itself) String() string { return "hornero" }

func (h *itself) launch(watch func(web map[string]int)) (active, over time.Time) {
	up := make(chan error, 1)

	go func() {
		_, err := h.try("up")
		up <- err
	}()

	ids := map[string]int{}
	for _, name := range []string{
		"db-1",
		"db-2",
		"db-3",
		"proxy-1",
		"proxy-2",
		"web-1",
		"web-2",
	} {
		ids[name] = h.droplet("hornero-"+name, 0)
	}

	watch(map[string]int{
		"web-1": ids["web-1"],
		"web-2": ids["web-2"],
	})
	active = h.untilActive(ids)

	require.NoError(h.t, <-up)

	return active, time.Now()
}

func (h *itself) replaceDatabase() *server {
	name := h.notWriter()
	before := h.nodes()[name].DropletID

	replace := h.background("replace", name)
	h.t.Cleanup(replace.stop)

	return h.powered(h.droplet("hornero-"+name, before))
}

func (h *itself) addWeb() int {
	// The replacement may be about to end.
	scale := h.background("scale", "web=3", "--yes", "--lock-wait=2m")
	h.t.Cleanup(scale.stop)

	return h.droplet("hornero-web-3", 0)
}

func (h *itself) end() {
	h.must("destroy", "--yes", "--lock-wait=2m")
	require.NoError(h.t, os.WriteFile(h.file, []byte(h.text), 0o600))
}

// byHand makes Droplets by the API, in a network of their own, as Terraform does.
type byHand struct {
	*stack
	prefix string
	vpc    string
	ids    map[string]int // by node
}

// made asks for Droplets of one image, named PREFIX-NODE, in the order of their addresses.
func (b *byHand) made(request map[string]any, nodes ...string) {
	b.t.Helper()

	names := make([]string, len(nodes))
	for i, node := range nodes {
		names[i] = b.prefix + "-" + node
	}

	request["names"], request["region"], request["size"] = names, "nyc3", "s-1vcpu-1gb"
	request["vpc_uuid"] = b.vpc

	var answer struct{ Droplets []droplet }
	b.call(http.StatusAccepted, "POST", "/v2/droplets", request, &answer)
	require.Len(b.t, answer.Droplets, len(nodes))

	for _, d := range answer.Droplets {
		b.ids[strings.TrimPrefix(d.Name, b.prefix+"-")] = d.ID
	}
}

// network makes the Droplets' VPC.
func (b *byHand) network() {
	b.t.Helper()

	var made struct{ VPC struct{ ID string } }
	request := map[string]any{
		"name":     b.prefix,
		"region":   "nyc3",
		"ip_range": floorRange,
	}
	b.call(http.StatusCreated, "POST", "/v2/vpcs", request, &made)

	b.vpc, b.ids = made.VPC.ID, map[string]int{}
}

// gone deletes a node's Droplet.
func (b *byHand) gone(node string) {
	b.t.Helper()
	b.call(http.StatusNoContent, "DELETE", dropletPath(b.ids[node]), nil, nil)
	delete(b.ids, node)
}

func (b *byHand) end() {
	for node := range b.ids {
		b.gone(node)
	}

	require.Eventually(b.t, func() bool {
		return b.api("DELETE", "/v2/vpcs/"+b.vpc, nil, nil) == http.StatusNoContent
	}, time.Minute, 200*time.Millisecond, "the VPC goes")
}

// untilActive waits until the API says of all of them that they are active.
func (s *stack) untilActive(ids map[string]int) time.Time {
	s.t.Helper()

	require.Eventually(s.t, func() bool {
		active := 0

		for _, d := range s.droplets() {
			for _, id := range ids {
				if d.ID == id && d.Status == "active" {
					active++
				}
			}
		}

		return active == len(ids)
	}, 2*time.Minute, lookEvery, "all Droplets are active")

	return time.Now()
}

// scripted are the baked images, started by a script that knows all addresses.
type scripted struct {
	byHand
	images map[string]int // by role
}

func newScripted(s *stack) *scripted {
	b := &scripted{
		byHand: byHand{stack: s, prefix: "script"},
		images: map[string]int{},
	}

	for _, role := range []string{"db", "proxy", "web"} {
		script, err := os.ReadFile("baseline/" + role + ".sh")
		require.NoError(s.t, err)

		b.images[role] = s.configuredImage("script-"+role, role, string(script))
	}

	return b
}

func (*scripted) String() string { return "script" }

func (b *scripted) launch(watch func(web map[string]int)) (active, over time.Time) {
	b.network()
	b.made(map[string]any{"image": b.images["db"]}, "db-1", "db-2", "db-3")
	b.made(map[string]any{"image": b.images["proxy"]}, "proxy-1", "proxy-2")
	b.made(map[string]any{"image": b.images["web"]}, "web-1", "web-2")

	watch(map[string]int{
		"web-1": b.ids["web-1"],
		"web-2": b.ids["web-2"],
	})
	active = b.untilActive(b.ids)
	untilSynced(b.servers("db-1", "db-2", "db-3"))

	return active, time.Now()
}

func (b *byHand) servers(nodes ...string) (all []*server) {
	for _, node := range nodes {
		all = append(all, b.powered(b.ids[node]))
	}

	return all
}

func (b *scripted) replaceDatabase() *server {
	b.gone("db-3")
	b.made(map[string]any{"image": b.images["db"]}, "db-3")

	return b.servers("db-3")[0]
}

func (b *scripted) addWeb() int {
	b.made(map[string]any{"image": b.images["web"]}, "web-3")
	return b.ids["web-3"]
}
