package bootstrap

import (
	"context"
	"maps"
	"sync"

	"github.com/hornero/hornero/bootstrap/cloud"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/bootstrap/reservedip"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/status"
)

// startKeeper keeps the stack's reserved IP, where the document says that this node may hold it.
func (a *Agent) startKeeper(ctx context.Context, work *sync.WaitGroup) {
	address := a.node.Settings[cloudinit.SettingReservedIP]
	token, given := a.node.Secrets[cloudinit.SecretReservedIPToken]
	if address == "" || !given {
		return
	}

	keeper := reservedip.New(reservedip.Config{
		Node:    a.node.Node,
		Role:    a.node.Role,
		Droplet: a.droplet,
		Address: address,
		Set:     a.set,
		API: cloud.Client{
			Endpoint: a.node.Settings[cloudinit.SettingReservedIPAPI],
			Token:    token,
			Address:  address,
			Agent:    "hornero-bootstrap/" + a.Version,
		},
		Metadata: cloud.Metadata{URL: a.Metadata},
		Health:   a.servingState,
		Note:     func(text string) { a.note(peerset.EventReservedIP, text) },
		Changed:  a.reportNow.Ring,
		Count:    func(result string) { a.counted.moves.Add(1, result) },
		Log:      a.Log,
		Times:    a.ReservedIP,
	})

	a.mu.Lock()
	a.keeper = keeper
	a.mu.Unlock()

	work.Go(func() { keeper.Run(ctx) })
}

// servingState is what decides whether this node may hold the reserved IP.
func (a *Agent) servingState() (healthy, leaving bool) {
	healthy, _ = a.Health()
	return healthy, a.isLeaving()
}

// reportedFacts are the driver's facts and the keeper's.
func (a *Agent) reportedFacts() map[string]string {
	a.mu.Lock()
	facts, keeper := a.status.Facts, a.keeper
	a.mu.Unlock()

	share := a.share()
	if keeper == nil && share == "" {
		return facts
	}

	// The driver goes on using its map.
	facts = maps.Clone(facts)
	if facts == nil {
		facts = map[string]string{}
	}

	if keeper != nil {
		facts[peerset.FactReservedIP] = keeper.Fact()
	}

	if share != "" {
		facts[peerset.FactShare] = share
	}

	return facts
}

// reservedIP is this node's part in keeping the stack's reserved IP; nil for none.
func (a *Agent) reservedIP(snapshot peerset.Snapshot) *status.ReservedIP {
	a.mu.Lock()
	keeper := a.keeper
	a.mu.Unlock()

	if keeper == nil {
		return nil
	}

	said := keeper.Status()
	lease := snapshot.Leases[peerset.ReservedIPLease(a.node.Role)]

	return &status.ReservedIP{
		Address: said.Address,
		Holder:  lease.Holder,
		Epoch:   lease.Epoch,
		Holds:   said.Holds,
		Active:  said.Active,
		Problem: said.Problem,
		Warning: said.Warning,
	}
}
