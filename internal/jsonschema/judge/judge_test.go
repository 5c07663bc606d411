package judge_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/jsonschema/judge"
)

// A judge that allowed everything would have every test of a schema pass.
func TestEachKeywordJudges(t *testing.T) {
	type verdict struct {
		schema  string
		allowed string
		refused string
	}

	for _, v := range []verdict{
		{`{"type": "string"}`, `text`, `12`},
		{`{"type": "integer"}`, `12`, `1.5`},
		{`{"type": ["array", "boolean"]}`, `[1]`, `{a: 1}`},
		{`{"type": "object"}`, `{a: 1}`, `true`},
		{`{"const": 1}`, `1`, `2`},
		{`{"enum": ["a", true]}`, `true`, `b`},
		{`{"pattern": "^a+$"}`, `aa`, `ab`},
		{`{"pattern": "^a+$"}`, `12`, `b`},
		{`{"minLength": 2}`, `aa`, `a`},
		{`{"minItems": 1}`, `[a]`, `[]`},
		{`{"maxItems": 1}`, `[a]`, `[a, b]`},
		{`{"minimum": 2}`, `2`, `1`},
		{`{"maximum": 2}`, `2`, `3`},
		{`{"maximum": 2}`, `text`, `2.5`},
		{`{"required": ["a"]}`, `{a: 1}`, `{b: 1}`},
		{`{"required": ["a"]}`, `12`, `{}`},
		{`{"items": {"type": "string"}}`, `[a, b]`, `[a, 1]`},
		{`{"properties": {"a": {"type": "string"}}}`, `{a: b, c: 1}`, `{a: 1}`},
		{`{"properties": {"a": {}}, "additionalProperties": false}`, `{a: 1}`, `{b: 1}`},
		{`{"properties": {"a": {}}, "additionalProperties": {"type": "string"}}`, `{a: 1, b: c}`, `{b: 1}`},
		{`{"propertyNames": {"minLength": 2}}`, `{aa: 1}`, `{a: 1}`},
		{`{"dependencies": {"a": {"required": ["b"]}}}`, `{c: 1}`, `{a: 1}`},
		{`{"not": {"const": 1}}`, `2`, `1`},
		{`{"anyOf": [{"const": 1}, {"const": 2}]}`, `2`, `3`},
		{`{"allOf": [{"minimum": 1}, {"maximum": 2}]}`, `2`, `3`},
		{`{"if": {"type": "string"}, "then": {"const": "a"}}`, `12`, `b`},
		{`{"$ref": "#/definitions/x", "definitions": {"x": {"const": 1}}}`, `1`, `2`},
		{`{"title": "t", "$schema": "s", "description": "d", "default": 1, "minimum": 1}`, `1`, `0`},
	} {
		j, err := judge.New([]byte(v.schema))
		require.NoError(t, err)

		for text, want := range map[string]bool{
			v.allowed: true,
			v.refused: false,
		} {
			got, err := j.Allows(text)
			require.NoError(t, err)
			require.Equal(t, want, got, "%s: %s", v.schema, text)
		}
	}
}

func TestNobodyCanTell(t *testing.T) {
	_, err := judge.New([]byte("{"))
	require.ErrorContains(t, err, "read schema: ")

	j, err := judge.New([]byte(`{"oneOf": []}`))
	require.NoError(t, err)

	_, err = j.Allows("a")
	require.ErrorContains(t, err, "no rule for the keyword oneOf")

	_, err = j.Allows("a: [")
	require.ErrorContains(t, err, "read text: ")
}
