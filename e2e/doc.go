// Package e2e holds the proof of the whole path: images baked by Packer, a stack launched in a lab of its own,
// and what happens when its nodes are replaced, killed or handed nonsense. It runs as root, with the tag root.
package e2e
