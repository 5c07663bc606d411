package jsonschema_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/jsonschema"
)

// word reads itself.
type word struct{ Letters string }

type house struct {
	Name    string                      `yaml:"name"`
	Floors  int                         `yaml:"floors,omitempty"`
	Empty   bool                        `yaml:"empty"`
	Patient time.Duration               `yaml:"patient"`
	Door    *door                       `yaml:"door"`
	Rooms   []room                      `yaml:"rooms"`
	Bells   map[string]map[string][]int `yaml:"bells"`
	Motto   word                        `yaml:"motto"`
	Secret  string                      `yaml:"secret"`

	Unread string
	Never  string `yaml:"-"`
}

type door struct {
	Lock string `yaml:"lock"`
}

type room struct {
	Windows int `yaml:"windows"`
}

const houseSchema = `{
	"$schema": "http://json-schema.org/draft-07/schema#",
	"title": "a house",
	"type": "object",
	"additionalProperties": false,
	"required": ["name"],
	"properties": {
		"name": {"type": "string", "description": "on the door"},
		"floors": {"type": "integer"},
		"empty": {"type": "boolean"},
		"patient": {"type": "string", "pattern": "^(0|([0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h))+)$"},
		"door": {
			"type": "object",
			"additionalProperties": false,
			"properties": {"lock": {"type": ["string", "integer"]}}
		},
		"rooms": {
			"type": "array",
			"description": "at least one",
			"items": {
				"type": "object",
				"additionalProperties": false,
				"properties": {"windows": {"type": "integer", "minimum": 1, "maximum": 65535}}
			}
		},
		"bells": {
			"type": "object",
			"additionalProperties": {
				"type": "object",
				"additionalProperties": {"type": "array", "items": {"type": "integer", "enum": [7]}}
			}
		},
		"motto": {"const": "motto"}
	}
}`

func TestASchemaIsOfTheTypes(t *testing.T) {
	b := jsonschema.Builder{
		Help: map[string]string{"name": "on the door", "rooms": "at least one"},
		Limits: map[string]jsonschema.Schema{
			"":                  {"required": []string{"name"}},
			"door.lock":         {"type": []string{"string", "integer"}},
			"rooms[].windows":   jsonschema.Port(),
			"bells.NAME.NAME[]": {"enum": []int{7}},
		},
		Hidden: []string{"secret"},
		Known: func(kind reflect.Type, path string) jsonschema.Schema {
			if kind == reflect.TypeFor[word]() {
				return jsonschema.Schema{"const": path}
			}

			return nil
		},
	}

	text, err := jsonschema.Encode(b.Whole(reflect.TypeFor[house](), "a house"))
	require.NoError(t, err)
	require.JSONEq(t, houseSchema, string(text))
	require.Equal(t, byte('\n'), text[len(text)-1])
}

func TestASchemaThatIsNoJSON(t *testing.T) {
	_, err := jsonschema.Encode(jsonschema.Schema{"default": func() {}})

	var unsupported *json.UnsupportedTypeError
	require.ErrorAs(t, err, &unsupported)
}
