// Package jsonschema makes JSON Schemas (draft-07), for editors, of the types that YAML files are read into. It reads
// the yaml tags of their fields and knows nothing of what the files are about: who asks says what more there is to each
// place.
package jsonschema

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

const draft = "http://json-schema.org/draft-07/schema#"

// DurationPattern is how a duration is written, as in 90s or 1h30m.
const DurationPattern = `^(0|([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+)$`

const maxPort = 65535

// Schema is a JSON Schema, or a part of one.
type Schema map[string]any

// Builder makes the schema of a type. A path is where something stands in the file: "nodes[].count", or
// "settings.NAME.type" where the names are the user's own.
type Builder struct {
	Help   map[string]string // what stands at a path, in a line
	Limits map[string]Schema // what holds at a path beside what the type says, or in its place
	Hidden []string          // paths that the type has and the file has not
	// Known is the schema of a type that says more than its kind, as one that reads itself; nil for others.
	Known func(kind reflect.Type, path string) Schema
}

// Whole is the schema of a file that is read into a type.
func (b Builder) Whole(kind reflect.Type, title string) Schema {
	whole := b.of(kind, "")
	whole["$schema"] = draft
	whole["title"] = title

	return whole
}

func (b Builder) of(kind reflect.Type, path string) Schema {
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}

	var found Schema
	if b.Known != nil {
		found = b.Known(kind, path)
	}
	if found == nil {
		found = b.plain(kind, path)
	}

	maps.Copy(found, b.Limits[path])

	if help := b.Help[path]; help != "" {
		found["description"] = help
	}

	return found
}

// plain is what the type alone says.
func (b Builder) plain(kind reflect.Type, path string) Schema {
	if kind == reflect.TypeFor[time.Duration]() {
		return Schema{"type": "string", "pattern": DurationPattern}
	}

	switch kind.Kind() {
	case reflect.Struct:
		return b.mapping(kind, path)
	case reflect.Map:
		return Schema{"type": "object", "additionalProperties": b.of(kind.Elem(), path+".NAME")}
	case reflect.Slice:
		return Schema{"type": "array", "items": b.of(kind.Elem(), path+"[]")}
	case reflect.Int:
		return Schema{"type": "integer"}
	case reflect.Bool:
		return Schema{"type": "boolean"}
	}

	return Schema{"type": "string"}
}

func (b Builder) mapping(kind reflect.Type, path string) Schema {
	properties := Schema{}

	for _, field := range reflect.VisibleFields(kind) {
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		at := strings.TrimPrefix(path+"."+key, ".")

		if key != "" && key != "-" && !slices.Contains(b.Hidden, at) {
			properties[key] = b.of(field.Type, at)
		}
	}

	return Closed(properties)
}

// Closed is a mapping with these keys and no others.
func Closed(properties Schema) Schema {
	return Schema{
		"type":                 "object",
		"properties":           properties,
		"additionalProperties": false,
	}
}

// Scalars are the types of a text: unquoted, it may look like something else.
func Scalars() []string { return []string{"string", "number", "boolean"} }

// Port limits a number to what a port may be.
func Port() Schema { return Schema{"minimum": 1, "maximum": maxPort} }

// Encode writes a schema as a file of its own.
func Encode(schema Schema) ([]byte, error) {
	text, err := json.MarshalIndent(schema, "", "  ")
	return append(text, '\n'), err
}
