package roles_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

// What can be read and can never work is told before anything is baked.
func TestValuesThatCannotWorkAreRefused(t *testing.T) {
	const (
		file     = "{source: text, path: /srv/text"
		settings = "settings:\n  size: "
	)

	for _, c := range []struct{ lines, want string }{
		{
			`packages: {debain-13: [curl]}`,
			`5:12: packages.debain-13: there is no release "debain-13"; did you mean "debian-13"?`,
		},
		{
			`excluded: {debian12: [curl]}`,
			`5:12: excluded.debian12: there is no release "debian12"; did you mean "debian-12"?`,
		},
		{
			`variables: {sid: {a: b}}`,
			`5:13: variables.sid: ` +
				`there is no release "sid"; write one of debian-9, debian-12, debian-13`,
		},
		{
			`limits: {debain-9: [tls]}`,
			`5:10: limits.debain-9: there is no release "debain-9"; did you mean "debian-9"?`,
		},
		{
			`files: [` + file + `, only: [debain-9]}]`,
			`5:48: files[0].only[0]: there is no release "debain-9"; did you mean "debian-9"?`,
		},
		{
			`templates: [` + file + `, except: [9]}]`,
			`5:54: templates[0].except[0]: ` +
				`there is no release "9"; write one of debian-9, debian-12, debian-13`,
		},
		{
			`packages: {all: [""]}`,
			`5:18: packages.all[0]: must be a package's name, got ""`,
		},
		{
			`files: [{source: text, path: /}]`,
			`5:30: files[0].path: must be a file's path, got the root folder`,
		},
		{
			`files: [` + file + `, owner: "a b"}]`,
			`5:48: files[0].owner: must be user:group, as in root:root, got "a b"`,
		},
		{
			`files: [` + file + `, check: [""]}]`,
			`5:49: files[0].check[0]: must be a program's name, as in /usr/bin/true, got ""`,
		},
		{
			`templates: [` + file + `, reload: [x]}]`,
			`5:54: templates[0].reload[0]: must be a unit's whole name, as in api.service, got "x"`,
		},
		{
			`services: [{}]`,
			`5:12: services[0].unit: must be a unit's whole name, as in api.service, got ""`,
		},
		{
			`tasks: [{name: a, run: [x], every: -1s}]`,
			`5:36: tasks[0].every: must not be negative, got -1s`,
		},
		{
			`tasks: [{name: a, run: [x], env: {"a b": c}}]`,
			`5:35: tasks[0].env.a b: a variable's name must be letters, digits and _, got "a b"`,
		},
		{
			`commands: [{name: a, help: "a\nb", run: [x]}]`,
			`5:28: commands[0].help: must be one line without control characters, got "a\nb"`,
		},
		{
			`serves: [{name: a, port: 1, ready: {status: 7}}]`,
			`5:45: serves[0].ready.status: must be a status code of HTTP, from 100 to 599, got 7`,
		},
		{
			`serves: [{name: a, port: 1, health: {path: "/a b"}}]`,
			`5:44: serves[0].health.path: must have no spaces or control characters, got "/a b"`,
		},
		{
			settings + `{type: number, sample: many}`,
			`6:32: settings.size.sample: must be a whole number, got "many"`,
		},
		{
			settings + `{type: text, one_of: [a, ""], default: a}`,
			`6:34: settings.size.one_of[1]: must not be empty`,
		},
		{
			`files: [` + file + `}, ` + file + `, only: [debian-9]}]`,
			`5:63: files[1].path: files[0] is at /srv/text already, on debian-9`,
		},
		{
			`serves: [{name: a, port: 1}, {name: a, port: 2}]`,
			`5:37: serves[1].name: serves[0] has the name "a" already`,
		},
		{
			`tasks: [{name: a, run: [x]}, {name: a, run: [x]}]`,
			`5:37: tasks[1].name: tasks[0] has the name "a" already`,
		},
	} {
		_, err := roles.Load(folder(map[string]string{
			"shop/role.yaml": shop(c.lines),
			"shop/text":      "text",
		}), "shop")
		assert.Equal(t, []string{"shop/role.yaml:" + c.want}, said(t, err), c.lines)
	}
}

// A variant for one release takes no other's place.
func TestOnePathMayHaveAFileForEachRelease(t *testing.T) {
	_, err := roles.Load(folder(map[string]string{
		"shop/role.yaml": shop(
			"files:",
			"  - {source: old, path: /srv/text, only: [debian-9]}",
			"  - {source: new, path: /srv/text, except: [debian-9], owner: root, check: [cat]}",
			"services: [{unit: '{{var \"unit\"}}'}]",
			"variables: {all: {unit: shop.service}}",
		),
		"shop/old": "old",
		"shop/new": "new",
	}), "shop")
	require.NoError(t, err)
}

// Limits of every release hold on each, as packages and variables do.
func TestLimitsOfEveryRelease(t *testing.T) {
	manifest, err := roles.Load(folder(map[string]string{
		"shop/role.yaml": shop("limits: {all: [fly], debian-9: [swim]}"),
	}), "shop")
	require.NoError(t, err)

	for release, want := range map[string]string{"debian-9": "false false", "debian-13": "false true"} {
		text, err := manifest.RenderText("x", `{{can "fly"}} {{can "swim"}}`, roles.Facts{Release: release})
		require.NoError(t, err)
		require.Equal(t, want, string(text), release)
	}
}
