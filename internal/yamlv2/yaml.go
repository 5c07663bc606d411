// Package yaml stands in for gopkg.in/yaml.v2, of which go-dqlite uses two functions for its two small files
// (info.yaml and cluster.yaml). It hands them on to yaml.v3, which the bootstrap holds anyway: a second YAML library
// costs 0.3 MB of the 16 that it may have.
//
// go.mod puts it in the place of the real one. It must not be imported by anything else.
package yaml

import "gopkg.in/yaml.v3"

// Marshal is yaml.v3's. What it writes, yaml.v2 reads, and the other way round.
func Marshal(value any) ([]byte, error) {
	return yaml.Marshal(value)
}

// Unmarshal is yaml.v3's.
func Unmarshal(text []byte, into any) error {
	return yaml.Unmarshal(text, into)
}
