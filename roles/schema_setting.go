package roles

import (
	"strconv"

	"github.com/hornero/hornero/internal/jsonschema"
	"github.com/hornero/hornero/internal/report"
)

// SettingSchema is the JSON Schema of a setting's value. Not a method: the templates' library has the linker keep those
// in programs that call none of them.
func SettingSchema(rule Setting) jsonschema.Schema {
	found := settingType(rule)
	if rule.Help != "" {
		found["description"] = rule.Help
	}

	if len(rule.OneOf) > 0 {
		found["enum"] = rule.OneOf
	}

	// What is not required may be empty.
	switch {
	case rule.Match == "" || rule.Type == TypeList:
	case rule.Required:
		found["pattern"] = "^(?:" + rule.Match + ")$"
	default:
		found["pattern"] = "^(?:" + rule.Match + ")?$"
	}

	if rule.Default != nil && rule.Type != TypeList {
		found["default"] = typed(rule.Type, rule.Fallback())
	}

	return found
}

func settingType(rule Setting) jsonschema.Schema {
	switch rule.Type {
	case TypeNumber:
		number := jsonschema.Schema{"type": "integer"}
		for key, bound := range map[string]*Value{
			"minimum": rule.Min,
			"maximum": rule.Max,
		} {
			if bound != nil {
				number[key] = typed(rule.Type, bound.Scalar)
			}
		}

		return number

	case TypeBoolean:
		return jsonschema.Schema{"type": "boolean"}
	case TypeDuration:
		return jsonschema.Schema{"type": "string", "pattern": jsonschema.DurationPattern}
	case TypeSize:
		return jsonschema.Schema{"type": []string{"string", "integer"}, "pattern": sizePattern.String()}
	case TypeList:
		item := jsonschema.Schema{"type": jsonschema.Scalars()}
		if rule.Match != "" {
			item["pattern"] = "^(?:" + rule.Match + ")$"
		}

		return jsonschema.Schema{"type": "array", "items": item}
	case TypeText, TypeLines:
		return jsonschema.Schema{"type": jsonschema.Scalars()}
	}

	return jsonschema.Schema{"type": "string"}
}

// typed is a setting's text as JSON has it.
func typed(kind, text string) any {
	switch kind {
	case TypeNumber:
		if number, err := report.ParseNumber(text); err == nil {
			return number
		}
	case TypeBoolean:
		if value, err := strconv.ParseBool(text); err == nil {
			return value
		}
	}

	return text
}
