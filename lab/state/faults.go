package state

import "time"

// The kinds of faults that last until they are lifted.
const (
	FaultFreeze    = "freeze"    // a Droplet's processes stand still
	FaultFill      = "fill"      // a Droplet's disk is full
	FaultCut       = "cut"       // a Droplet's links are down
	FaultPartition = "partition" // groups of Droplets don't reach each other
	FaultOneWay    = "oneway"    // packets from some to others are lost
	FaultLoss      = "loss"      // a part of the packets is lost, both ways
	FaultDelay     = "delay"     // every frame of a link comes later
	FaultClock     = "clock"     // programs see another time
	FaultAPI       = "api"       // requests are answered wrongly, late or not at all
	FaultAction    = "action"    // actions of a type don't end, or err
)

// Fault is something that is broken on purpose, until it is lifted by its name.
type Fault struct {
	Name    string    `json:"name"`
	Kind    string    `json:"kind"`
	Created time.Time `json:"created"`
	Until   time.Time `json:"until"` // lifted by itself then; zero means never

	// of Droplets: one for freeze, fill, cut, delay and clock, two or more for partition, from and to for
	// oneway and loss
	Groups  [][]int `json:"groups"`
	Network string  `json:"network"` // public, vpc, or empty for both
	Percent int     `json:"percent"` // of the packets that are lost
	Leave   int64   `json:"leave"`   // bytes that stay free on a full disk

	Jitter time.Duration `json:"jitter"` // by which a frame's delay may be more or less
	Step   time.Duration `json:"step"`   // of the clock

	Match  string        `json:"match"`  // of an API fault: a method and a path, * for anything
	Status int           `json:"status"` // what it answers; 0 for none of its own
	Delay  time.Duration `json:"delay"`  // before it answers; of a delay fault: of each frame
	Cut    bool          `json:"cut"`    // the body ends in its middle
	Hang   bool          `json:"hang"`   // it never answers
	Count  int           `json:"count"`  // requests that it meets; 0 for all
	After  int           `json:"after"`  // requests that it lets pass first
	Chance int           `json:"chance"` // percent of the requests; 0 for all

	Action  string `json:"action"`  // the type of an action fault, such as snapshot
	Outcome string `json:"outcome"` // hangs or errs
}

// Fault finds a fault; nil when there is none.
func (d *Document) Fault(name string) *Fault {
	return find(d.Faults, func(x *Fault) bool { return x.Name == name })
}
