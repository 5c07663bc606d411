package haproxy

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Shape digests what a running HAProxy cannot be told: everything in a configuration but comments, the servers'
// addresses and whether they start disabled. Of other HAProxies (a section "peers") it learns nothing while it runs.
func Shape(text []byte) string {
	digest := sha256.New()
	disabled := func(field string) bool { return field == "disabled" }
	peers := false

	for _, fields := range statements(text) {
		switch fields[0] {
		case "peers":
			peers = true
		case "frontend", "backend", "listen":
			peers = false
		}

		if fields[0] == "server" && len(fields) > 2 && !peers {
			fields = slices.Delete(fields, 2, 3) // the address
			fields = slices.DeleteFunc(fields, disabled)
		}

		digest.Write([]byte(strings.Join(fields, " ") + "\n"))
	}

	return hex.EncodeToString(digest.Sum(nil))
}

// Slots lists the servers of a configuration that stand for nodes as backend/name, sorted.
func Slots(text []byte) []string {
	var section string
	var slots []string

	for _, fields := range statements(text) {
		switch {
		case len(fields) > 1 && (fields[0] == "backend" || fields[0] == "listen"):
			section = fields[1]
		case fields[0] == "peers":
			section = "" // its servers are other HAProxies
		case len(fields) > 1 && section != "" && fields[0] == "server" && fields[1] != nobody:
			slots = append(slots, section+"/"+fields[1])
		}
	}

	slices.Sort(slots)

	return slots
}

func statements(text []byte) [][]string {
	var list [][]string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 0 && !strings.HasPrefix(fields[0], "#") {
			list = append(list, fields)
		}
	}

	return list
}
