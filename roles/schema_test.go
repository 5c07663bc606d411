package roles_test

import (
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/jsonschema/judge"
	"github.com/hornero/hornero/roles"
)

func schemaJudge(t *testing.T) *judge.Judge {
	t.Helper()
	text, err := roles.Schema()
	require.NoError(t, err)

	j, err := judge.New(text)
	require.NoError(t, err)

	return j
}

func allows(t *testing.T, j *judge.Judge, text string) bool {
	t.Helper()
	allowed, err := j.Allows(text)
	require.NoError(t, err)

	return allowed
}

func TestTheSchemaAllowsEveryRoleThereIs(t *testing.T) {
	j := schemaJudge(t)

	builtIn, err := fs.Glob(roles.Embedded(), "*/role.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, builtIn)

	for _, name := range builtIn {
		text, err := fs.ReadFile(roles.Embedded(), name)
		require.NoError(t, err)
		require.True(t, allows(t, j, string(text)), name)
	}

	example, err := os.ReadFile("../examples/api/roles/api/role.yaml")
	require.NoError(t, err)
	require.True(t, allows(t, j, string(example)))

	for name, text := range pageBlocks(t) {
		if strings.HasSuffix(name, "/role.yaml") {
			require.True(t, allows(t, j, text), name)
		}
	}
}

// loadAs reads a manifest in a folder that has the files which it may name.
func loadAs(text string) error {
	_, err := roles.Load(folder(map[string]string{
		"shop/role.yaml":  text,
		"shop/text":       "a text",
		"piece/role.yaml": "version: 1\nname: piece\nabstract: true\npeers: member\n",
	}), "shop")

	return err
}

func TestTheSchemaAllowsWhatTheCheckAllows(t *testing.T) {
	j := schemaJudge(t)

	for _, text := range []string{
		"version: 1\nname: shop\npeers: client\n",
		"version: 1\nname: shop\nincludes: [piece]\n",
		shop("driver: galera", "abstract: false", "includes: [piece]", "packages: {all: [a], debian-9: [b, 7zip]}"),
		shop("variables: {all: {port: 80, fast: true}}", "excluded: {all: [apache2]}", "limits: {all: [log-stdout]}"),
		shop("files: [{source: text, path: /a, mode: '0755', owner: 'a:b', check: [test, -e, 1], only: [debian-9]}]"),
		shop("files: [{source: text, path: /a, mode: 0644, except: [debian-9]}]"),
		shop("templates: [{source: text, path: /a, volatile: true, check: [true], bake_check: [sleep, 1]}]"),
		shop("services: [{unit: shop.service, managed: true}]"),
		shop("ports: [{port: 80, name: http, from: [load_balancer, operator, other-role]}]"),
		shop("secrets: {shop.key: {make: given, help: a key, sample: 12}, shop.salt: {length: 64}}"),
		shop("reserved_ip: {secrets: [site.key]}", "ports: [{port: 443, name: https, from: [reserved_ip]}]"),
		shop("settings: {a: {type: text, one_of: [x, 1], default: 1}, b: {type: text, match: 'a+', required: true}}"),
		shop("settings: {a: {type: number, default: 4, min: 1, max: 9}, b: {type: boolean, default: false}}"),
		shop("settings: {a: {type: duration, default: 5m, min: 1s}, b: {type: size, default: 64M, max: 1G}}"),
		shop("settings: {a: {type: list, default: [a, 2]}, b: {type: url, default: 'https://a.org', required: false}}"),
		shop("settings: {a: {type: size, default: 1024}, b: {type: lines}, c: {type: email, sample: a@b.org}}"),
		shop("watches: {database: db, me: self}", "leases: {night: old-night}"),
		shop("certificates: [{authority: vault}, {authority: own_2}]"),
		shop("serves: [{name: x, port: 1, protocol: tcp}, {name: y, port: 65535, url: 'http://a', health: {}}]"),
		shop("serves: [{name: x, port: 1, health: {port: 2, path: /a, status: 204, text: 200, interval: 1m30s}}]"),
		shop("serves: [{name: x, port: 1, ready: {path: /a, status: 401}}]"),
		shop(
			"secrets: {shop.key: {}}",
			"watches: {database: db}",
			"databases: [{name: a_b, user: c, secret: shop.key, grants: 'SELECT, SHOW VIEW'}]",
		),
		shop("tasks: [{name: night, run: [sleep, 5], every: 1h, timeout: 30s, env: {A: 1, B: true}}]"),
		shop("commands: [{name: shop list, help: lists, run: [ls, 1], on: all, input: terminal}]"),
		shop("commands: [{name: shop, help: asks, run: [sh], lease: writer, input: stdin}]"),
		shop("guards: [{name: shop, help: its stock, run: [sh]}]"),
		shop(
			"secrets: {shop.key: {make: given}, shop.secret: {make: given}}",
			"settings: {own: {type: boolean}, bucket: {type: text}, region: {type: text}}",
			"spaces: [{make: own, bucket: bucket, region: region, key: shop.key, secret: shop.secret}]",
		),
		shop("bake: {commands: [true, useradd shop], varies: {/var/lib/shop/: draws lots}}"),
	} {
		require.NoError(t, loadAs(text), text)
		require.True(t, allows(t, j, text), text)
	}
}

func TestTheSchemaForbidsWhatTheCheckForbids(t *testing.T) {
	j := schemaJudge(t)

	for _, text := range []string{
		"name: shop\npeers: client\n",
		"version: 2\nname: shop\npeers: client\n",
		"version: 1\npeers: client\n",
		"version: 1\nname: Shop\npeers: client\n",
		"version: 1\nname: shop\npeers: guest\n",
		"- 1",
		shop("setings: {}"),
		shop("driver: mongodb"),
		shop("abstract: sometimes"),
		shop("includes: piece"),
		shop("includes: [../piece]"),
		shop("packages: [nginx]"),
		shop("limits: {all: [Log Stdout]}"),
		shop("files: [{path: /a}]"),
		shop("files: [{source: /etc/text, path: /a}]"),
		shop("files: [{source: text, path: etc/a}]"),
		shop("files: [{source: text, path: /a, mode: '0999'}]"),
		shop("files: [{source: text, path: /a, mode: rw}]"),
		shop("files: [{source: text, path: /a, only: [debian-9], except: [debian-12]}]"),
		shop("files: [{source: text, path: /a, volatile: true}]"),
		shop("templates: [{source: text}]"),
		shop("templates: [{source: text, path: /a, reload: nginx.service}]"),
		shop("services: [shop.service]"),
		shop("ports: [{port: 0, name: http}]"),
		shop("ports: [{port: 80, name: http, connections: -1}]"),
		shop("ports: [{port: 65536, name: http}]"),
		shop("ports: [{port: http, name: http}]"),
		shop("ports: [{port: 80}]"),
		shop("secrets: {key: {}}"),
		shop("secrets: {shop.key: {make: drawn}}"),
		shop("secrets: {shop.key: {length: 4}}"),
		shop("reserved_ip: {secrets: [key]}"),
		shop("settings: {a: {}}"),
		shop("settings: {a: {type: integer}}"),
		shop("settings: {A: {type: text}}"),
		shop("settings: {drift: {type: text}}"),
		shop("settings: {a: {type: text, default: b, required: true}}"),
		shop("settings: {a: {type: number, default: four}}"),
		shop("settings: {a: {type: number, default: 4, one_of: [4, 5]}}"),
		shop("settings: {a: {type: number, default: 4, min: 1m}}"),
		shop("settings: {a: {type: text, min: 1}}"),
		shop("settings: {a: {type: list, default: b}}"),
		shop("settings: {a: {type: text, default: [b]}}"),
		shop("settings: {a: {type: boolean, default: 1}}"),
		shop("settings: {a: {type: duration, default: 5 minutes}}"),
		shop("settings: {a: {type: size, default: 64MB}}"),
		shop("settings: {a: {type: url, match: 'a+'}}"),
		shop("leases: {night: Night Shift}"),
		shop("certificates: [{authority: My Own}]"),
		shop("certificates: [{}]"),
		shop("serves: [{port: 80}]"),
		shop("serves: [{name: http}]"),
		shop("serves: [{name: http, port: 80, protocol: udp}]"),
		shop("serves: [{name: http, port: 80, health: {path: healthz}}]"),
		shop("serves: [{name: http, port: 80, health: {interval: often}}]"),
		shop("serves: [{name: http, port: 80, ready: {path: ready}}]"),
		shop("databases: [{name: a}]"),
		shop("secrets: {shop.key: {}}", "watches: {database: db}", "databases: [{name: A, secret: shop.key}]"),
		shop("tasks: [{name: night}]"),
		shop("tasks: [{name: night, run: []}]"),
		shop("tasks: [{name: night, run: [true], every: daily}]"),
		shop("commands: [{name: shop, run: [sh]}]"),
		shop("guards: [{name: shop, run: [sh]}]"),
		shop("guards: [{name: shop, help: its stock}]"),
		shop("spaces: [{make: own}]"),
		shop("commands: [{name: a b c, help: asks, run: [sh]}]"),
		shop("commands: [{name: shop, help: asks, run: [sh], on: some}]"),
		shop("commands: [{name: shop, help: asks, run: [sh], on: all, lease: writer}]"),
		shop("commands: [{name: shop, help: asks, run: [sh], input: keyboard}]"),
		shop("bake: {varies: {var/lib: draws lots}}"),
		shop("bake: {varies: {/var/lib: ''}}"),
	} {
		require.Error(t, loadAs(text), text)
		require.False(t, allows(t, j, text), text)
	}
}

func TestTheSchemaHasEveryKeyAndSaysWhatItIsFor(t *testing.T) {
	whole := schemaJudge(t).Whole
	described := map[string]string{}
	describe(whole, "", described)

	for _, row := range readSource(t).rows(reflect.TypeFor[roles.Manifest](), "") {
		require.Equal(t, row.text, described[row.path], row.path)
		delete(described, row.path)
	}

	require.Empty(t, described, "keys that no type has")
}

// describe notes by path what a schema says of its keys.
func describe(schema judge.Part, path string, described map[string]string) {
	properties, _ := schema["properties"].(judge.Part)

	for name, rule := range properties {
		rule := rule.(judge.Part)
		at := strings.TrimPrefix(path+"."+name, ".")
		described[at], _ = rule["description"].(string)

		describe(rule, at, described)
	}

	if items, ok := schema["items"].(judge.Part); ok {
		describe(items, path+"[]", described)
	}
	if values, ok := schema["additionalProperties"].(judge.Part); ok {
		describe(values, path+".NAME", described)
	}
}
