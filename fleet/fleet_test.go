package fleet_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/stack"
)

const (
	waitLimit = 10 * time.Second
	waitTick  = 10 * time.Millisecond
)

var whole = []string{"db-1/1", "db-2/1", "db-3/1", "proxy-1/1", "proxy-2/1", "web-1/1", "web-2/1"}

func founders(w *world) int {
	count := 0
	for _, document := range w.documents() {
		if document.Found {
			count++
		}
	}

	return count
}

func TestUpLaunchesTheStackOnce(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.up())
	require.Equal(t, whole, w.names())
	require.Equal(t, 1, founders(w))

	for id, document := range w.documents() {
		require.Equal(t, document.Node == "db-1", document.Found)
		if document.Found {
			continue
		}

		require.Len(t, document.Join, 1, "Droplet %d joins the founder", id)
	}

	before := w.documents()
	require.NoError(t, w.up())
	require.Equal(t, before, w.documents(), "the second up changes nothing")
	require.Empty(t, w.history)
}

func TestUpMarksWhoMayHaveFoundedThePeerSet(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.up())

	tagged := func() []string {
		droplets, err := do.DropletsByTag(
			t.Context(),
			w.config.Client,
			cloudinit.FoundedTag("blog"),
		)
		require.NoError(t, err)
		var names []string

		for _, droplet := range droplets {
			names = append(names, droplet.Name)
		}

		slices.Sort(names)

		return names
	}

	members := []string{"blog-db-1", "blog-db-2", "blog-db-3", "blog-proxy-1", "blog-proxy-2"}
	require.Equal(t, members, tagged())

	_, err := w.config.Client.Droplets.DeleteByTag(t.Context(), "hornero:blog:node:db-1")
	require.NoError(t, err)
	require.NoError(t, w.up())
	require.Equal(t, members, tagged())
}

func TestUpSaysWhatItWaitsFor(t *testing.T) {
	w := newWorld(t)
	w.config.Timeout = time.Second
	w.unhealthy["db-2"] = true
	err := w.up()
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "db-2 is synced: it was told to be")
	require.NotContains(t, err.Error(), "db-1")
}

func TestUpEndsAtARefusedNode(t *testing.T) {
	w := newWorld(t)
	w.refused = "db-2"
	require.ErrorIs(t, w.up(), fleet.ErrRefused)
}

func TestUpEndsWhereNobodyFounds(t *testing.T) {
	w := newWorld(t)
	w.strangers = true
	w.config.Timeout = time.Second
	require.ErrorIs(t, w.up(), context.DeadlineExceeded, "the founder is there")

	_, err := w.config.Client.Droplets.DeleteByTag(t.Context(), "hornero:blog:node:db-1")
	require.NoError(t, err)

	require.Eventually(t,
		func() bool {
			return len(w.names()) == 6
		},
		waitLimit,
		waitTick,
	)

	w.config.Timeout = waitLimit
	require.ErrorIs(t, w.up(), fleet.ErrUnfounded)

	require.Len(t,
		w.names(),
		6,
		"nothing is destroyed unasked, and nothing launched that could not join",
	)
}

func TestADocumentHoldsOnlyWhatTheRoleNeeds(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.up())

	for _, document := range w.documents() {
		var names []string
		for name := range document.Secrets {
			names = append(names, name)
		}

		require.ElementsMatch(t, w.config.Manifests[document.Role].Secrets, names)

		require.Equal(t,
			w.config.Stack.Settings()["drift"],
			document.Settings["drift"],
			"every role's node is told",
		)

		require.Contains(t, document.Settings, "drift_every")
	}
}

func TestUpKilledHalfwayIsFinishedByTheNext(t *testing.T) {
	for _, after := range []int32{1, 2, 4} {
		w := newWorld(t)
		ctx, kill := context.WithCancel(t.Context())
		var count atomic.Int32
		w.created = func(api.Machine) {
			if count.Add(1) == after {
				kill()
			}
		}

		_, _, err := w.fleet().Up(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.NoError(t, w.up())
		require.Equal(t, whole, w.names())
		require.Equal(t, 1, founders(w))
	}
}

func TestOfTwoDropletsOfANodeTheElderStays(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.up())

	droplets, _, err := w.config.Client.Droplets.ListByTag(
		t.Context(),
		"hornero:blog:node:proxy-2",
		nil,
	)
	require.NoError(t, err)

	elder := droplets[0]
	_, _, err = w.config.Client.Droplets.Create(t.Context(), &godo.DropletCreateRequest{
		Name:     elder.Name,
		Region:   "fra1",
		Size:     "s-1vcpu-1gb",
		Image:    godo.DropletCreateImage{ID: elder.Image.ID},
		Tags:     elder.Tags,
		VPCUUID:  elder.VPCUUID,
		UserData: w.machines[elder.ID].UserData,
	})
	require.NoError(t, err)
	require.NoError(t, w.up())
	require.Equal(t, whole, w.names())
	require.Contains(t, w.documents(), elder.ID)
}

func TestAMissingNodeComesBackAsTheNextIncarnation(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.up())

	_, err := w.config.Client.Droplets.DeleteByTag(t.Context(), "hornero:blog:node:db-1")
	require.NoError(t, err)

	require.Eventually(t,
		func() bool {
			return len(w.names()) == 6
		},
		waitLimit,
		waitTick,
	)

	require.NoError(t, w.up())
	require.Contains(t, w.names(), "db-1/2", "the peer set remembers the first")
	require.Zero(t, founders(w), "a stack that has a peer set founds no other")
}

func TestReplace(t *testing.T) {
	for _, c := range []struct {
		node string
		want []string
	}{
		{
			"db-2",
			[]string{"drain db-2", "destroy db-2/1"},
		},
		{
			node: "proxy-1",
			want: []string{"drain proxy-1", "destroy proxy-1/1"},
		},
		{
			node: "web-1",
			want: []string{"drain web-1", "destroy web-1/1"},
		},
	} {
		w := newWorld(t)
		require.NoError(t, w.up())
		var seen []string
		w.created = func(api.Machine) {
			seen = append(seen, w.names()...)
		}
		require.NoError(t, w.fleet().Replace(t.Context(), c.node))
		require.Equal(t, c.want, w.history)
		require.Contains(t, w.names(), c.node+"/2")
		require.NotContains(t, w.names(), c.node+"/1")

		if c.node == "web-1" {
			require.Contains(t, seen, "web-1/1", "a web node goes only when its successor serves")
		} else {
			require.NotContains(t, seen, c.node+"/1", "a member goes before its successor comes")
		}
	}
}

func TestReplaceIsRefusedWhereDataIsAtStake(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.up())
	w.mutex.Lock()
	w.unhealthy["db-3"] = true
	w.mutex.Unlock()

	err := w.fleet().Replace(t.Context(), "db-2")
	require.ErrorIs(t, err, fleet.ErrUnsafe)
	require.ErrorContains(t, err, "1 of the other database nodes")
	require.Equal(t, whole, w.names())

	require.NoError(t,
		w.fleet().Replace(t.Context(), "proxy-1"),
		"a proxy has no data",
	)
}

func TestReplaceCountsAllThatRemainAfterADeclaredLoss(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.up())
	w.mutex.Lock()
	w.unhealthy["db-3"] = true
	w.mutex.Unlock()

	require.ErrorContains(t,
		w.fleet().Replace(t.Context(), "db-2"),
		"hornero-bootstrap forget NAME",
	)

	w.mutex.Lock()
	w.forgotten = map[string]int{"db-2": 4, "db-3": 0}
	w.mutex.Unlock()
	require.NoError(t, w.fleet().Replace(t.Context(), "db-2"))
	require.Contains(t, w.names(), "db-2/5", "the peer set takes none that was declared gone")
}

func TestStatus(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.up())

	report, err := w.fleet().Status(t.Context())
	require.NoError(t, err)
	require.True(t, report.Healthy())
	require.Equal(t, "db-1", report.Writer)
	require.Equal(t, "db-1", report.WriterLine())

	require.Equal(t,
		[]string{"leader 10.0.0.9:9202; voters 10.0.0.9:9202; era 0", "leases writer db-1"},
		report.PeerSet.Lines,
	)

	require.Equal(t, map[string]string{"writer": "db-1"}, report.PeerSet.Leases)

	for _, node := range report.Nodes {
		require.Empty(t, node.Note, node.Name)
	}

	w.mutex.Lock()
	w.unhealthy["web-2"], w.unhealthy["db-1"] = true, true

	w.images = map[string]status.Image{
		"db-2": {
			DriftFiles: 3,
			Findings:   []status.Finding{{Path: "/usr/bin/env", What: "is changed"}},
			Held:       "no other db node serves",
		},
		"db-3": {Problem: "mount /usr read-only: no"},
	}

	w.mutex.Unlock()

	report, err = w.fleet().Status(t.Context())
	require.NoError(t, err)
	require.False(t, report.Healthy())
	require.Equal(t, "db-1 (synced)", report.WriterLine())

	notes := map[string]string{}

	for _, node := range report.Nodes {
		if node.Note != "" {
			notes[node.Name] = node.Note
		}
	}

	require.Equal(t, map[string]string{
		"db-2": "drift: /usr/bin/env is changed, and 2 more; not in quarantine: no other db node serves; " +
			"`hornero exec NODE -- hornero-bootstrap drift` lists all, `hornero replace NODE` makes it anew",
		"db-3": "not held to its image: mount /usr read-only: no",
	}, notes)
}

func TestStatusBelievesWhoSeesAQuorum(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.up())

	for _, cut := range []string{"db-1", "web-2"} {
		w.mutex.Lock()
		w.cutOff = cut
		clear(w.asked)
		w.mutex.Unlock()

		report, err := w.fleet().Status(t.Context())
		require.NoError(t, err)
		require.True(t, report.PeerSet.Quorum, "%s is cut off", cut)
		require.Equal(t, "db-1", report.Writer)

		require.Equal(t,
			map[string]int{
				"db-1":    1,
				"db-2":    1,
				"db-3":    1,
				"proxy-1": 1,
				"proxy-2": 1,
				"web-1":   1,
				"web-2":   1,
			},
			w.asked,
		)
	}
}

func TestANodeOfAnotherAuthorityIsNotTrusted(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.up())

	other := newWorld(t)
	operator, err := w.config.Secrets.Get(stack.SSHKey)
	require.NoError(t, err)
	require.NoError(t, other.config.Secrets.Set(stack.SSHKey, operator))

	w.config.Secrets = other.config.Secrets
	report, err := w.fleet().Status(t.Context())
	require.NoError(t, err)
	require.False(t, report.Healthy())
	require.Contains(t, report.Nodes[0].Reason, "reach db-1 by SSH")
}

func TestDestroyLeavesNothingButImages(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.up())
	require.NoError(t, w.fleet().Destroy(t.Context()))
	require.NoError(t, w.fleet().Destroy(t.Context()), "what is gone is no error")

	droplets, _, err := w.config.Client.Droplets.List(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, droplets)

	balancers, _, err := w.config.Client.LoadBalancers.List(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, balancers)
}

func TestAMissingImageSaysHowToBakeIt(t *testing.T) {
	w := newWorld(t)
	w.config.Stack.Release = "debian-12"
	err := w.up()
	require.ErrorIs(t, err, fleet.ErrNoImage)
	require.ErrorContains(t, err, "bake one with `make images`")
}

func TestEventsAreFollowed(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.fleet().Up(t.Context())
	require.NoError(t, err)
	w.happen("joined", "db-1")

	events, err := w.fleet().Events(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, events, 1)

	ctx, stop := context.WithCancel(t.Context())
	var seen []string
	err = w.fleet().Follow(ctx, 0, func(event status.Event) error {
		seen = append(seen, event.Kind+" "+event.Node)
		switch len(seen) {
		case 1:
			w.happen("writer", "db-2")
		case 2:
			stop()
		}

		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"joined db-1", "writer db-2"}, seen)
}

func TestEventsComeFromWhoeverKnows(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.up())
	w.happen("joined", "db-1")
	w.mutex.Lock()
	w.silent, w.remembers = "db-1", true
	w.mutex.Unlock()
	var said []string
	w.config.Progress = func(line string) { said = append(said, line) }
	events, err := w.fleet().Events(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Len(t, said, 1)
	require.Contains(t, said[0], "this node remembers")
	w.mutex.Lock()
	w.remembers = false
	w.mutex.Unlock()

	begun := time.Now()
	events, err = w.fleet().Events(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Len(t, said, 1)
	require.Less(t, time.Since(begun), 5*time.Second, "nobody waits for the one that hangs")
}

func TestAFollowerHearsOfARebuild(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.up())

	for _, node := range []string{"db-1", "db-2", "db-3"} {
		w.happen("joined", node)
	}

	ctx, stop := context.WithTimeout(t.Context(), waitLimit)
	defer stop()

	var seen []string
	require.NoError(t, w.fleet().Follow(ctx, 0, func(event status.Event) error {
		seen = append(seen, event.Kind+" "+event.Node)
		switch len(seen) {
		case 3: // the survivor had one of them only
			w.mutex.Lock()
			w.events, w.era = w.events[:1], 1
			w.mutex.Unlock()
			w.happen("rebuilt", "db-1")

		case 4:
			stop()
		}

		return nil
	}))

	require.Equal(t, []string{"joined db-1", "joined db-2", "joined db-3", "rebuilt db-1"}, seen)
}

func TestRecoverPicksTheNewestSurvivor(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.fleet().Up(t.Context())
	require.NoError(t, err)

	voter := func(term, index uint64) status.Recovery {
		return status.Recovery{
			Role:  "voter",
			Term:  term,
			Index: index,
			Steps: []string{"do it"},
		}
	}

	quorate, spare, refused := voter(9, 9), voter(0, 0), voter(9, 9)
	quorate.Quorum = true
	spare.Role = "spare"
	refused.Refused = "2 of 3 voters answer"

	for _, c := range []struct {
		name      string
		survivors map[string]status.Recovery
		from      string
		err       error
	}{
		{
			name: "the higher term",
			survivors: map[string]status.Recovery{
				"db-1":    voter(2, 50),
				"db-2":    voter(3, 10),
				"proxy-1": voter(2, 60),
			},
			from: "db-2",
			err:  nil,
		},
		{
			name: "the higher index",
			survivors: map[string]status.Recovery{
				"db-1":    voter(2, 50),
				"db-2":    voter(2, 51),
				"proxy-1": voter(2, 7),
			},
			from: "db-2",
			err:  nil,
		},
		{
			name: "of equals the first",
			survivors: map[string]status.Recovery{
				"proxy-2": voter(2, 50),
				"db-3":    voter(2, 50),
			},
			from: "db-3",
			err:  nil,
		},
		{
			name: "a spare knows nothing",
			survivors: map[string]status.Recovery{
				"db-1":    spare,
				"proxy-1": voter(1, 1),
			},
			from: "proxy-1",
			err:  nil,
		},
		{
			name: "a quorum lives",
			survivors: map[string]status.Recovery{
				"db-1": voter(2, 50),
				"db-2": quorate,
			},
			from: "",
			err:  fleet.ErrMajority,
		},
		{
			name: "a majority answers",
			survivors: map[string]status.Recovery{
				"db-1": refused,
				"db-2": voter(1, 1),
			},
			from: "db-1",
			err:  fleet.ErrMajority,
		},
		{
			name:      "nobody is left",
			survivors: map[string]status.Recovery{"db-1": spare},
			from:      "",
			err:       fleet.ErrNoSurvivor,
		},
	} {
		w.survivors = c.survivors
		plan, err := w.fleet().PlanRecovery(t.Context())
		require.ErrorIs(t, err, c.err, c.name)
		require.Equal(t, c.from, plan.From, c.name)
		require.Len(t, plan.Survivors, 5, "all members were asked, and nobody else")
		require.Empty(t, w.rebuilt)
	}

	w.survivors = map[string]status.Recovery{"db-1": spare}
	w.config.Dial = func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("a firewall is in the way")
	}
	plan, err := w.fleet().PlanRecovery(t.Context())
	require.ErrorIs(t, err, fleet.ErrNoSurvivor)
	require.ErrorContains(t, err, "db-2: reach db-2 by SSH: a firewall is in the way; db-3: ")
	require.Len(t, plan.Unanswered, 5)

	w.config.Dial = w.dial

	w.survivors = map[string]status.Recovery{
		"db-1": voter(2, 50),
		"db-2": voter(3, 10),
	}

	plan, err = w.fleet().PlanRecovery(t.Context())
	require.NoError(t, err)
	require.Contains(t, plan.Steps, "do it")

	plan, err = w.fleet().Recover(t.Context(), plan)
	require.NoError(t, err)
	require.True(t, plan.Done)
	require.Equal(t, []string{"db-2"}, w.rebuilt)
}
