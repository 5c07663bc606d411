package peerset

import (
	"context"
	"time"
)

// Scope shows the peer set to the driver of a role, or to one that serves another role's databases: leases and settings
// of that role by their own names, and none of another's under these. So a driver need not know which role it is for.
func Scope(set Set, rights Rights, role string) Set {
	if rights.Lease(role, LeaseWriter) == LeaseWriter {
		return set
	}

	return scoped{Set: set, rights: rights, role: role}
}

// driverLeases and driverSettings are what drivers know by name.
var (
	driverLeases   = []string{LeaseWriter, LeaseGaleraBootstrap, LeaseGaleraJoin}
	driverSettings = []string{SettingDecision, SettingGrants}
)

type scoped struct {
	Set
	rights Rights
	role   string
}

// Snapshot has the role's leases and settings under their own names.
func (s scoped) Snapshot() Snapshot {
	snapshot := s.Set.Snapshot().Clone()
	if snapshot.Leases == nil {
		return snapshot
	}

	for _, name := range driverLeases {
		lease, there := snapshot.Leases[s.rights.Lease(s.role, name)]
		delete(snapshot.Leases, name)

		if there {
			lease.Name = name
			snapshot.Leases[name] = lease
		}
	}

	for _, key := range driverSettings {
		value, there := snapshot.Settings[s.rights.Setting(s.role, key)]
		delete(snapshot.Settings, key)

		if there {
			snapshot.Settings[key] = value
		}
	}

	return snapshot
}

func (s scoped) Hold(ctx context.Context, name string, ttl time.Duration) (Lease, bool, error) {
	lease, held, err := s.Set.Hold(ctx, s.rights.Lease(s.role, name), ttl)
	lease.Name = name

	return lease, held, err
}

func (s scoped) Seize(ctx context.Context, seen Lease, reason string) (Lease, error) {
	lease, err := s.Set.Seize(ctx, s.global(seen), reason)
	lease.Name = seen.Name

	return lease, err
}

func (s scoped) Release(ctx context.Context, lease Lease) error {
	return s.Set.Release(ctx, s.global(lease))
}

func (s scoped) Put(ctx context.Context, key, value string, fence Lease) error {
	return s.Set.Put(ctx, s.rights.Setting(s.role, key), value, s.global(fence))
}

// global is a lease by its name in the peer set.
func (s scoped) global(lease Lease) Lease {
	lease.Name = s.rights.Lease(s.role, lease.Name)
	return lease
}
