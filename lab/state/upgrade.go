package state

import "fmt"

// upgrades lead from one version of the document to the next: upgrades()[v] is given a document of version v. What is
// merely new and may be empty needs none of its own, but a version all the same, so that an older lab refuses it.
func upgrades() map[int]func(*Document) {
	return map[int]func(*Document){
		1: func(*Document) {}, // 2 has reserved IPs, firewalls, domains, projects, volumes and keys of Spaces
		2: func(*Document) {}, // 3 has custom images and Droplets with nothing but their VPC
		3: func(*Document) {}, // 4 has internal load balancers, with a cipher policy and tags
	}
}

// upgrade brings a document that was read to this version.
func upgrade(d *Document) error {
	for d.Version != Version {
		// a newer lab's document may hold what this one would lose
		step, known := upgrades()[d.Version]
		if !known {
			return fmt.Errorf(
				"%w: it says %d, this one writes %d; `hornero lab reset` begins anew",
				ErrVersion,
				d.Version,
				Version,
			)
		}

		step(d)
		d.Version++
	}

	return nil
}
