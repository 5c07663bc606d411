package stack

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/roles"
)

// Schema is the JSON Schema of stack.yaml, for editors: its keys, what they may hold, and the settings of the roles
// that there are. It says less than the check, which knows how one place bears on another.
func Schema(manifests map[string]*roles.Manifest) ([]byte, error) {
	b := schemaBuilder{
		manifests: manifests,
		limits:    schemaLimits(manifests),
	}

	whole := b.of(reflect.TypeFor[Stack](), "")
	whole["$schema"] = "http://json-schema.org/draft-07/schema#"
	whole["title"] = "stack.yaml of Hornero"
	whole["definitions"] = b.definitions()

	text, err := json.MarshalIndent(whole, "", "  ")

	return append(text, '\n'), err
}

// schema is a JSON Schema, or a part of one.
type schema map[string]any

type schemaBuilder struct {
	manifests map[string]*roles.Manifest
	limits    map[string]schema // by path
}

// of is the schema of a type at a path, as in "nodes[].count".
func (b schemaBuilder) of(kind reflect.Type, path string) schema {
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}

	found := b.plain(kind, path)
	maps.Copy(found, b.limits[path])

	if help := schemaHelp[path]; help != "" {
		found["description"] = help
	}

	return found
}

// plain is what the type alone says.
func (b schemaBuilder) plain(kind reflect.Type, path string) schema {
	switch {
	case kind == reflect.TypeFor[time.Duration]():
		return schema{"type": "string", "pattern": durationPattern}

	case kind == reflect.TypeFor[map[string]map[string]roles.Value]():
		return b.settingsByRole()

	case kind == reflect.TypeFor[map[string]roles.Value]():
		return schema{"type": "object"} // its keys are those of the group's role

	case kind.Kind() == reflect.Struct:
		return b.mapping(kind, path)

	case kind.Kind() == reflect.Slice:
		return schema{"type": "array", "items": b.of(kind.Elem(), path+"[]")}

	case kind.Kind() == reflect.Int:
		return schema{"type": "integer"}
	}

	return schema{"type": "string"}
}

func (b schemaBuilder) mapping(kind reflect.Type, path string) schema {
	properties := schema{}
	for _, field := range reflect.VisibleFields(kind) {
		key := field.Tag.Get("yaml")
		at := strings.TrimPrefix(path+"."+key, ".")

		// The short form of a load balancer has no name.
		if key != "" && at != "load_balancer.name" {
			properties[key] = b.of(field.Type, at)
		}
	}

	return schema{
		"type":                 "object",
		"properties":           properties,
		"additionalProperties": false,
	}
}

// settingsByRole is the schema of what is said of roles.
func (b schemaBuilder) settingsByRole() schema {
	properties := schema{}
	for _, manifest := range roles.Deployable(b.manifests) {
		properties[manifest.Name] = schema{"$ref": definition(manifest.Name)}
	}

	return schema{
		"type":                 "object",
		"properties":           properties,
		"additionalProperties": false,
	}
}

// definitions are the settings of each role, which stand in two places.
func (b schemaBuilder) definitions() schema {
	all := schema{}
	for _, manifest := range roles.Deployable(b.manifests) {
		properties := schema{}
		for name, rule := range manifest.Settings {
			properties[name] = settingSchema(rule)
		}

		all[manifest.Name] = schema{
			"type":                 "object",
			"description":          manifest.Summary,
			"properties":           properties,
			"additionalProperties": false,
		}
	}

	return all
}

func definition(role string) string { return "#/definitions/" + role }

// groupSettings says of each role which settings a group of it may have.
func groupSettings(manifests map[string]*roles.Manifest) []schema {
	var rules []schema
	for _, manifest := range roles.Deployable(manifests) {
		isRole := schema{"properties": schema{"role": schema{"const": manifest.Name}}}
		settings := schema{"settings": schema{"$ref": definition(manifest.Name)}}
		rules = append(rules, schema{"if": isRole, "then": schema{"properties": settings}})
	}

	return rules
}

// roleNames are the roles that a Droplet can have and that fit, sorted.
func roleNames(manifests map[string]*roles.Manifest, fits func(*roles.Manifest) bool) []string {
	var names []string
	for _, manifest := range roles.Deployable(manifests) {
		if fits(manifest) {
			names = append(names, manifest.Name)
		}
	}

	return slices.Clip(names)
}
