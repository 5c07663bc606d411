package roles

import (
	_ "embed"
	"reflect"
	"strings"

	"github.com/hornero/hornero/internal/jsonschema"
)

// reference says what each key of role.yaml is for, a line each. A test makes it of what is written beside the types.
//
//go:embed reference.txt
var reference string

// Schema is the JSON Schema of role.yaml, for editors. It says less than the check, which knows the files of the role
// and what it includes. Nothing that the bootstrap calls may call it: the linker leaves it out there.
func Schema() ([]byte, error) {
	b := jsonschema.Builder{
		Help:   schemaHelp(),
		Limits: schemaLimits(),
		Known:  schemaKnown,
	}

	return jsonschema.Encode(b.Whole(reflect.TypeFor[Manifest](), "role.yaml of Hornero"))
}

// schemaHelp is the reference by path.
func schemaHelp() map[string]string {
	help := map[string]string{}
	for line := range strings.Lines(reference) {
		if path, text, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			help[path] = text
		}
	}

	return help
}

// schemaKnown is what a type says that is read otherwise than its kind.
func schemaKnown(kind reflect.Type, path string) jsonschema.Schema {
	switch {
	case kind == reflect.TypeFor[Value]():
		return jsonschema.Schema{"type": append(jsonschema.Scalars(), "array")}

	// Words of programs, values of variables: a port or true among them is a text, too.
	case kind.Kind() == reflect.String && (strings.HasSuffix(path, "[]") || strings.HasSuffix(path, ".NAME")):
		return scalar()
	}

	return nil
}

func scalar() jsonschema.Schema { return jsonschema.Schema{"type": jsonschema.Scalars()} }
