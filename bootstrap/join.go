package bootstrap

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/roles"
)

// openTimeout bounds one attempt to get into consensus.
const openTimeout = time.Minute

// entry is what a node joins the peer set with.
type entry struct {
	tls        *tls.Config
	client     *api.Client
	remembered peerset.Snapshot // as this node last knew it
}

// join founds, joins or comes back to the peer set.
func (a *Agent) join(ctx context.Context) error {
	config, err := a.memberTLS()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}

	// The document names the members of the node's launch; those of today are in the snapshot.
	remembered := loadSnapshot(a.State)
	e := entry{
		tls:        config,
		client:     api.NewClient(config, a.address, roles.AgentPort, a.candidates(remembered)),
		remembered: remembered,
	}

	// `hornero` tells by it that a founder was lost before it founded: then no waiting helps.
	a.mu.Lock()
	a.unknownPeer = remembered.Founded == "" && !a.node.Found && !a.Known()
	a.mu.Unlock()

	join := a.joinAsClient
	if a.manifest.Peers == roles.Member {
		join = a.joinAsMember
	}

	set, err := join(ctx, e)
	if err != nil {
		return err
	}

	// After a reboot without a quorum the node goes on with what it knew last.
	set = withMemory(set, remembered)

	a.mu.Lock()
	a.set = set
	a.mu.Unlock()

	// The role's services start after this: who is to reach them can.
	a.raiseWalls(ctx, set.Snapshot())

	a.work.Go(func() { a.keepWalls(ctx, set) })
	a.work.Go(func() { a.keepSnapshot(ctx, set) })
	a.work.Go(func() { a.events.send(ctx) })

	// Members are enough to remember events: there are many clients, and each would read them all.
	if a.manifest.Peers == roles.Member {
		a.work.Go(func() { a.events.remember(ctx, set) })
	}

	return nil
}

// candidates are the addresses at which a member may be found.
func (a *Agent) candidates(remembered peerset.Snapshot) []string {
	var addresses []string
	for _, peer := range remembered.Peers {
		if peer.Kind == roles.Member && peer.Name != a.node.Node {
			addresses = append(addresses, peer.Address)
		}
	}

	// Remembered members come first: the document's list is as old as the node.
	return append(addresses, a.node.Join...)
}

// joinAsClient registers with the members, unless the node was registered before, and follows the peer set.
func (a *Agent) joinAsClient(ctx context.Context, e entry) (peerset.Set, error) {
	known := e.remembered

	// A client that comes back is registered already and needs no quorum to start.
	if known.Founded == "" {
		welcome, err := a.askToJoin(ctx, a.newSearch(e), "ask to join the peer set")
		if err != nil {
			return nil, err
		}

		known = welcome.Snapshot
	}

	a.rejoin = func(ctx context.Context) error {
		_, err := e.client.Join(ctx, a.joining())
		return err
	}

	// A driver sends others to the nodes that there are: what it hears late, they wait for.
	listens := 1
	if a.manifest.Driver != "" {
		listens = 2
	}

	watcher := api.Watch(ctx, e.client, known, listens, a.Log)
	a.events.use(watcher)

	return watcher, nil
}

// joinAsMember takes the node into consensus: at once when it founds or comes back, and otherwise beside its work.
func (a *Agent) joinAsMember(ctx context.Context, e entry) (peerset.Set, error) {
	welcome, err := a.findEntry(ctx, e)
	if err != nil {
		return nil, err
	}

	// Consensus takes a new member seconds. Its server can use them for its own start.
	if len(welcome.Members) > 0 {
		return a.joinInBackground(ctx, e, welcome), nil
	}

	member, err := a.openMember(ctx, e, welcome)
	if err != nil {
		return nil, err
	}

	a.events.use(peerset.BindEvents(member, a.self()))

	return peerset.Bind(member, a.self()), nil
}

// findEntry finds members to join through: none for the founder of what was never founded and for a member that
// comes back.
func (a *Agent) findEntry(ctx context.Context, e entry) (peerset.Welcome, error) {
	if a.Known() || a.founding {
		return peerset.Welcome{}, nil
	}

	look := a.newSearch(e)
	if !a.node.Found {
		return a.askToJoin(ctx, look, "ask to join the peer set")
	}

	return a.findEntryOrFound(ctx, e, look)
}

// findEntryOrFound is findEntry for a node whose document says that it may found.
func (a *Agent) findEntryOrFound(ctx context.Context, e entry, look *search) (peerset.Welcome, error) {
	own := &candidacy{
		own: api.Candidate{
			Incarnation: a.node.Incarnation,
			Droplet:     a.droplet,
		},
		silence: a.FoundAfter,
	}

	waiting := api.Waiting{Looked: func(name, address string) {
		a.Log.Info("a member looked for this node", "member", name, "address", address)
		own.yield()
		e.client.SetMembers([]string{address})
	}}

	founds, otherwise := a.founds()
	founds = founds && e.remembered.Founded == ""
	if founds {
		waiting.Meet = own.meet
	}

	// Open before it looks for others: who looks later finds it.
	if err := a.openDoor(ctx, waiting); err != nil {
		return peerset.Welcome{}, err
	}

	if founds {
		welcome, err := a.stand(ctx, look, own)

		// The founder's stays open until the agents' API takes its place.
		if !a.founding {
			a.shutDoor()
		}

		return welcome, err
	}

	defer a.shutDoor()

	a.Log.Info("this node founds no peer set", "reason", otherwise)

	return a.askToJoin(ctx, look, cmp.Or(otherwise, "ask to join the peer set"))
}

// askToJoin looks for members that let this node in, until one does or refuses for good.
func (a *Agent) askToJoin(ctx context.Context, look *search, what string) (peerset.Welcome, error) {
	return a.askUntil(ctx, what, look.ask)
}

// askUntil asks until this node is let in, or refused for good.
func (a *Agent) askUntil(
	ctx context.Context,
	what string,
	ask func(context.Context) (peerset.Welcome, error),
) (peerset.Welcome, error) {
	var welcome peerset.Welcome
	var refused error

	err := retry(ctx, a, what, func(ctx context.Context) error {
		var err error
		welcome, err = ask(ctx)

		// Asking again would not change a refusal: end the attempts with it.
		if isFinal(err) {
			refused = fmt.Errorf("%w: %w", ErrRefused, err)
			return nil
		}

		// The founder was let in by nobody.
		if err == nil && !a.founding {
			a.admitted.Store(true)
		}

		return err
	})

	return welcome, errors.Join(refused, err)
}

func (a *Agent) joining() peerset.Join {
	return peerset.Join{
		Identity: a.self(),
		Address:  a.address,
		Kind:     a.manifest.Peers,
		Again:    a.admitted.Load(),
	}
}

// openMember makes this node a member of consensus, by the entry that it was shown, and starts what a member does.
func (a *Agent) openMember(ctx context.Context, e entry, welcome peerset.Welcome) (Member, error) {
	var member Member
	var refused error
	again := false

	err := retry(ctx, a, "join the peer set", func(ctx context.Context) error {
		// The members may be others by now, or in another era.
		if again {
			welcome, refused = a.findEntry(ctx, e)
			if refused != nil {
				return nil
			}
		}

		again = true

		// The members that it was shown may all be gone: one attempt must end.
		ctx, cancel := context.WithTimeout(ctx, openTimeout)
		defer cancel()

		var err error
		member, err = a.Open(ctx, a.opening(e, welcome))

		return err
	})
	if err := errors.Join(refused, err); err != nil {
		return nil, err
	}

	a.work.Go(func() {
		a.keepServing(ctx, "the agents' API", func(ctx context.Context) error {
			return a.serveAPI(ctx, member)
		})
	})

	a.work.Go(func() { a.keepNotifying(ctx, e.client, member) })
	a.work.Go(func() { a.watchEra(ctx, e.client, member, e.remembered) })

	a.work.Go(func() {
		// A member that leaves hands its part of consensus over: the others need not notice its loss first.
		<-ctx.Done()
		a.closeMember(member, context.Cause(ctx))
	})

	return member, a.admitSelf(ctx, member, e.remembered)
}

func (a *Agent) opening(e entry, welcome peerset.Welcome) Opening {
	return Opening{
		Node:    a.node,
		Rights:  a.rights,
		Address: a.address,
		Join:    welcome.Members,
		Era:     welcome.Snapshot.Era(),
		TLS:     e.tls,
		Tell:    a.changed.Ring,
		Refused: a.recordRefusal,
		Pass:    e.client.SendHeartbeats,
		Shun:    a.writers,
	}
}

// admitSelf registers a founder. A member that comes back may have no quorum yet, and goes on without.
func (a *Agent) admitSelf(ctx context.Context, member Member, remembered peerset.Snapshot) error {
	if remembered.Founded != "" {
		return nil
	}

	return retry(ctx, a, "register in the peer set", func(ctx context.Context) error {
		_, err := member.Admit(ctx, a.joining())
		return err
	})
}

func (a *Agent) closeMember(member Member, why error) {
	patience := checkTimeout
	if errors.Is(why, ErrSetRebuilt) {
		// The rebuilt peer set does not know this member: there is nobody to hand over to.
		patience = 0
	}

	// The agent's own ctx has ended by now.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	if err := member.Close(ctx); err != nil {
		a.Log.Info("leave consensus", "err", err)
	}
}
