package roles_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

// piece is a manifest that no Droplet is launched with.
func piece(name string, lines ...string) string {
	return fmt.Sprintf("version: 1\nname: %s\nabstract: true\n%s\n", name, strings.Join(lines, "\n"))
}

// described is what a manifest came to, a word for each thing of it.
func described(m *roles.Manifest, release string) map[string]string {
	on := m.On(release)
	joined := map[string][]string{"packages": m.PackagesFor(release), "bake": m.Bake.Commands}

	for _, file := range on.Files {
		data, err := file.Data()
		joined["files"] = append(joined["files"], fmt.Sprintf("%s=%s %v", file.Path, data, err))
	}

	for _, template := range on.Templates {
		joined["templates"] = append(joined["templates"], template.Path+"="+template.File())
	}

	for _, service := range m.Services {
		joined["services"] = append(joined["services"], service.Unit)
	}

	for _, port := range m.Ports {
		joined["ports"] = append(joined["ports"], fmt.Sprintf("%s:%d", port.Name, port.Port))
	}

	for _, name := range slices.Sorted(maps.Keys(m.Settings)) {
		joined["settings"] = append(joined["settings"], name+"="+m.Settings[name].Fallback())
	}

	for _, folder := range m.Folders() {
		joined["folders"] = append(joined["folders"], folder.Name)
	}

	text := map[string]string{}
	for what, words := range joined {
		text[what] = strings.Join(words, ", ")
	}

	return text
}

// What is said of the shop when it includes pieces: the shop's own goes before all, a later piece before an earlier.
var inclusions = []struct {
	name  string
	files map[string]string
	want  map[string]string
}{
	{
		name: "a piece adds what the role does not say",
		files: map[string]string{
			"shop/role.yaml": shop("includes: [till]", "packages: {all: [b]}", "bake: {commands: [own]}"),
			"till/role.yaml": piece("till", "packages: {all: [a, b], debian-9: [c]}", "bake: {commands: [first]}",
				"ports: [{name: till, port: 7}]", "services: [{unit: till.service}]"),
		},
		want: map[string]string{
			"packages": "a, b",
			"bake":     "first, own",
			"ports":    "till:7",
			"services": "till.service",
			"folders":  "shop, till",
		},
	},
	{
		name: "the role's own goes before, on the releases that it names",
		files: map[string]string{
			"shop/role.yaml": shop("includes: [till]",
				"files: [{source: a, path: /etc/a}, {source: b, path: /etc/b, only: [debian-13]}]",
				"templates: [{source: c, path: /etc/c, only: [debian-13]}]",
				"ports: [{name: till, port: 8}]",
				"settings: {rate: {type: number, default: 2}}"),
			"shop/a": "own", "shop/b": "own", "shop/c": "",
			"till/role.yaml": piece("till",
				"files: [{source: a, path: /etc/a}, {source: b, path: /etc/b}]",
				"templates: [{source: c, path: /etc/c}, {source: d, path: /etc/d}]",
				"ports: [{name: till, port: 7}, {name: second, port: 9}]",
				"settings: {rate: {type: number, default: 1}, tax: {type: number, default: 19}}"),
			"till/a": "piece", "till/b": "piece", "till/c": "", "till/d": "",
		},
		want: map[string]string{
			"files":     "/etc/a=own <nil>, /etc/b=own <nil>",
			"templates": "/etc/d=till/d, /etc/c=shop/c",
			"ports":     "second:9, till:8",
			"settings":  "rate=2, tax=19",
			"folders":   "shop, till",
		},
	},
	{
		name: "a later piece goes before an earlier one, and the lists keep the order",
		files: map[string]string{
			"shop/role.yaml": shop("includes: [till, door]", "bake: {commands: [own]}"),
			"till/role.yaml": piece("till", "bake: {commands: [till]}",
				"settings: {rate: {type: number, default: 1}}"),
			"door/role.yaml": piece("door", "bake: {commands: [door]}",
				"settings: {rate: {type: number, default: 2}}"),
		},
		want: map[string]string{"bake": "till, door, own", "settings": "rate=2", "folders": "shop, till, door"},
	},
	{
		name: "a piece of two pieces is there once, and before them",
		files: map[string]string{
			"shop/role.yaml": shop("includes: [till, door]", "bake: {commands: [reload]}"),
			"till/role.yaml": piece("till", "includes: [wood]", "bake: {commands: [till]}",
				"settings: {colour: {type: text, default: red}}"),
			"door/role.yaml": piece("door", "includes: [wood]", "bake: {commands: [door]}"),
			"wood/role.yaml": piece("wood", "bake: {commands: [reload]}",
				"settings: {colour: {type: text, default: brown}}", "services: [{unit: wood.service}]"),
		},
		want: map[string]string{
			"bake":     "reload, till, door, reload",
			"settings": "colour=red",
			"services": "wood.service",
			"folders":  "shop, till, wood, door",
		},
	},
	{
		name: "a file of a piece is named as the role's own",
		files: map[string]string{
			"shop/role.yaml": shop("includes: [till]", "files: [{source: sub/a, path: /etc/a}]",
				"templates: [{source: b, path: /etc/b}]"),
			"shop/b":         "",
			"till/role.yaml": piece("till"),
			"till/sub/a":     "piece",
			"till/b":         "",
		},
		want: map[string]string{
			"files":     "/etc/a=piece <nil>",
			"templates": "/etc/b=shop/b",
			"folders":   "shop, till",
		},
	},
}

func TestWhatIsIncludedBecomesPartOfTheRole(t *testing.T) {
	for _, c := range inclusions {
		t.Run(c.name, func(t *testing.T) {
			manifest, err := roles.Load(folder(c.files), "shop")
			require.NoError(t, err)

			got := described(manifest, "debian-13")
			maps.DeleteFunc(got, func(_, text string) bool { return text == "" })
			require.Equal(t, c.want, got)
			require.Equal(t, "shop", manifest.Name)
			require.False(t, manifest.Abstract)
		})
	}
}

// An own file for one release leaves the piece's to the others.
func TestAPiecesFileStaysOnOtherReleases(t *testing.T) {
	manifest, err := roles.Load(folder(inclusions[1].files), "shop")
	require.NoError(t, err)

	on12 := described(manifest, "debian-12")
	require.Equal(t, "/etc/b=piece <nil>, /etc/a=own <nil>", on12["files"])
	require.Equal(t, "/etc/c=till/c, /etc/d=till/d", on12["templates"])
}

// wrongInclusions are what is told of a shop that includes what it cannot.
var wrongInclusions = []struct {
	name  string
	files map[string]string
	want  []string
}{
	{
		name:  "itself",
		files: map[string]string{"shop/role.yaml": shop("includes: [shop]")},
		want:  []string{"shop/role.yaml:5:12: includes[0]: shop includes itself: shop -> shop"},
	},
	{
		name: "itself by others",
		files: map[string]string{
			"shop/role.yaml": shop("includes: [till]"),
			"till/role.yaml": piece("till", "includes: [door]"),
			"door/role.yaml": piece("door", "includes: [till]"),
		},
		want: []string{"door/role.yaml:4:12: includes[0]: till includes itself: shop -> till -> door -> till"},
	},
	{
		name: "a role that is not there, and a name that is none",
		files: map[string]string{
			"shop/role.yaml":    shop("includes:", "  - till", "  - ../till"),
			"../till/role.yaml": piece("till"),
		},
		want: []string{
			`shop/role.yaml:6:5: includes[0]: there is no role "till"`,
			`shop/role.yaml:7:5: includes[1]: must be the name of a folder of roles, got "../till"`,
		},
	},
	{
		name: "pieces with problems, and the role's own",
		files: map[string]string{
			"shop/role.yaml": shop("includes: [till, door]", "prots: []"),
			"till/role.yaml": piece("till", "driver: x"),
			"door/role.yaml": piece("house"),
		},
		want: []string{
			`door/role.yaml:2:7: name: must be the folder's name, "door", got "house"`,
			`shop/role.yaml:6:1: prots: unknown key; did you mean "ports"?`,
			`till/role.yaml:4:9: driver: must be arbitrator, galera, haproxy or left out, got "x"`,
		},
	},
	{
		name: "what a piece asks of the role stands at the include",
		files: map[string]string{
			"shop/role.yaml": shop("includes: [till]", "databases: [{name: own, secret: shop.own}]",
				"secrets: {shop.own: {}}"),
			"till/role.yaml": piece("till", "databases: [{name: till, secret: till.key}]"),
		},
		want: []string{
			`shop/role.yaml:5:11: includes: must be one of the role's secrets, got "till.key"`,
			`shop/role.yaml:5:11: includes: needs to know who keeps it: write watches: {database: ROLE}`,
			`shop/role.yaml:6:13: databases[0]: needs to know who keeps it: write watches: {database: ROLE}`,
		},
	},
}

func TestAWrongInclusionIsTold(t *testing.T) {
	for _, c := range wrongInclusions {
		_, err := roles.Load(folder(c.files), "shop")
		require.Error(t, err, c.name)
		require.ElementsMatch(t, c.want, said(t, err), c.name)
	}
}
