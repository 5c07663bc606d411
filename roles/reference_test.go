package roles_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

const (
	rolesPage      = "../docs/roles.md"
	referenceBegin = "<!-- keys: written by go test ./roles -run TestTheReference -update -->\n"
	referenceEnd   = "<!-- end of keys -->\n"

	// referenceText is what the JSON Schema of role.yaml says of its keys.
	referenceText = "reference.txt"
	referenceHead = "# What each key of role.yaml is for; written by go test ./roles -run TestTheReference -update\n"
)

// source is what the package's own text says: of types, of their fields, and what constants are.
type source struct {
	types     map[string]string
	fields    map[string]string // by TYPE.FIELD
	constants map[string]string
}

func readSource(t *testing.T) source {
	t.Helper()
	s := source{
		types:     map[string]string{},
		fields:    map[string]string{},
		constants: map[string]string{"DefaultHealthInterval": roles.DefaultHealthInterval.String()},
	}

	names, err := filepath.Glob("*.go")
	require.NoError(t, err)

	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}

		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)

		for _, declaration := range file.Decls {
			if general, ok := declaration.(*ast.GenDecl); ok {
				s.add(general)
			}
		}
	}

	return s
}

func (s source) add(declaration *ast.GenDecl) {
	for _, spec := range declaration.Specs {
		switch spec := spec.(type) {
		case *ast.ValueSpec:
			for i, value := range spec.Values {
				if literal, ok := value.(*ast.BasicLit); ok {
					s.constants[spec.Names[i].Name] = strings.Trim(literal.Value, `"`)
				}
			}

		case *ast.TypeSpec:
			s.types[spec.Name.Name] = oneLine(declaration.Doc.Text())

			if structure, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range structure.Fields.List {
					text := oneLine(field.Doc.Text() + " " + field.Comment.Text())

					for _, name := range field.Names {
						s.fields[spec.Name.Name+"."+name.Name] = text
					}
				}
			}
		}
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

var (
	constantName = regexp.MustCompile(`\b[A-Z][A-Za-z]+\b`)
	subject      = regexp.MustCompile(`^([A-Z]\w+) (is |are )?`)
)

// describe is what a field is, in words for a reader of the page.
func (s source) describe(owner, field, kind string) string {
	name, text := field, s.fields[owner+"."+field]
	if text == "" {
		name, text = kind, s.types[kind]
	}

	// "Peers is Member or Client." stands in the row of peers.
	if match := subject.FindStringSubmatch(text); match != nil && match[1] == name {
		text = text[len(match[0]):]
	}

	text = constantName.ReplaceAllStringFunc(text, func(word string) string {
		if value, ok := s.constants[word]; ok {
			return "`" + value + "`"
		}

		return word
	})
	text = strings.ReplaceAll(text, "nil:", "left out:")

	return strings.TrimSuffix(text, ".")
}

// row is what is said of a key.
type row struct {
	path string
	kind string
	text string
}

// String is the row as the page has it.
func (r row) String() string {
	return fmt.Sprintf("| `%s` | %s | %s |", r.path, r.kind, strings.ReplaceAll(r.text, "|", `\|`))
}

// rows are those of the keys of a type, and of those beneath.
func (s source) rows(of reflect.Type, path string) []row {
	var rows []row

	for i := range of.NumField() {
		field := of.Field(i)

		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if key == "" {
			continue
		}

		kind, below, suffix := shape(field.Type)
		at := path + key
		named := ""

		if below != nil {
			named = below.Name()
		}

		text := s.describe(of.Name(), field.Name, named)
		rows = append(rows, row{
			path: at,
			kind: kind,
			text: text,
		})

		if below != nil {
			rows = append(rows, s.rows(below, at+suffix+".")...)
		}
	}

	return rows
}

// shape is a type in words, and the structure beneath it: at each place of a list, or under each name of a mapping.
func shape(of reflect.Type) (kind string, below reflect.Type, suffix string) {
	switch {
	case of == reflect.TypeFor[time.Duration]():
		return "duration", nil, ""
	case of == reflect.TypeFor[*roles.Value]():
		return "as the type", nil, ""
	case of.Kind() == reflect.Pointer:
		return shape(of.Elem())
	case of.Kind() == reflect.Struct:
		return "mapping", of, ""
	case of.Kind() == reflect.Slice:
		kind, below, _ = shape(of.Elem())
		return "list of " + plural(kind), below, "[]"
	case of.Kind() == reflect.Map:
		kind, below, _ = shape(of.Elem())
		return plural(kind) + " by name", below, ".NAME"
	}

	return scalars[of.Kind()], nil, ""
}

var scalars = map[reflect.Kind]string{
	reflect.String: "text",
	reflect.Int:    "number",
	reflect.Bool:   "true or false",
}

func plural(kind string) string {
	plurals := map[string]string{"mapping": "mappings", "list of texts": "lists of texts", "text": "texts"}
	return cmp.Or(plurals[kind], kind)
}

// The page's table of keys is made of the types that role.yaml is read into, and of what is written beside them. So is
// what the JSON Schema says of them.
func TestTheReferenceIsOfTheTypes(t *testing.T) {
	rows := readSource(t).rows(reflect.TypeFor[roles.Manifest](), "")
	table := "| key | is | what it says |\n|---|---|---|\n"
	text := referenceHead

	for _, row := range rows {
		require.NotEmpty(t, row.text, "nothing is said of %s", row.path)
		require.NotRegexp(t, `\b(Default|Input|Make|On|Protocol|Type)[A-Z]|map\[|\bnil\b`, row.text, "a name of Go's")

		table += row.String() + "\n"
		text += row.path + "\t" + row.text + "\n"
	}

	page, err := os.ReadFile(rolesPage)
	require.NoError(t, err)

	before, rest, found := strings.Cut(string(page), referenceBegin)
	require.True(t, found, "the page has no place for the keys")

	inside, after, found := strings.Cut(rest, referenceEnd)
	require.True(t, found, "the page has no end of the keys")

	if *update {
		page := before + referenceBegin + "\n" + table + "\n" + referenceEnd + after
		require.NoError(t, os.WriteFile(rolesPage, []byte(page), 0o644))
		require.NoError(t, os.WriteFile(referenceText, []byte(text), 0o644))
		t.Fatalf("%s and %s are rewritten; run again without -update", rolesPage, referenceText)
	}

	require.Equal(t, table, strings.TrimLeft(strings.TrimSuffix(inside, "\n"), "\n"), "run with -update")

	kept, err := os.ReadFile(referenceText)
	require.NoError(t, err)
	require.Equal(t, text, string(kept), "run with -update")
}

// A function that templates have is on the page, and none that they do not have.
func TestThePageNamesEveryFunction(t *testing.T) {
	page, err := os.ReadFile(rolesPage)
	require.NoError(t, err)

	_, rest, found := strings.Cut(string(page), "\n| function | gives |\n|---|---|\n")
	require.True(t, found)

	table, _, _ := strings.Cut(rest, "\n\n")

	var names []string
	for _, match := range regexp.MustCompile("(?m)^\\| `([a-z0-9]+)").FindAllStringSubmatch(table, -1) {
		names = append(names, match[1])
	}

	require.ElementsMatch(t, roles.FunctionNames(), names)
}

// pageBlocks are the page's blocks of text, each by the name of the file that it is of.
func pageBlocks(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile(rolesPage)
	require.NoError(t, err)

	blocks := map[string]string{}

	for i, part := range strings.Split("\n"+string(page), "\n```") {
		// Every other part stands between two blocks.
		if i%2 == 0 {
			continue
		}

		info, text, _ := strings.Cut(part, "\n")
		_, name, named := strings.Cut(info, " ")
		require.True(t, named, "a block has no file's name: %s", info)
		require.NotContains(t, blocks, name)

		blocks[name] = text + "\n"
	}

	return blocks
}

// What the page has a user write is a folder that loads, and a stack that is valid with it.
func TestThePagesBlocksLoad(t *testing.T) {
	own := fstest.MapFS{"api/api": {Data: []byte("a program")}}
	stacks := map[string]string{}

	for name, text := range pageBlocks(t) {
		switch inside, ok := strings.CutPrefix(name, "roles/"); {
		case ok:
			own[inside] = &fstest.MapFile{Data: []byte(text)}
		default:
			stacks[name] = text
		}
	}

	manifests, err := roles.LoadDir(roles.Overlay(own))
	require.NoError(t, err)
	require.Len(t, stacks, 2)

	for name, text := range stacks {
		_, err := stack.Parse(name, []byte(text), manifests)
		require.NoError(t, err, name)
	}

	// The folder holds nothing but roles that were read.
	for name := range own {
		folder, _, _ := strings.Cut(name, "/")
		require.Contains(t, manifests, folder)
	}

	require.Equal(t, "/usr/local/bin/api", manifests["jobs"].Files[len(manifests["jobs"].Files)-2].Path)
	require.Equal(t, "ledger", manifests["ledger"].Watches[roles.DatabaseRole])
}

// The page's configuration is JSON, whatever a user greets with.
func TestThePagesConfigurationIsJSON(t *testing.T) {
	text := pageBlocks(t)["roles/api/config.json"]

	manifest := &roles.Manifest{Watches: map[string]string{roles.DatabaseRole: "db"}}
	rendered, err := manifest.RenderText("config.json", text, roles.Facts{
		Settings: map[string]string{"greeting": `"Moin," \ said <b>`},
		Secrets:  map[string]report.Secret{"api.database_password": awkward},
	})
	require.NoError(t, err)

	read := struct {
		Greeting string
		Database struct{ Password, Server string }
	}{}
	require.NoError(t, json.Unmarshal(rendered, &read), string(rendered))
	require.Equal(t, `"Moin," \ said <b>`, read.Greeting)
	require.Equal(t, awkward, read.Database.Password)
	require.Equal(t, "db.hornero", read.Database.Server)
}
