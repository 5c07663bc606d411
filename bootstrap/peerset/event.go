package peerset

import (
	"context"
	"maps"
	"slices"
	"time"
)

// MaxEvents is how many events the peer set keeps, and MaxNotes how many of them one node may have added itself: none
// pushes out what the others say.
const (
	MaxEvents = 1000
	MaxNotes  = 200
)

// Kinds of events that the members write themselves, with the change.
const (
	EventJoined   = "joined"
	EventEvicted  = "evicted"  // a newer incarnation took the name
	EventGone     = "gone"     // declared so
	EventDraining = "draining" // the node gives its work up
	EventWriter   = "writer"   // another node takes the writes
	EventLease    = "lease"    // another node holds one of the other leases
	EventRebuilt  = "rebuilt"  // an operator rebuilt the peer set from this member
)

// Kinds of events that nodes add.
const (
	EventBootstrapped = "galera-bootstrapped" // a new history began, or one of old went on after all nodes were down
	EventRecovered    = "galera-recovered"
	EventSynced       = "galera-synced"
	EventDonor        = "galera-donor"
	EventNonPrimary   = "galera-non-primary"
	EventDrift        = "drift"        // files are not as baked
	EventUnseen       = "not-compared" // files could not be compared: no drift, and not known to be none
	EventQuarantine   = "quarantine"
	EventStranger     = "galera-stranger" // Galera's view has a member that the peer set does not know
	EventExpiry       = "certificate"     // one of the node's certificates ends soon
	EventWalls        = "walls"           // the node's rules about who may reach it are not in force, or were gone
	EventReservedIP   = "reserved-ip"     // the address reaches the node, or the API does not let it move it
)

// Event is something that happened to the stack.
type Event struct {
	ID          int64     `json:"id"` // grows
	Time        time.Time `json:"time"`
	Kind        string    `json:"kind"`
	Node        string    `json:"node"` // whom it is about
	Incarnation int       `json:"incarnation,omitempty"`
	From        string    `json:"from,omitempty"`  // of a lease: who held it before
	Lease       string    `json:"lease,omitempty"` // its name
	Epoch       int64     `json:"epoch,omitempty"` // and epoch
	Text        string    `json:"text"`
}

// Note is what a node has to say of itself.
type Note struct {
	Kind string    `json:"kind"`
	Text string    `json:"text"`
	Time time.Time `json:"time,omitzero"` // zero for now
}

// Events is the memory of what happened, as one node uses it.
type Events interface {
	// Note adds an event about this node.
	Note(ctx context.Context, note Note) error
	// Events returns the newest of the events after an id, at most limit of them, in order.
	Events(ctx context.Context, after int64, limit int) ([]Event, error)
}

// noteDrivers says which driver's roles may add events of a kind; "" is any.
var noteDrivers = map[string]string{
	EventBootstrapped: driverGalera,
	EventRecovered:    driverGalera,
	EventSynced:       driverGalera,
	EventDonor:        driverGalera,
	EventNonPrimary:   driverGalera,
	EventDrift:        "",
	EventUnseen:       "",
	EventQuarantine:   "",
	EventReservedIP:   "",
	EventWalls:        "",
	EventStranger:     driverGalera,
	EventExpiry:       "",
}

// EventKinds are all kinds, sorted.
func EventKinds() []string {
	kinds := append(
		NoteKinds(),
		EventJoined,
		EventEvicted,
		EventGone,
		EventDraining,
		EventWriter,
		EventLease,
		EventRebuilt,
	)
	slices.Sort(kinds)

	return kinds
}

// NoteKinds are the kinds of events that nodes add, sorted.
func NoteKinds() []string {
	return slices.Sorted(maps.Keys(noteDrivers))
}

// BindEvents is the events of a registry as one node uses them.
func BindEvents(registry Registry, who Identity) Events {
	return boundEvents{registry, who}
}

type boundEvents struct {
	registry Registry
	who      Identity
}

func (b boundEvents) Note(ctx context.Context, note Note) error {
	return b.registry.Note(ctx, b.who, note)
}

func (b boundEvents) Events(ctx context.Context, after int64, limit int) ([]Event, error) {
	return b.registry.Events(ctx, after, limit)
}
