package bootstrap

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/roles"
)

// unknownMemory is assumed where the machine's memory cannot be read.
const unknownMemory = 1 << 30

// facts are what templates may read now.
func (a *Agent) facts() roles.Facts {
	facts := roles.Facts{
		Stack:       a.node.Stack,
		Node:        a.node.Node,
		Role:        a.node.Role,
		Release:     a.Release,
		Incarnation: a.node.Incarnation,
		Address:     a.address,
		Network:     a.network,
		Anchor:      a.anchor,
		Memory:      memoryBytes(),
		CPUs:        runtime.NumCPU(),
		RealTime:    realTime(),
		Settings:    a.node.Settings,
		Secrets:     a.node.Secrets,
		Expected:    a.node.Expected,
		Peers:       map[string][]roles.PeerFact{},
		Writers:     map[string]string{},
		Leases:      map[string]map[string]string{},
		Databases:   a.databases(),
		PKI:         identityFacts(a.identity()),
		Authorities: map[string]map[string]string{},
	}
	for authority, identity := range a.node.TLS.Authorities {
		facts.Authorities[authority] = identityFacts(identity)
	}

	for role, rights := range a.rights {
		facts.Leases[role] = rights.Leases
	}

	if a.set == nil {
		return facts
	}

	snapshot := a.set.Snapshot()
	facts.Kept = keptBy(snapshot, a.node.Role)

	for _, role := range a.manifest.Watches {
		facts.Writers[role] = snapshot.Holder(a.rights.Lease(role, peerset.LeaseWriter))
	}

	for _, peer := range snapshot.Peers {
		facts.Peers[peer.Role] = append(facts.Peers[peer.Role], roles.PeerFact{
			Name:        peer.Name,
			Address:     peer.Address,
			Incarnation: peer.Incarnation,
			Healthy:     peer.Healthy && peer.Alive,
			Alive:       peer.Alive,
			State:       peer.State,
		})
	}

	return facts
}

func identityFacts(identity cloudinit.Identity) map[string]string {
	return map[string]string{
		roles.PKIAuthority:   identity.CA,
		roles.PKICertificate: identity.Certificate,
		roles.PKIKey:         identity.Key.Reveal(),
	}
}

// databases are what this node keeps for other roles.
func (a *Agent) databases() []roles.Database {
	var list []roles.Database
	for _, database := range a.node.Databases {
		list = append(list, roles.Database(database))
	}

	return list
}

// rightsOf are the rights that a document names.
func rightsOf(node cloudinit.Node) peerset.Rights {
	rights := peerset.Rights{}
	for role, of := range node.Roles {
		rights[role] = peerset.RoleRights{Driver: of.Driver, Leases: of.Leases}
	}

	return rights
}

// memoryBytes is the machine's memory or its control group's limit, whichever is less.
func memoryBytes() int64 {
	memory, limit := machineMemory(), memoryLimit()

	// In a container the control group allows less than /proc/meminfo says.
	if memory == 0 || limit > 0 && limit < memory {
		memory = limit
	}

	if memory == 0 {
		return unknownMemory
	}

	return memory
}

// machineMemory reads proc(5), meminfo; 0 where it cannot.
func machineMemory() int64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}

	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "MemTotal:" {
			kibi, _ := strconv.ParseInt(fields[1], 10, 64)
			return kibi << 10
		}
	}

	return 0
}

// memoryLimit is the control group's; 0 where there is none ("max").
func memoryLimit() int64 {
	data, err := os.ReadFile("/sys/fs/cgroup/memory.max")
	if err != nil {
		return 0
	}

	limit, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil {
		return 0
	}

	return limit
}

// realTime tells whether a process of this node may run before all others, by sched(7)'s SCHED_RR. A kernel
// that shares real-time out among control groups refuses it to a container that was given none, to root as
// well. It is tried on a thread of its own, which ends with the goroutine that never unlocks it.
var realTime = sync.OnceValue(func() bool {
	allowed := make(chan bool)

	go func() {
		runtime.LockOSThread()

		err := unix.SchedSetAttr(0, &unix.SchedAttr{
			Size:     unix.SizeofSchedAttr,
			Policy:   unix.SCHED_RR,
			Priority: 1,
		}, 0)
		allowed <- err == nil
	}()

	return <-allowed
})
