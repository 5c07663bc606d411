package report

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// Unmarshal is the library's for bytes of strangers. The library panics on some documents, as on a merge key whose
// value is nothing beside an anchor that stands for a key: here that is an error.
func Unmarshal(data []byte, into any) (err error) {
	defer notValid(&err)

	return yaml.Unmarshal(data, into)
}

// DecodeNode is the library's Node.Decode, likewise.
func DecodeNode(node *yaml.Node, into any) (err error) {
	defer notValid(&err)

	return node.Decode(into)
}

func notValid(err *error) {
	if said := recover(); said != nil {
		*err = fmt.Errorf("not valid YAML: %v", said)
	}
}
