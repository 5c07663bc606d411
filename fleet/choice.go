package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/stack"
)

// choice is what an operator chose by the names of nodes and roles.
type choice struct {
	nodes   []stack.Node
	members []member // of the nodes that have a Droplet, in the nodes' order
}

// choose finds the nodes that words name: each word is a node or a role, and without words all nodes are meant.
// Droplets that stack.yaml names no more can be chosen, too: they run and are paid for.
func (f *Fleet) choose(ctx context.Context, words []string) (choice, error) {
	members, err := f.reachable(ctx)
	if err != nil {
		return choice{}, err
	}

	known := f.knownNodes(members)
	chosen := choice{nodes: known}

	if len(words) > 0 {
		if chosen.nodes, err = f.match(known, words); err != nil {
			return choice{}, err
		}
	}

	for _, node := range chosen.nodes {
		if m, there := find(members, node.Name); there {
			chosen.members = append(chosen.members, m)
		}
	}

	return chosen, nil
}

// names are those of the chosen nodes, for a person.
func (c choice) names() string {
	var names []string
	for _, node := range c.nodes {
		names = append(names, node.Name)
	}

	return strings.Join(names, ", ")
}

// missing are the chosen nodes that have no Droplet.
func (c choice) missing() []string {
	var names []string

	for _, node := range c.nodes {
		if _, there := find(c.members, node.Name); !there {
			names = append(names, node.Name)
		}
	}

	return names
}

// knownNodes are those of stack.yaml in its order, and after them those that only the cloud has.
func (f *Fleet) knownNodes(members []member) []stack.Node {
	nodes := f.Stack.All()

	for _, m := range members {
		if !slices.ContainsFunc(nodes, func(node stack.Node) bool { return node.Name == m.Node }) {
			nodes = append(nodes, stack.Node{Name: m.Node, Role: m.Role})
		}
	}

	return nodes
}

// match keeps the nodes that the words name. A node goes before a role of the same name.
func (f *Fleet) match(known []stack.Node, words []string) ([]stack.Node, error) {
	chosen := map[string]bool{}

	for _, word := range words {
		matches := matching(known, func(node stack.Node) bool { return node.Name == word })
		if len(matches) == 0 {
			matches = matching(known, func(node stack.Node) bool { return node.Role == word })
		}

		if len(matches) == 0 {
			return nil, f.unknownName(known, word)
		}

		for _, node := range matches {
			chosen[node.Name] = true
		}
	}

	return matching(known, func(node stack.Node) bool { return chosen[node.Name] }), nil
}

func matching(nodes []stack.Node, is func(stack.Node) bool) []stack.Node {
	var matches []stack.Node

	for _, node := range nodes {
		if is(node) {
			matches = append(matches, node)
		}
	}

	return matches
}

// unknownName suggests the nearest of all names.
func (f *Fleet) unknownName(known []stack.Node, word string) error {
	var names []string

	for _, node := range known {
		names = append(names, node.Name)

		if !slices.Contains(names, node.Role) {
			names = append(names, node.Role)
		}
	}

	if near := report.Nearest(word, names); near != "" {
		return fmt.Errorf("the stack %s has no node or role %q; did you mean %q?", f.Stack.Name, word, near)
	}

	return fmt.Errorf("the stack %s has no node or role %q; it has %v", f.Stack.Name, word, names)
}
