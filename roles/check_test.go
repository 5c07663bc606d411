package roles_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// shop is a manifest of four lines and those given: the first of them is the fifth.
func shop(lines ...string) string {
	return "version: 1\nname: shop\nsummary: sells\npeers: client\n" + strings.Join(lines, "\n") + "\n"
}

// folder is a folder of roles from files by path.
func folder(files map[string]string) fstest.MapFS {
	made := fstest.MapFS{}
	for name, text := range files {
		made[name] = &fstest.MapFile{Data: []byte(text)}
	}

	return made
}

// said is what a load says, a line each, without the words "error: ".
func said(t *testing.T, err error) []string {
	t.Helper()
	problems, ok := report.Of(err)
	require.True(t, ok, "%T: %v", err, err)

	return strings.Split(strings.ReplaceAll(problems.Error(), " error: ", " "), "\n")
}

// wrongs are lines of a manifest that are refused, and what is said of them without the file's name.
var wrongs = []struct {
	lines string
	want  string
}{
	{`driver: nginx`, `5:9: driver: must be arbitrator, galera, haproxy or left out, got "nginx"`},
	{`secrets: {password: {}}`, `5:10: secrets: a secret's name must look like part.name, got "password"`},
	{
		"secrets:\n  shop.key: {make: stolen}",
		`6:20: secrets.shop.key.make: must be random or given, got "stolen"`,
	},
	{
		"secrets:\n  shop.key: {}\n  shop.salt: {length: 7}",
		`7:23: secrets.shop.salt.length: must be from 8 to 256, got 7`,
	},
	{`secrets: {shop.key: {length: 257}}`, `5:30: secrets.shop.key.length: must be from 8 to 256, got 257`},
	{
		`reserved_ip: {secrets: [shop.key, key]}`,
		`5:35: reserved_ip.secrets[1]: must look like part.name, got "key"`,
	},
	{
		`settings: {Limit: {type: text}}`,
		`5:19: settings.Limit: a setting's name must be lower-case letters, digits and _, got "Limit"`,
	},
	{
		`settings: {drift: {type: text}}`,
		`5:19: settings.drift: every node has a setting of this name; call it otherwise`,
	},
	{
		`settings: {limit: {type: integer}}`,
		`5:26: settings.limit.type: must be one of boolean, duration, email, host, lines, list, number, origin, ` +
			`size, text, url, got "integer"`,
	},
	{
		`settings: {limit: {help: x}}`,
		`5:19: settings.limit.type: must be one of boolean, duration, email, host, lines, list, number, origin, ` +
			`size, text, url, got ""`,
	},
	{
		`settings: {a: {type: text, match: "[a"}}`,
		"5:35: settings.a.match: must be a regular expression: error parsing regexp: missing closing ]: `[a`",
	},
	{
		`settings: {a: {type: text, max: 4}}`,
		`5:33: settings.a.max: stands with a number, a duration or a size only`,
	},
	{
		`settings: {a: {type: size, max: 4k}}`,
		`5:33: settings.a.max: must be a size, as in 64M, got "4k"`,
	},
	{`settings: {a: {type: number, min: 5, max: 4, required: true}}`, `5:35: settings.a.min: is more than max, 4`},
	{
		`settings: {a: {type: number, one_of: ["1"], required: true}}`,
		`5:22: settings.a.type: must be text where one_of stands, got "number"`,
	},
	{
		`settings: {a: {type: number, match: "1", required: true}}`,
		`5:22: settings.a.type: must be text or list where match stands, got "number"`,
	},
	{
		`settings: {a: {type: text, one_of: [x, y]}}`,
		`5:15: settings.a.default: is missing; write one of one_of, or required: true`,
	},
	{
		`settings: {a: {type: text, one_of: [x, y], default: z}}`,
		`5:53: settings.a.default: there is no "z"; write one of x, y`,
	},
	{
		`settings: {a: {type: number, default: 7, required: true}}`,
		`5:39: settings.a.default: cannot stand beside required; keep one`,
	},
	{
		`settings: {a: {type: number, default: 010}}`,
		`5:39: settings.a.default: must be a whole number, got "010"`,
	},
	{
		`settings: {a: {type: duration, min: 1s}}`,
		`5:15: settings.a.default: is missing: without one it would be 0s, which the limits refuse`,
	},
	{`ports: [{port: 0, name: x}]`, `5:16: ports[0].port: must be from 1 to 65535, got 0`},
	{`ports: [{port: 65536, name: x}]`, `5:16: ports[0].port: must be from 1 to 65535, got 65536`},
	{
		`ports: [{port: 80, name: x, connections: -1}]`,
		`5:42: ports[0].connections: must be 1 or more, or left out, got -1`,
	},
	{`ports: [{port: 80}]`, `5:9: ports[0].name: is missing; write what it is for, as in name: http`},
	{
		`ports: [{port: 80, name: x, from: [reserved_ip]}]`,
		`5:35: ports[0].from: the role cannot hold the reserved IP; say so with reserved_ip: {}`,
	},
	{`leases: {cron: shop.cron}`, `5:16: leases.cron: must be lower-case words and hyphens, got "shop.cron"`},
	{`leases: {cron: night, fill: night}`, `5:29: leases.fill: cron has the name "night" already`},
	{`serves: [{port: 80}]`, `5:10: serves[0].name: is missing; write what is served, as in name: http`},
	{`serves: [{name: x, port: 70000}]`, `5:26: serves[0].port: must be from 1 to 65535, got 70000`},
	{
		`serves: [{name: x, port: 80, protocol: udp}]`,
		`5:40: serves[0].protocol: must be http or tcp, got "udp"`,
	},
	{
		`serves: [{name: x, port: 80, counters: "nginx; reboot"}]`,
		`5:40: serves[0].counters: must be lower-case letters, digits and hyphens, got "nginx; reboot"`,
	},
	{
		`serves: [{name: x, port: 80, health: {port: -1}}]`,
		`5:45: serves[0].health.port: must be from 1 to 65535, got -1`,
	},
	{
		`serves: [{name: x, port: 80, health: {path: healthz}}]`,
		`5:45: serves[0].health.path: must begin with /, got "healthz"`,
	},
	{
		`serves: [{name: x, port: 80, health: {first: pages}}]`,
		`5:46: serves[0].health.first: must begin with /, got "pages"`,
	},
	{
		`settings: {a: {type: boolean, needs: cache}}`,
		`5:38: settings.a.needs: must be a word of watches, got "cache"`,
	},
	{
		`settings: {a: {type: text, one_of: [x, y], default: x, value_needs: {y: cache}}}`,
		`5:73: settings.a.value_needs.y: must be a word of watches, got "cache"`,
	},
	{
		"watches: {cache: self}\nsettings: {a: {type: text, one_of: [x, y], default: x, value_needs: {x: cache}}}",
		`6:70: settings.a.value_needs.x: must be a value that is not the default, got "x"`,
	},
	{
		`secrets: {x.word: {with: cache}}`,
		`5:26: secrets.x.word.with: must be a word of watches, got "cache"`,
	},
	{
		`secrets: {x.word: {when: mail}}`,
		`5:26: secrets.x.word.when: must be one of the role's settings, got "mail"`,
	},
	{
		`serves: [{name: x, port: 80, ready: {path: "?x"}}]`,
		`5:44: serves[0].ready.path: must begin with /, got "?x"`,
	},
	{
		`serves: [{name: x, port: 80, url: '{{setting "adress"}}'}]`,
		`5:35: serves[0].url: the manifest of role shop declares no setting "adress"`,
	},
	{
		`databases: [{name: "shop; DROP"}]`,
		`5:20: databases[0].name: must be lower-case letters, digits and _, got "shop; DROP"`,
	},
	{
		`databases: [{name: shop, user: "o'brien"}]`,
		`5:32: databases[0].user: must be lower-case letters, digits and _, got "o'brien"`,
	},
	{
		`databases: [{name: shop, grants: "SELECT ON *.*; --"}]`,
		`5:34: databases[0].grants: must be privileges, as in SELECT, INSERT, got "SELECT ON *.*; --"`,
	},
	{
		"watches: {database: db}\ndatabases: [{name: shop, secret: shop.pass}]",
		`6:34: databases[0].secret: must be one of the role's secrets, got "shop.pass"`,
	},
	{
		"secrets: {shop.pass: {}}\ndatabases: [{name: shop, secret: shop.pass}]",
		`6:13: databases[0]: needs to know who keeps it: write watches: {database: ROLE}`,
	},
	{`tasks: [{name: Fill, run: [x]}]`, `5:16: tasks[0].name: must be lower-case words and hyphens, got "Fill"`},
	{
		`tasks: [{name: fill}]`,
		`5:9: tasks[0].run: is missing; write the program and its words, as in run: [/usr/bin/true]`,
	},
	{
		`tasks: [{name: fill, run: [x], env: {A: '{{secret "shop.key"}}'}}]`,
		`5:41: tasks[0].env.A: the manifest of role shop declares no secret "shop.key"`,
	},
	{
		`commands: [{name: Shop, help: x, run: [x]}]`,
		`5:19: commands[0].name: must be one or two lower-case words, got "Shop"`,
	},
	{
		`commands: [{name: a b c, help: x, run: [x]}]`,
		`5:19: commands[0].name: must be one or two lower-case words, got "a b c"`,
	},
	{`commands: [{name: shop, run: [x]}]`, `5:12: commands[0].help: is missing; write a line of what it does`},
	{
		`commands: [{name: shop, help: x}]`,
		`5:12: commands[0].run: is missing; write the program and its words, as in run: [mariadb]`,
	},
	{
		`guards: [{name: The shop, help: x, run: [x]}]`,
		`5:17: guards[0].name: must be lower-case words and hyphens, got "The shop"`,
	},
	{
		`guards: [{name: shop, run: [x]}]`,
		`5:10: guards[0].help: is missing; write what is lost with a node that it keeps`,
	},
	{
		`guards: [{name: shop, help: x}]`,
		`5:10: guards[0].run: is missing; write the program and its words, as in run: [/usr/bin/true]`,
	},
	{`commands: [{name: shop, help: x, run: [x], on: two}]`, `5:48: commands[0].on: must be one or all, got "two"`},
	{
		`commands: [{name: shop, help: x, run: [x], on: all, lease: cron}]`,
		`5:60: commands[0].lease: cannot stand beside on; keep one`,
	},
	{
		`commands: [{name: shop, help: x, run: [x], input: file}]`,
		`5:51: commands[0].input: must be none, stdin or terminal, got "file"`,
	},
	{
		`files: [{source: ../shop/text, path: /etc/x}]`,
		`5:18: files[0].source: must be a path inside of the role's folder, got "../shop/text"`,
	},
	{
		`files: [{source: /etc/passwd, path: /etc/x}]`,
		`5:18: files[0].source: must be a path inside of the role's folder, got "/etc/passwd"`,
	},
	{
		`templates: [{source: lost, path: /etc/x}]`,
		`5:22: templates[0].source: no file "lost" in the role's folder, nor in one that it includes`,
	},
	{
		`templates: [{source: text, path: etc/x}]`,
		`5:34: templates[0].path: must be a clean absolute path, got "etc/x"`,
	},
	{
		`templates: [{source: text, path: /etc/../x}]`,
		`5:34: templates[0].path: must be a clean absolute path, got "/etc/../x"`,
	},
	{
		`files: [{source: text, path: /etc/x, mode: "0888"}]`,
		`5:44: files[0].mode: must be octal, as in "0644", got "0888"`,
	},
	{
		`bake: {commands: ['echo {{var "unit"}}']}`,
		`5:19: bake.commands[0]: the manifest of role shop declares no variable "unit"`,
	},
	{`health: {url: x}`, `5:1: health: unknown key; known here: `},
	{`setings: {}`, `5:1: setings: unknown key; did you mean "settings"?`},
}

func TestAWrongManifestIsTold(t *testing.T) {
	for _, c := range wrongs {
		_, err := loadShop(shop(c.lines))
		require.Error(t, err, c.lines)

		lines := said(t, err)
		require.Len(t, lines, 1, strings.Join(lines, "\n"))
		require.True(t, strings.HasPrefix(lines[0], "shop/role.yaml:"+c.want), "%s\nis not\n%s", lines[0], c.want)
	}
}

func TestAllThatIsWrongIsToldInOneRun(t *testing.T) {
	_, err := loadShop("version: 2\nname: shopp\npeers: [client]\nfiles: [{source: x, path: x, mode: x}]\nnmae: x\n")
	require.Equal(t, []string{
		`shop/role.yaml:1:10: version: must be 1, got 2`,
		`shop/role.yaml:2:7: name: must be the folder's name, "shop", got "shopp"`,
		`shop/role.yaml:3:8: peers: must be text, got a list`,
		`shop/role.yaml:4:18: files[0].source: no file "x" in the role's folder, nor in one that it includes`,
		`shop/role.yaml:4:27: files[0].path: must be a clean absolute path, got "x"`,
		`shop/role.yaml:4:36: files[0].mode: must be octal, as in "0644", got "x"`,
		`shop/role.yaml:5:1: nmae: unknown key; did you mean "name"?`,
	}, said(t, err))

	_, err = loadShop("version: 1\nname: shop\npeers: server\n")
	require.Equal(t, []string{
		`shop/role.yaml:3:8: peers: must be "member", "client" or "auto", got "server"`,
	}, said(t, err))
}

// A role's name is part of host names.
func TestWhatASpaceNamesIsInTheRole(t *testing.T) {
	_, err := loadShop(shop("settings: {own: {type: text}}\n" +
		"spaces: [{make: own, bucket: b, region: r, endpoint: e, key: x.key, secret: x.secret}]"))
	require.Equal(t, []string{
		`shop/role.yaml:6:17: spaces[0].make: must be one of the role's settings, of type boolean, got "own"`,
		`shop/role.yaml:6:30: spaces[0].bucket: must be one of the role's settings, got "b"`,
		`shop/role.yaml:6:41: spaces[0].region: must be one of the role's settings, got "r"`,
		`shop/role.yaml:6:54: spaces[0].endpoint: must be one of the role's settings, got "e"`,
		`shop/role.yaml:6:62: spaces[0].key: must be one of the role's secrets, with make: given, got "x.key"`,
		`shop/role.yaml:6:77: spaces[0].secret: must be one of the role's secrets, with make: given, got "x.secret"`,
	}, said(t, err))
}

func TestARolesNameIsAHostsName(t *testing.T) {
	for _, name := range []string{"Shop", "shop_1", "-shop", "shop-", "1shop", strings.Repeat("s", 33)} {
		roleFolder := folder(map[string]string{name + "/role.yaml": "version: 1\npeers: client\nname: " + name + "\n"})
		_, err := roles.Load(roleFolder, name)
		require.ErrorContains(t, err, "must be at most 32 lower-case letters, digits and hyphens", name)
	}
}
