// Package edge measures what the role edge costs: its HAProxy with the configuration that a node gets, beside HAProxy
// and nginx configured by hand (testdata). It runs as root, with the tags root and bench, by scripts/bench-edge.sh,
// which gives it a Debian root and a network of its own; there is no lab, no Droplet and no bake.
//
// The edge's files stand where they stand on a node, word for word. What is missing against a node: systemd, the
// bootstrap, and visitors from afar: all is on loopback, so that nothing but the edge is in the way.
package edge
