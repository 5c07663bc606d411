package stack

import (
	"reflect"
	"slices"

	"github.com/hornero/hornero/internal/jsonschema"
	"github.com/hornero/hornero/roles"
)

type schema = jsonschema.Schema

// Schema is the JSON Schema of stack.yaml, for editors: its keys, what they may hold, and the settings of the roles
// that there are. It says less than the check, which knows how one place bears on another.
func Schema(manifests map[string]*roles.Manifest) ([]byte, error) {
	b := jsonschema.Builder{
		Help:   helpOfAll(),
		Limits: schemaLimits(manifests),
		Hidden: []string{"load_balancer.name"}, // the short form has none
		Known: func(kind reflect.Type, _ string) schema {
			switch kind {
			case reflect.TypeFor[map[string]map[string]roles.Value]():
				return settingsByRole(manifests)
			case reflect.TypeFor[map[string]roles.Value]():
				return schema{"type": "object"} // its keys are those of the group's role
			}

			return nil
		},
	}

	whole := b.Whole(reflect.TypeFor[Stack](), "stack.yaml of Hornero")
	whole["definitions"] = definitions(manifests)

	return jsonschema.Encode(whole)
}

// settingsByRole is the schema of what is said of roles.
func settingsByRole(manifests map[string]*roles.Manifest) schema {
	properties := schema{}
	for _, manifest := range roles.Deployable(manifests) {
		properties[manifest.Name] = schema{"$ref": definition(manifest.Name)}
	}

	return jsonschema.Closed(properties)
}

// definitions are the settings of each role, which stand in two places.
func definitions(manifests map[string]*roles.Manifest) schema {
	all := schema{}
	for _, manifest := range roles.Deployable(manifests) {
		properties := schema{}
		for name, rule := range manifest.Settings {
			properties[name] = roles.SettingSchema(rule)
		}

		settings := jsonschema.Closed(properties)
		settings["description"] = manifest.Summary
		all[manifest.Name] = settings
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
