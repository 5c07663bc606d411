package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/report"
)

// The kinds of what may differ, in the order in which a plan has them.
const (
	KindNetwork     = "network"
	KindSecret      = "secret"
	KindSpace       = "Space"
	KindCertificate = "certificate"
	KindBalancer    = "load balancer"
	KindFirewall    = "firewall"
	KindRecord      = "record"
	KindImage       = "image"
	KindReservedIP  = "reserved IP"
	KindProject     = "project"
	KindSSHKey      = "SSH key"
	KindNode        = "node"
	KindDroplet     = "Droplet"
	// KindRoll is a roll that waits for its operator: he knows of it, and it is no drift.
	KindRoll = "roll"
)

// What a difference asks for.
const (
	ActionCreate  = "create"
	ActionLaunch  = "launch"
	ActionTurnOn  = "turn on"
	ActionChange  = "change"
	ActionReplace = "replace"
	ActionRemove  = "remove"
	ActionNothing = "nothing" // but somebody should know
)

// NothingYet begins what is said of a difference that no command brings about.
const NothingYet = "nothing yet: "

// up is the command that makes what is missing.
const up = "hornero up"

// Difference is one thing that is not as it is wanted.
type Difference struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Action string `json:"action"`
	Reason string `json:"reason"`
	// By is the command that brings the action about; after NothingYet, what an operator can do instead.
	By string `json:"by"`
}

// compare lists what differs. It never asks anything, so that a table can hold it.
func compare(want wanted, have found) []Difference {
	all := []Difference{}
	all = append(all, compareNetwork(want, have)...)
	all = append(all, compareSecrets(want)...)
	all = append(all, compareSpaces(want)...)
	all = append(all, compareCertificates(want, have)...)
	all = append(all, compareBalancers(want, have)...)
	all = append(all, compareFirewalls(want, have)...)
	all = append(all, compareRecords(want, have)...)

	for _, one := range want.unusable {
		all = append(all, Difference{
			Kind:   one.kind,
			Name:   one.name,
			Action: ActionNothing,
			Reason: one.reason,
			By:     NothingYet + "the reason says what to do",
		})
	}

	all = append(all, compareProject(want, have)...)
	all = append(all, foldRolls(want, have, compareNodes(want, have))...)

	if have.elsewhere(want) {
		blockMaking(all)
	}

	return all
}

// blockMaking says of what no command can make: in another region than the network's nothing is.
func blockMaking(all []Difference) {
	makes := []string{ActionCreate, ActionLaunch, ActionReplace}

	for i, one := range all {
		blocked := slices.Contains(makes, one.Action) && one.Kind != KindSecret
		if blocked && !strings.HasPrefix(one.By, NothingYet) {
			all[i].By = NothingYet + "the stack is in another region than stack.yaml says"
		}
	}
}

// elsewhere tells that the stack is in another region than the one that is wanted.
func (h found) elsewhere(want wanted) bool {
	return h.network != nil && h.network.RegionSlug != want.region
}

func compareNetwork(want wanted, have found) []Difference {
	one := Difference{
		Kind: KindNetwork,
		Name: want.name,
	}

	switch {
	case have.network == nil:
		one.Action = ActionCreate
		one.Reason = "it is not there"
		one.By = up
	case have.elsewhere(want):
		one.Action = ActionReplace
		one.Reason = changed("region", have.network.RegionSlug, want.region)
		one.By = NothingYet + "no stack moves; under another name it is launched there beside this one"
	case want.vpc != "" && have.network.IPRange != want.vpc:
		one.Action = ActionReplace
		one.Reason = changed("range", have.network.IPRange, want.vpc)
		one.By = NothingYet + "no VPC's range can be changed; write the one that it has into stack.yaml, or launch " +
			"the stack under another name"
	default:
		return nil
	}

	return []Difference{one}
}

func compareSecrets(want wanted) []Difference {
	var all []Difference

	for _, name := range want.unmade {
		all = append(all, Difference{
			Kind:   KindSecret,
			Name:   name,
			Action: ActionCreate,
			Reason: "the secrets file has none; what depends on it is not compared",
			By:     up,
		})
	}

	for _, secret := range want.ungiven {
		all = append(all, Difference{
			Kind:   KindSecret,
			Name:   secret.Name,
			Action: ActionCreate,
			Reason: secret.Line,
			By:     "hornero secrets set " + secret.Name,
		})
	}

	return all
}

func compareNodes(want wanted, have found) []Difference {
	var all []Difference

	for _, node := range want.nodes {
		m, there := find(have.members, node.Name)
		if !there {
			all = append(all, missingNode(node))
			continue
		}

		all = append(all, compareNode(want, have, node, m)...)
	}

	for _, m := range have.members {
		named := func(node wantedNode) bool { return node.Name == m.Node }

		switch {
		case slices.ContainsFunc(want.nodes, named):
		// It is a part of one difference: that the roll stands.
		case m.Extra != "" && m.Extra != StrategyRolling:
		default:
			all = append(all, unnamedNode(m))
		}
	}

	for _, m := range have.surplus {
		all = append(all, Difference{
			Kind:   KindNode,
			Name:   m.Node,
			Action: ActionRemove,
			Reason: fmt.Sprintf("Droplet %d (incarnation %d) is surplus", m.Droplet.ID, m.Incarnation),
			By:     up,
		})
	}

	for _, m := range have.strays {
		all = append(all, Difference{
			Kind:   KindDroplet,
			Name:   m.Droplet.Name,
			Action: ActionNothing,
			Reason: fmt.Sprintf("Droplet %d has the stack's tag and is no node's", m.Droplet.ID),
			By:     NothingYet + "remove the tag, or the Droplet",
		})
	}

	return all
}

// unnamedNode is a node that stack.yaml has not: it was scaled away, or a roll made it.
func unnamedNode(m member) Difference {
	one := Difference{
		Kind:   KindNode,
		Name:   m.Node,
		Action: ActionRemove,
		Reason: "of no group of stack.yaml any more; it runs on and is paid for",
		By:     up,
	}

	if m.Extra != "" {
		one.Reason = "a roll of role " + m.Role + " made it and did not end"
	}

	return one
}

func missingNode(node wantedNode) Difference {
	by := up
	if node.image == nil {
		by = NothingYet + "there is no image for it"
	}

	return Difference{
		Kind:   KindNode,
		Name:   node.Name,
		Action: ActionLaunch,
		Reason: "it has no Droplet",
		By:     by,
	}
}

// compareNode compares a node with the Droplet that it has.
func compareNode(want wanted, have found, node wantedNode, m member) []Difference {
	var all []Difference

	// A locked one has an event under way, which may start it.
	if m.Droplet.Status == "off" && !m.Droplet.Locked {
		all = append(all, Difference{
			Kind:   KindNode,
			Name:   node.Name,
			Action: ActionTurnOn,
			Reason: fmt.Sprintf("Droplet %d is off", m.Droplet.ID),
			By:     up,
		})
	}

	all = append(all, compareBackups(node, m)...)

	// There it is given and taken on purpose.
	if !byStrategy(have.members, StrategyBlueGreen)[node.Role] {
		all = append(all, compareTraffic(want, node, m)...)
	}

	reasons := outdated(want, have, node, m)
	replace := Difference{
		Kind:   KindNode,
		Name:   node.Name,
		Action: ActionReplace,
		By:     up,
	}

	if node.image == nil {
		replace.By = NothingYet + "there is no image for it"
	}

	switch {
	case node.spec == nil:
		// A secret is missing, which is a difference of its own.
	case !comparableSum(m.Made):
		// No reason to replace it, by itself.
		if len(reasons) == 0 {
			replace.Action = ActionNothing
			replace.By = "hornero replace " + node.Name
		}

		reasons = append(reasons, notComparable)
	case !node.madeOf(want.key, m):
		madeOf := func(node wantedNode) bool { return node.madeOf(want.key, m) }
		reasons = append(reasons, cmp.Or(node.changedKind(madeOf), "settings, secrets or rights"))
	}

	if len(reasons) == 0 {
		return all
	}

	replace.Reason = strings.Join(reasons, "; ")

	return append(all, replace)
}

const notComparable = "launched by an earlier version, or its spec tag is gone: settings and secrets are not comparable"

// outdated tells what a node's Droplet shows to be otherwise than wanted.
func outdated(want wanted, have found, node wantedNode, m member) []string {
	var reasons []string

	if m.Role != node.Role {
		reasons = append(reasons, changed("role", m.Role, node.Role))
	}
	if m.Droplet.SizeSlug != node.Size {
		reasons = append(reasons, changed("size", m.Droplet.SizeSlug, node.Size))
	}

	reasons = append(reasons, compareOptions(node, m)...)

	// That the network is elsewhere is a difference of its own.
	if region := regionOf(m.Droplet); region != want.region && !have.elsewhere(want) {
		reasons = append(reasons, changed("region", region, want.region))
	}

	if is := m.Droplet.Image; is != nil && node.image != nil && is.ID != node.image.ID {
		reasons = append(reasons, changed("image", imageName(*is, *node.image), imageName(*node.image, *is)))
	}

	if m.Incarnation == 0 {
		reasons = append(reasons, "its incarnation's tag is gone")
	}

	return reasons
}

// imageName tells an image from another, which may have the same name.
func imageName(image, other godo.Image) string {
	if image.Name != other.Name {
		return image.Name
	}

	return fmt.Sprintf("%s (%d)", image.Name, image.ID)
}

func regionOf(droplet godo.Droplet) string {
	if droplet.Region == nil {
		return ""
	}

	return droplet.Region.Slug
}

// madeOf tells whether a Droplet was launched with what the node would be given now, from whichever image, of whichever
// size and in whichever region: what the Droplet shows of those is compared by itself, and may be of a later day.
func (n wantedNode) madeOf(key report.Secret, m member) bool {
	images := []int{n.spec.Image}
	if m.Droplet.Image != nil {
		images = append(images, m.Droplet.Image.ID)
	}

	for _, image := range images {
		for _, size := range []string{n.spec.Size, m.Droplet.SizeSlug} {
			for _, region := range []string{n.spec.Region, regionOf(m.Droplet)} {
				made := *n.spec
				made.Image, made.Size, made.Region = image, size, region

				if made.sum(key) == m.Made {
					return true
				}
			}
		}
	}

	return false
}

func changed(what, from, to string) string { return fmt.Sprintf("%s %s -> %s", what, from, to) }
