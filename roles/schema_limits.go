package roles

import (
	"regexp"
	"slices"

	"github.com/hornero/hornero/internal/jsonschema"
)

// modePattern is what ParseMode reads, quoted.
const modePattern = "^(0*[0-7]{1,4})?$"

// schemaLimits are what values may be, by their place in role.yaml. It is a function: a variable of this kind would be
// set at the start of every program that has the package.
func schemaLimits() map[string]jsonschema.Schema {
	type schema = jsonschema.Schema

	limits := map[string]schema{
		"":                      {"required": []string{"version", "name"}},
		"version":               {"const": 1},
		"name":                  word(folderName),
		"includes[]":            word(folderName),
		"peers":                 {"enum": []string{Member, Client, Auto}},
		"driver":                {"enum": drivers[1:]}, // the first is none
		"limits.NAME[]":         word(limitName),
		"watches.NAME":          word(folderName),
		"leases.NAME":           word(limitName),
		"reserved_ip.secrets[]": word(secretName),
		"bake.varies":           {"propertyNames": absolute()},
		"bake.varies.NAME":      {"type": "string", "minLength": 1},

		"templates[].each": {"enum": []string{EachCertificate}},

		"services[]":   {"required": []string{"unit"}},
		"ports[]":      {"required": []string{"port", "name"}},
		"ports[].port": jsonschema.Port(),
		"ports[].name": {"minLength": 1},

		"ports[].connections": {"minimum": 0},
		// Enumerated, too, so that an editor offers them.
		"ports[].from[]": {"type": "string", "anyOf": []schema{{"enum": anybody}, word(folderName)}},

		"certificates[]":           {"required": []string{"authority"}},
		"certificates[].authority": word(authorityName),

		"databases[]":        {"required": []string{"name", "secret"}},
		"databases[].name":   word(databaseName),
		"databases[].user":   word(databaseName),
		"databases[].secret": word(secretName),
		"databases[].grants": word(grantList),

		"tasks[]":      {"required": []string{"name", "run"}},
		"tasks[].name": word(limitName),
		"tasks[].run":  {"minItems": 1},

		"guards[]":      {"required": []string{"name", "help", "run"}},
		"guards[].name": word(limitName),
		"guards[].help": {"minLength": 1},
		"guards[].run":  {"minItems": 1},

		"spaces[]":          {"required": []string{"make", "bucket", "region", "key", "secret"}},
		"spaces[].make":     word(settingName),
		"spaces[].bucket":   word(settingName),
		"spaces[].region":   word(settingName),
		"spaces[].endpoint": word(settingName),
		"spaces[].key":      word(secretName),
		"spaces[].secret":   word(secretName),
	}

	limitFiles(limits)
	limitPrograms(limits)
	limitServes(limits)
	limitCommands(limits)
	limitSecrets(limits)
	limitSettings(limits)

	return limits
}

func word(pattern *regexp.Regexp) jsonschema.Schema {
	return jsonschema.Schema{"type": "string", "pattern": pattern.String()}
}

func absolute() jsonschema.Schema { return jsonschema.Schema{"pattern": "^/"} }

// together forbids keys beside each other.
func together(keys ...string) jsonschema.Schema { return jsonschema.Schema{"required": keys} }

func limitFiles(limits map[string]jsonschema.Schema) {
	for _, list := range []string{"files[]", "templates[]"} {
		limits[list] = jsonschema.Schema{
			"required": []string{"source", "path"},
			"not":      together("only", "except"),
		}
		limits[list+".source"] = jsonschema.Schema{"pattern": "^[^/]"}
		limits[list+".path"] = absolute()

		// Unquoted it is a number, of which editors and this program have different ideas.
		limits[list+".mode"] = jsonschema.Schema{"type": []string{"string", "integer"}, "pattern": modePattern}
	}
}

func limitServes(limits map[string]jsonschema.Schema) {
	limits["serves[]"] = jsonschema.Schema{"required": []string{"name", "port"}}
	limits["serves[].name"] = jsonschema.Schema{"minLength": 1}
	limits["serves[].port"] = jsonschema.Port()
	limits["serves[].proxy_port"] = jsonschema.Port()
	limits["serves[].protocol"] = jsonschema.Schema{
		"enum":    []string{ProtocolHTTP, ProtocolTCP},
		"default": ProtocolHTTP,
	}

	limits["serves[].counters"] = jsonschema.Schema{"pattern": folderName.String()}
	limits["serves[].sticky"] = jsonschema.Schema{"pattern": cookieName.String()}
	limits["serves[].brake[]"] = jsonschema.Schema{"required": []string{"path"}}
	limits["serves[].brake[].path"] = jsonschema.Schema{"pattern": brakePath.String()}
	limits["serves[].brake[].failed"] = jsonschema.Schema{"minimum": statusOK, "maximum": maxStatus}
	limits["serves[].health.port"] = jsonschema.Port()
	limits["serves[].health.path"] = absolute()
	limits["serves[].health.first"] = absolute()
	limits["serves[].health.text"] = scalar()
	limits["serves[].health.interval"] = jsonschema.Schema{"default": DefaultHealthInterval.String()}
	limits["serves[].ready.path"] = absolute()
}

func limitCommands(limits map[string]jsonschema.Schema) {
	limits["commands[]"] = jsonschema.Schema{
		"required": []string{"name", "help", "run"},
		"not":      together("on", "lease"),
	}
	limits["commands[].name"] = word(commandName)
	limits["commands[].help"] = jsonschema.Schema{"minLength": 1}
	limits["commands[].run"] = jsonschema.Schema{"minItems": 1}
	limits["commands[].on"] = jsonschema.Schema{"enum": []string{OnOne, OnAll}, "default": OnOne}
	limits["commands[].input"] = jsonschema.Schema{
		"enum":    []string{InputNone, InputStdin, InputTerminal},
		"default": InputNone,
	}
}

func limitSecrets(limits map[string]jsonschema.Schema) {
	limits["secrets"] = jsonschema.Schema{"propertyNames": word(secretName)}
	limits["secrets.NAME.make"] = jsonschema.Schema{
		"enum":    []string{MakeRandom, MakeGiven},
		"default": MakeRandom,
	}
	limits["secrets.NAME.length"] = jsonschema.Schema{
		"minimum": minSecretLength,
		"maximum": maxSecretLength,
		"default": DefaultSecretLength,
	}
	limits["secrets.NAME.sample"] = scalar()
	limits["secrets.NAME.when"] = word(settingName)
}

func limitSettings(limits map[string]jsonschema.Schema) {
	name := word(settingName)
	name["not"] = jsonschema.Schema{"enum": []string{SettingDrift, SettingDriftEvery}} // every node has them

	isRequired := jsonschema.Schema{"required": jsonschema.Schema{"const": true}}
	counts := ofType(countedTypes()...)

	limits["settings"] = jsonschema.Schema{"propertyNames": name}
	limits["settings.NAME"] = jsonschema.Schema{
		"required": []string{"type"},
		"not":      jsonschema.Schema{"required": []string{"default", "required"}, "properties": isRequired},
		"allOf":    valuesByType(),
		"dependencies": jsonschema.Schema{
			"min":    counts,
			"max":    counts,
			"one_of": ofType(TypeText),
			"match":  ofType(TypeText, TypeList),
		},
	}
	limits["settings.NAME.type"] = jsonschema.Schema{"enum": SettingTypes()}
	limits["settings.NAME.sample"] = scalar()
}

// ofType is the schema of a setting that has one of the types.
func ofType(types ...string) jsonschema.Schema {
	return jsonschema.Schema{"properties": jsonschema.Schema{"type": jsonschema.Schema{"enum": types}}}
}

// valuesByType says of each type what a setting's values are.
func valuesByType() []jsonschema.Schema {
	var rules []jsonschema.Schema

	for _, kind := range SettingTypes() {
		value := settingType(Setting{Type: kind})

		values := jsonschema.Schema{"default": value}
		if slices.Contains(countedTypes(), kind) {
			values["min"], values["max"] = value, value
		}

		isType := ofType(kind)
		isType["required"] = []string{"type"}

		rules = append(rules, jsonschema.Schema{"if": isType, "then": jsonschema.Schema{"properties": values}})
	}

	return rules
}
