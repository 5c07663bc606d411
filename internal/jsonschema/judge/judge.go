// Package judge tells whether a YAML text is as a JSON Schema says, as far as Hornero's own schemas go. It is for their
// tests, which hold that schema and check agree; no program has it.
package judge

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Part is a JSON Schema, or a part of one, as it is read back.
type Part = map[string]any

// Judge knows one schema.
type Judge struct {
	Whole Part
	// unknown are keywords that it does not know: it would judge nothing by them.
	unknown []string
}

// New reads a schema.
func New(text []byte) (*Judge, error) {
	j := &Judge{}
	if err := json.Unmarshal(text, &j.Whole); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}

	return j, nil
}

// Allows tells whether a YAML text is as the schema says. It is an error when nobody can tell.
func (j *Judge) Allows(text string) (bool, error) {
	value, err := read(text)
	if err != nil {
		return false, fmt.Errorf("read text: %w", err)
	}

	fits := j.fits(j.Whole, value)
	if len(j.unknown) > 0 {
		return false, fmt.Errorf("judge by schema: no rule for the keyword %s; write one", j.unknown[0])
	}

	return fits, nil
}

// read reads YAML by way of JSON, whose numbers are all of one type.
func read(text string) (value any, err error) {
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return nil, err
	}

	encoded, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}

	err = json.Unmarshal(encoded, &value)

	return value, err
}

func (j *Judge) fits(schema Part, value any) bool {
	for key, rule := range schema {
		if !j.rule(schema, key, rule, value) {
			return false
		}
	}

	return true
}

// rule judges by one keyword.
func (j *Judge) rule(schema Part, key string, rule, value any) bool {
	mapping, isMapping := value.(Part)

	switch key {
	case "$schema", "title", "description", "default", "definitions", "then", "format":
		return true
	case "properties":
		return !isMapping || j.properties(rule.(Part), mapping)
	case "additionalProperties":
		return !isMapping || j.others(schema, rule, mapping)
	case "if":
		return !j.fits(rule.(Part), value) || j.fits(schema["then"].(Part), value)
	}

	judges, known := keywords[key]
	if !known {
		j.unknown = append(j.unknown, key)
		return false
	}

	return judges(j, rule, value)
}

// properties judges the keys that have a rule of their own.
func (j *Judge) properties(rules, mapping Part) bool {
	for name, value := range mapping {
		if rule, known := rules[name].(Part); known && !j.fits(rule, value) {
			return false
		}
	}

	return true
}

// others judges the keys that have none.
func (j *Judge) others(schema Part, rule any, mapping Part) bool {
	known, _ := schema["properties"].(Part)

	for name, value := range mapping {
		if known[name] != nil {
			continue
		}

		if part, allowed := rule.(Part); !allowed || !j.fits(part, value) {
			return false
		}
	}

	return true
}

// keywords are those that judge alone.
var keywords map[string]func(j *Judge, rule, value any) bool

// They judge by one another: a composite literal would be a loop of initialization.
func init() {
	keywords = map[string]func(j *Judge, rule, value any) bool{
		"$ref":  (*Judge).reference,
		"allOf": (*Judge).all,
		"anyOf": (*Judge).anyOf,
		"not":   (*Judge).not,

		"dependencies":  (*Judge).dependencies,
		"items":         (*Judge).items,
		"propertyNames": (*Judge).names,
		"required":      hasAll,

		"const":     isSame,
		"enum":      isOneOf,
		"maxItems":  isShort,
		"maximum":   isAtMost,
		"minItems":  isLong,
		"minLength": isLong,
		"minimum":   isAtLeast,
		"pattern":   matches,
		"type":      isType,
	}
}

// reference judges by the definition that a $ref names.
func (j *Judge) reference(rule, value any) bool {
	name := strings.TrimPrefix(rule.(string), "#/definitions/")
	definitions := j.Whole["definitions"].(Part)

	return j.fits(definitions[name].(Part), value)
}

func (j *Judge) not(rule, value any) bool {
	return !j.fits(rule.(Part), value)
}

func (j *Judge) all(rule, value any) bool {
	for _, one := range rule.([]any) {
		if !j.fits(one.(Part), value) {
			return false
		}
	}

	return true
}

func (j *Judge) anyOf(rule, value any) bool {
	for _, one := range rule.([]any) {
		if j.fits(one.(Part), value) {
			return true
		}
	}

	return false
}

func (j *Judge) items(rule, value any) bool {
	list, _ := value.([]any)
	for _, item := range list {
		if !j.fits(rule.(Part), item) {
			return false
		}
	}

	return true
}

func (j *Judge) names(rule, value any) bool {
	mapping, _ := value.(Part)
	for name := range mapping {
		if !j.fits(rule.(Part), name) {
			return false
		}
	}

	return true
}

// dependencies judge the whole mapping where a key is there.
func (j *Judge) dependencies(rule, value any) bool {
	mapping, _ := value.(Part)
	for name, part := range rule.(Part) {
		if _, there := mapping[name]; there && !j.fits(part.(Part), value) {
			return false
		}
	}

	return true
}

func isSame(_ *Judge, rule, value any) bool {
	return rule == value
}

func isOneOf(_ *Judge, rule, value any) bool {
	return slices.Contains(rule.([]any), value)
}

func hasAll(_ *Judge, rule, value any) bool {
	mapping, isMapping := value.(Part)
	if !isMapping {
		return true
	}

	for _, name := range rule.([]any) {
		if mapping[name.(string)] == nil {
			return false
		}
	}

	return true
}

func matches(_ *Judge, rule, value any) bool {
	text, isText := value.(string)
	pattern := regexp.MustCompile(rule.(string))

	return !isText || pattern.MatchString(text)
}

// isLong tells whether a text or a list has as many letters or items as it must.
func isLong(_ *Judge, rule, value any) bool {
	length, counted := lengthOf(value)
	return !counted || length >= rule.(float64)
}

// isShort tells whether it has no more than it may.
func isShort(_ *Judge, rule, value any) bool {
	length, counted := lengthOf(value)
	return !counted || length <= rule.(float64)
}

func lengthOf(value any) (float64, bool) {
	switch value := value.(type) {
	case string:
		return float64(len(value)), true
	case []any:
		return float64(len(value)), true
	}

	return 0, false
}

func isAtLeast(_ *Judge, rule, value any) bool {
	number, isNumber := value.(float64)
	return !isNumber || number >= rule.(float64)
}

func isAtMost(_ *Judge, rule, value any) bool {
	number, isNumber := value.(float64)
	return !isNumber || number <= rule.(float64)
}

func isType(_ *Judge, rule, value any) bool {
	types, several := rule.([]any)
	if !several {
		types = []any{rule}
	}

	return slices.ContainsFunc(types, func(kind any) bool {
		return isKind(kind, value)
	})
}

func isKind(kind, value any) bool {
	switch value := value.(type) {
	case string:
		return kind == "string"
	case bool:
		return kind == "boolean"
	case []any:
		return kind == "array"
	case Part:
		return kind == "object"
	case float64:
		isWhole := value == math.Trunc(value)
		return kind == "number" || kind == "integer" && isWhole
	}

	return false
}
