package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Delays makes the lab as slow as a cloud. The zero value is the lab at its quickest; actions are asynchronous
// anyway.
type Delays struct {
	Create   time.Duration // before a new Droplet boots
	Network  time.Duration // from active until the addresses are shown
	Action   time.Duration // before any other action
	Snapshot time.Duration // before a snapshot is taken
	Transfer time.Duration // before an image is in another region
	Delete   time.Duration // a deleted Droplet is still seen for this long
	Balancer time.Duration // a load balancer takes no other change for this long after one
	Release  time.Duration // what a deleted Droplet held is not free for this long after it is gone
}

// The profiles of delays.
const (
	ProfileInstant = "instant"
	ProfileReal    = "real"
)

// Profile finds a profile's delays. Those of the real one are in proportion as on DigitalOcean, and shorter.
func Profile(name string) (Delays, error) {
	switch name {
	case ProfileInstant:
		return Delays{}, nil

	case ProfileReal:
		return Delays{
			Create:   2 * time.Second,
			Network:  500 * time.Millisecond,
			Action:   time.Second,
			Snapshot: time.Second,
			Transfer: 2 * time.Second,
			Delete:   time.Second,
			Balancer: 2 * time.Second,
			Release:  time.Second,
		}, nil
	}

	return Delays{}, fmt.Errorf("there is no profile %q: %s or %s", name, ProfileInstant, ProfileReal)
}

// named are the delays by the names that they have on the command line.
func (d *Delays) named() map[string]*time.Duration {
	return map[string]*time.Duration{
		"create":   &d.Create,
		"network":  &d.Network,
		"action":   &d.Action,
		"snapshot": &d.Snapshot,
		"transfer": &d.Transfer,
		"delete":   &d.Delete,
		"balancer": &d.Balancer,
		"release":  &d.Release,
	}
}

// Set changes one delay, from "create=3s".
func (d *Delays) Set(text string) error {
	name, value, _ := strings.Cut(text, "=")
	target, known := d.named()[name]
	if !known {
		names := slices.Sorted(maps.Keys(d.named()))
		return fmt.Errorf("there is no delay %q: %s", name, strings.Join(names, ", "))
	}

	// 0 is a delay, too: it turns one of the real profile off
	delay, err := time.ParseDuration(value)
	if err != nil || delay < 0 {
		return fmt.Errorf("delay %s: %q is no duration: as in %s=1.5s", name, value, name)
	}

	*target = delay

	return nil
}
