//go:build root

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/roles"
)

// TestTwoVersionsOfTheProgramInOnePeerSet rolls real programs of this version to real programs of the next one,
// halfway back, and on to the end, by killing each and giving its name to a new incarnation with an empty disk.
// HORNERO_OLDER is the program of another version to begin with.
func TestTwoVersionsOfTheProgramInOnePeerSet(t *testing.T) {
	older, next := cmp.Or(os.Getenv("HORNERO_OLDER"), program), nextProgram(t)

	r := &rolling{
		realSet: newRealSet(t),
		clients: map[string]*api.Client{},
	}
	r.leases = map[string]map[string]string{
		next: {nextLease: nextLease},
	}

	r.launchOlder(older)

	first := r.node("db-1")
	before := r.snapshot(first)

	for _, lease := range []string{"db.watch", "wordpress-cron"} {
		require.NotEmpty(t, before.Holder(lease))
	}

	r.addNewerClient(first, next, before.Schema)

	grown := r.rollHalfway(first, older, next)
	require.Greater(t, grown, before.Schema, "the first newer member brings the store up")
	r.rollBack(first, older, next)

	for _, node := range []string{"db-3", "db-2", "db-1", "web-1"} {
		r.replace(node, next)
		r.visit(node+" rolled", r.node("db-1"), r.node(node))
	}

	last := r.node("db-1")
	require.Equal(t, grown, r.snapshot(last).Schema)
	r.soon("the last one's event", func() bool {
		return strings.Contains(r.eventsOf(last), "web-1 weathers")
	})
	r.soon("also that of the client which came before the members", func() bool {
		return len(r.zones(last)) == len(r.all)
	})

	late := r.add("db", 4, 1, older)
	r.visit("an older one comes late", late, last)
	require.Equal(t, grown, r.snapshot(last).Schema, "it takes nothing back")
	r.allServe()

	t.Logf("figure: %-58s %.1f s", "two versions, from the first start", time.Since(r.began).Seconds())
}

// launchOlder starts three members and a client of the older version.
func (r *rolling) launchOlder(older string) {
	// The tasks cannot run in an empty root. What matters is who may: their leases.
	task := "tasks: [{name: %s, run: [/no/such], every: 1s}]\n"
	r.manifests = map[string]string{
		"db":  fmt.Sprintf(task, "watch"),
		"web": fmt.Sprintf(task, "wordpress-cron"),
	}

	r.began = time.Now()

	for number := 1; number <= 3; number++ {
		r.add("db", number, 1, older)
	}

	r.add("web", 1, 1, older)

	first := r.node("db-1")
	first.eventually("three voters", func(s status.Status) bool {
		return len(s.PeerSet.Voters) == 3
	})
	r.visit("all older", first, first)
}

// addNewerClient adds a client of the next version before the members, which is not the order to roll in.
func (r *rolling) addNewerClient(first *process, next string, schema int) {
	ahead := r.add("web", 2, 1, next)
	r.visit("a newer client", first, first)

	r.soon("who does not know a kind of event refuses it", func() bool {
		return strings.Contains(ahead.logged(), "event not kept")
	})

	require.Equal(r, schema, r.snapshot(first).Schema, "a client changes no schema")
	r.allServe()
}

// rollHalfway rolls one member to the next version, and returns the schema that it brings.
func (r *rolling) rollHalfway(first *process, older, next string) (schema int) {
	r.replace("db-3", next)

	half := r.node("db-3")
	r.visit("one newer", first, half)
	schema = r.snapshot(half).Schema

	r.soon("an older member tells of what it does not know", func() bool {
		return strings.Contains(r.eventsOf(first), "db-3 weathers")
	})
	r.soon("what it says of itself is with it", func() bool {
		return r.zones(half)["db-3"] == "zone-of-2"
	})

	require.Empty(r, r.zones(first))
	r.onlyNewerAllow(first, half)
	r.replace("db-3", older)

	return schema
}

// rollBack rolls the other member to the next version and back.
func (r *rolling) rollBack(first *process, older, next string) {
	r.replace("db-2", next)

	half := r.node("db-2")
	r.visit("the other one newer", first, half)
	r.soon("what it says of itself is with it", func() bool {
		return r.zones(half)["db-2"] == "zone-of-2"
	})

	require.NotContains(r, r.zones(half), "db-3",
		"of an incarnation that is out nothing is left, although an older member let the next one in")

	r.replace("db-2", older)
	r.visit("rolled back", first, r.node("db-2"))
	require.Equal(r, "spring", r.snapshot(first).Settings[nextOwn])
	r.allServe()
}

// rolling is a peer set of programs of two versions.
type rolling struct {
	*realSet
	all     []*process
	clients map[string]*api.Client // of a visitor, to one member each
	began   time.Time
}

// soon waits for what a node tells when it is in consensus.
func (r *rolling) soon(what string, seen func() bool) {
	r.Helper()
	require.Eventually(
		r,
		seen,
		10*time.Second,
		50*time.Millisecond,
		what,
	)
}

func (r *rolling) add(role string, number, incarnation int, program string) *process {
	p := r.runAs(role, number, incarnation, program)
	r.all = append(r.all, p)
	return p
}

func (r *rolling) node(name string) *process {
	at := slices.IndexFunc(r.all, func(p *process) bool {
		return p.node == name
	})
	require.GreaterOrEqual(r, at, 0, name)
	return r.all[at]
}

// replace recreates a node as `hornero replace` does, but for the member's goodbye: it is killed. No lease may
// move that it did not hold.
func (r *rolling) replace(name, program string) {
	old := r.node(name)
	var role string
	var number int
	_, err := fmt.Sscanf(strings.Replace(name, "-", " ", 1), "%s %d", &role, &number)
	require.NoError(r, err)

	incarnation := old.status().Incarnation
	var other *process

	for _, p := range r.all {
		if p != old && strings.HasPrefix(p.node, "db-") {
			other = p
		}
	}

	before := r.snapshot(other)

	if role == "db" {
		_ = old.end(syscall.SIGKILL)
		r.members = slices.DeleteFunc(r.members, func(address string) bool {
			return address == old.address
		})
	}

	r.all = slices.DeleteFunc(r.all, func(p *process) bool {
		return p == old
	})
	fresh := r.add(role, number, incarnation+1, program)

	// A client is replaced while it runs: the old one ends only when the new one serves.
	_ = old.end(syscall.SIGKILL)

	fresh.eventually("three voters, it among them when it is a member", func(s status.Status) bool {
		votes := slices.ContainsFunc(s.PeerSet.Voters, func(voter string) bool {
			return strings.HasPrefix(voter, fresh.address+":")
		})

		return role != "db" || votes && len(s.PeerSet.Voters) == 3
	})

	for lease, was := range before.Leases {
		if was.Holder != name {
			require.Equal(r, was, r.snapshot(other).Leases[lease], "%s stays", lease)
			continue
		}

		require.Eventually(r, func() bool {
			now := r.snapshot(other).Leases[lease]
			isNew := now.Holder != name || now.Incarnation == incarnation+1

			return now.Holder != "" &&
				now.Epoch == was.Epoch+1 &&
				isNew
		}, 20*time.Second, 50*time.Millisecond, "%s moves", lease)
	}
}

// visit writes through two members, each by all that a client may do, and waits until every node has seen it.
func (r *rolling) visit(step string, oldest, newest *process) {
	for _, through := range []*process{oldest, newest} {
		if strings.HasPrefix(through.node, "web-") {
			continue
		}

		text := fmt.Sprintf("%s, through %s at %s", step, through.node, through.address)
		r.write(through, text)

		for _, p := range r.all {
			r.requireSeen(p, text)
		}
	}

	r.Logf("figure: %-58s %.1f s", step, time.Since(r.began).Seconds())
}

// write writes a text through a member: into a report, a setting under a lease, and an event.
func (r *rolling) write(through *process, text string) {
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()

	client := r.through(through)
	require.NoError(r, client.Report(ctx, peerset.Report{
		State:   "serving",
		Healthy: true,
		Facts:   map[string]string{"mark": text},
	}), text)

	lease, held, err := client.Hold(ctx, "web.mark", time.Minute)
	require.NoError(r, err, text)
	require.True(r, held, text)
	require.NoError(r, client.Put(ctx, "web.mark", text, lease), text)

	note := peerset.Note{Kind: peerset.EventDrift, Text: text}
	require.NoError(r, client.Note(ctx, note), text)
}

// requireSeen waits until a node has seen all that was written with a text.
func (r *rolling) requireSeen(p *process, text string) {
	marked := func(peer status.Peer) bool {
		return peer.Facts["mark"] == text
	}

	p.eventually(text, func(s status.Status) bool {
		return s.PeerSet.Quorum && slices.ContainsFunc(s.PeerSet.Peers, marked)
	})
	require.Contains(r, r.eventsOf(p), text, p.node)

	if !strings.HasPrefix(p.node, "db-") {
		return
	}

	set := func() bool {
		return r.snapshot(p).Settings["web.mark"] == text
	}
	require.Eventually(
		r,
		set,
		10*time.Second,
		20*time.Millisecond,
		"%s: %s",
		p.node,
		text,
	)
}

// onlyNewerAllow wants of an older and of a newer member what only the newer knows.
func (r *rolling) onlyNewerAllow(older, newer *process) {
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()

	_, _, err := r.through(older).Hold(ctx, nextLease, time.Minute)
	require.ErrorIs(r, err, peerset.ErrForbidden)

	either := r.through(older, newer)
	lease, held, err := either.Hold(ctx, nextLease, time.Minute)
	require.NoError(r, err, "one member's refusal is not everybody's")
	require.True(r, held)

	err = r.through(older).Put(ctx, nextSetting, "spring", lease)
	require.ErrorIs(r, err, peerset.ErrForbidden)
	require.NoError(r, r.through(older, newer).Put(ctx, nextSetting, "spring", lease))

	require.Eventually(r, func() bool {
		seen := r.snapshot(older)
		return seen.Settings[nextSetting] == "spring" && seen.Holder(nextLease) == "web-9"
	}, 10*time.Second, 20*time.Millisecond, "and the older one tells of it")
}

// through is a client of these members only, in their order: this version's, as node web-9.
func (r *rolling) through(members ...*process) *api.Watcher {
	const address = "127.1.3.9"
	addresses := make([]string, len(members))

	for at, member := range members {
		addresses[at] = member.address
	}

	key := strings.Join(addresses, " ")
	if r.clients[key] == nil {
		config, err := pki.PeerTLS(r.ca.Certificate, r.issue("web", "web-9"), "bench")
		require.NoError(r, err)

		r.clients[key] = api.NewClient(config, address, roles.AgentPort, addresses)

		join := peerset.Join{
			Identity: peerset.Identity{
				Name:        "web-9",
				Role:        "web",
				Incarnation: 1,
			},
			Address: address,
			Kind:    peerset.KindClient,
		}

		_, err = r.clients[key].Join(r.Context(), join)
		require.NoError(r, err)
	}

	ended, end := context.WithCancel(r.Context())
	end() // it follows nothing, and so learns of no other member

	return api.Watch(ended, r.clients[key], peerset.Snapshot{}, 1, slog.New(slog.DiscardHandler))
}

// snapshot is the peer set as a member tells it to a client of this version.
func (r *rolling) snapshot(member *process) peerset.Snapshot {
	r.through(member)
	snapshot, err := r.clients[member.address].Peers(r.Context(), member.address)
	require.NoError(r, err)

	return snapshot
}

// zones are what a member tells of the next version's column, by node.
func (r *rolling) zones(member *process) map[string]string {
	config, err := pki.PeerTLS(r.ca.Certificate, r.issue("web", "web-9"), "bench")
	require.NoError(r, err)

	config.ClientCAs = nil

	client := &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true},
	}

	response, err := client.Get(fmt.Sprintf("https://%s:%d/v1/peers", member.address, roles.AgentPort))
	require.NoError(r, err)
	defer response.Body.Close()

	// The snapshot's type of this version has no such field: the answer is read by itself.
	var said struct{ Peers []struct{ Name, Zone string } }
	require.NoError(r, json.NewDecoder(response.Body).Decode(&said))

	zones := map[string]string{}

	for _, peer := range said.Peers {
		if peer.Zone != "" {
			zones[peer.Name] = peer.Zone
		}
	}

	return zones
}

// allServe waits until every node knows of every other that it lives and serves.
func (r *rolling) allServe() {
	for _, p := range r.all {
		for _, other := range r.all {
			p.eventually(other.node+" serves", func(s status.Status) bool {
				return slices.ContainsFunc(s.PeerSet.Peers, func(peer status.Peer) bool {
					return peer.Name == other.node &&
						peer.Alive &&
						peer.Healthy
				})
			})
		}
	}
}

func (r *rolling) eventsOf(p *process) string {
	said, stderr, err := p.said("events")
	require.NoError(r, err, stderr)
	return said
}

func (p *process) logged() string {
	said, err := os.ReadFile(p.log())
	require.NoError(p, err)
	return string(said)
}
