package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agext/levenshtein"
	"gopkg.in/yaml.v3"
)

// Document is a parsed YAML document that remembers where everything in it stands.
type Document struct {
	File     string
	root     *yaml.Node
	problems Problems
	visited  int
}

// maxVisits bounds what aliases may unfold to: a short document can name a long list very often.
const maxVisits = 100_000

// maxDocument is the largest document that is read, in bytes. What people write by hand is a hundredth of it, and what
// is told of each key of more takes minutes.
const maxDocument = 1 << 20

// Parse reads one YAML document. A syntax error comes back as Problems with its line.
func Parse(file string, data []byte) (*Document, error) {
	if len(data) > maxDocument {
		return nil, Problems{{
			File:    file,
			Line:    1,
			Column:  1,
			Message: fmt.Sprintf("holds %d bytes, at most %d; is it the right file?", len(data), maxDocument),
		}}
	}

	doc := &Document{
		File: file,
		root: &yaml.Node{},
	}

	decoder := yaml.NewDecoder(bytes.NewReader(data))
	err := decoder.Decode(doc.root)
	if errors.Is(err, io.EOF) {
		return nil, Problems{{
			File:    file,
			Line:    1,
			Column:  1,
			Message: "the document is empty",
		}}
	}

	if err != nil {
		return nil, Problems{syntaxProblem(file, err)}
	}

	// The decoder would pass over a second document in silence.
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, Problems{{
			File:    file,
			Line:    1,
			Column:  1,
			Message: "holds more than one YAML document; keep one",
		}}
	}

	return doc, nil
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

func syntaxProblem(file string, err error) Problem {
	text := err.Error()
	line := 1

	// The library tells a syntax error's line only in its text.
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}

	return Problem{
		File:    file,
		Line:    line,
		Column:  1,
		Message: "not valid YAML: " + strings.TrimPrefix(text, "yaml: "),
	}
}

// Decode fills target (a pointer to a struct with yaml tags), noting every unknown key, repeated key and wrong
// type as a problem. It goes on after a problem, so that one run tells them all; Problems returns them.
func (d *Document) Decode(target any) {
	root := d.root
	if root.Kind == yaml.DocumentNode {
		root = root.Content[0]
	}

	d.decode(root, reflect.ValueOf(target).Elem(), "")
}

// Problems returns what is wrong so far, in order of line, or nil.
func (d *Document) Problems() error {
	return d.problems.Sorted().Err()
}

// Add notes a problem at a path ("nodes[2].role", "site.title"). A path that the document lacks is placed at its
// nearest parent that is there.
func (d *Document) Add(path, format string, args ...any) {
	node := d.find(path)
	d.addAt(node, path, fmt.Sprintf(format, args...))
}

// AddKey notes a problem with a key of a mapping, at the key and not at its value.
func (d *Document) AddKey(path, format string, args ...any) {
	dot := strings.LastIndex(path, ".")
	node := d.find(path[:max(dot, 0)])

	if key := keyOf(node, path[dot+1:]); key != nil {
		node = key
	}

	d.addAt(node, path, fmt.Sprintf(format, args...))
}

// Has tells whether the document holds something at a path.
func (d *Document) Has(path string) bool {
	node := d.root.Content[0]
	for _, part := range splitPath(path) {
		if node = child(node, part); node == nil {
			return false
		}
	}

	return true
}

func (d *Document) addAt(node *yaml.Node, path, message string) {
	d.problems = append(d.problems, Problem{
		File:    d.File,
		Line:    node.Line,
		Column:  node.Column,
		Path:    path,
		Message: message,
	})
}

func (d *Document) find(path string) *yaml.Node {
	node := d.root.Content[0]

	for parts := splitPath(path); len(parts) > 0; {
		next, used := descend(node, parts)
		if next == nil {
			break
		}

		node, parts = next, parts[used:]
	}

	return node
}

// descend goes one step down a path, and tells how many of its parts that took: a key may have dots in it.
func descend(node *yaml.Node, parts []string) (*yaml.Node, int) {
	for used := 1; used <= len(parts); used++ {
		if next := child(node, strings.Join(parts[:used], ".")); next != nil {
			return next, used
		}
	}

	return nil, 0
}

func splitPath(path string) []string {
	path = strings.NewReplacer("[", ".", "]", "").Replace(path)
	return slices.DeleteFunc(strings.Split(path, "."), func(s string) bool {
		return s == ""
	})
}

// keyOf is a key of a mapping; nil when the mapping lacks it.
func keyOf(node *yaml.Node, name string) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}

	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i]
		}
	}

	return nil
}

func child(node *yaml.Node, part string) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}

	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == part {
				return node.Content[i+1]
			}
		}

	case yaml.SequenceNode:
		// A path of a problem may name an item that is not there.
		if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i]
		}
	}

	return nil
}

func (d *Document) decode(node *yaml.Node, target reflect.Value, path string) {
	if d.visited++; d.visited > maxVisits {
		// Said once, however deep the aliases are nested.
		if d.visited == maxVisits+1 {
			d.addAt(
				node,
				path,
				fmt.Sprintf("its aliases unfold to more than %d values; write less", maxVisits),
			)
		}

		return
	}

	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}

	if target.Kind() == reflect.Pointer {
		if node.Tag == "!!null" {
			return
		}

		target.Set(reflect.New(target.Type().Elem()))

		target = target.Elem()
	}

	// Types that read themselves come first: some of them are structs or slices.
	switch {
	case target.Addr().Type().Implements(unmarshaler):
		d.decodeScalar(node, target, path)
	case target.Kind() == reflect.Struct:
		d.decodeStruct(node, target, path)
	case target.Kind() == reflect.Map:
		d.decodeMap(node, target, path)
	case target.Kind() == reflect.Slice:
		d.decodeSlice(node, target, path)
	default:
		d.decodeScalar(node, target, path)
	}
}

var unmarshaler = reflect.TypeFor[yaml.Unmarshaler]()

func (d *Document) decodeStruct(node *yaml.Node, target reflect.Value, path string) {
	if node.Kind != yaml.MappingNode {
		d.wrongType(node, path, "a mapping of keys to values")
		return
	}

	// A key that no field has would be ignored by the library.
	fields := structFields(target.Type())
	d.eachKey(node, path, func(key, value *yaml.Node, keyPath string) {
		index, known := fields[key.Value]
		if !known {
			d.addAt(key, keyPath, unknownKey(key.Value, fields))
			return
		}

		d.decode(value, target.Field(index), keyPath)
	})
}

func (d *Document) decodeMap(node *yaml.Node, target reflect.Value, path string) {
	if node.Kind != yaml.MappingNode {
		d.wrongType(node, path, "a mapping of keys to values")
		return
	}

	target.Set(reflect.MakeMap(target.Type()))

	d.eachKey(node, path, func(key, value *yaml.Node, keyPath string) {
		element := reflect.New(target.Type().Elem()).Elem()
		d.decode(value, element, keyPath)
		target.SetMapIndex(reflect.ValueOf(key.Value).Convert(target.Type().Key()), element)
	})
}

func (d *Document) eachKey(node *yaml.Node, path string, visit func(key, value *yaml.Node, keyPath string)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		keyPath := join(path, key.Value)

		// The library's own error for a repeated key would end the reading there.
		if first, twice := seen[key.Value]; twice {
			d.addAt(key, keyPath, fmt.Sprintf("given twice; the first is on line %d", first))
			continue
		}

		seen[key.Value] = key.Line
		visit(key, node.Content[i+1], keyPath)
	}
}

func (d *Document) decodeSlice(node *yaml.Node, target reflect.Value, path string) {
	// A key with nothing behind it is an empty list.
	if node.Tag == "!!null" {
		return
	}

	if node.Kind != yaml.SequenceNode {
		d.wrongType(node, path, "a list")
		return
	}

	list := reflect.MakeSlice(
		target.Type(),
		len(node.Content),
		len(node.Content),
	)

	for i, item := range node.Content {
		d.decode(
			item,
			list.Index(i),
			fmt.Sprintf("%s[%d]", path, i),
		)
	}

	target.Set(list)
}

func (d *Document) decodeScalar(node *yaml.Node, target reflect.Value, path string) {
	if target.Kind() == reflect.String &&
		node.Kind == yaml.ScalarNode &&
		node.Tag != "!!str" &&
		node.Tag != "!!null" {
		// An unquoted 12 or true where text belongs is text that looks like something else.
		target.SetString(node.Value)
		return
	}

	// The library reads 010 as 8 and 3.9 as 3.
	if isWholeNumber(target) {
		if _, err := ParseNumber(node.Value); err != nil || node.Tag != "!!int" {
			d.wrongType(node, path, wanted(target))
			return
		}
	}

	if err := DecodeNode(node, target.Addr().Interface()); err != nil {
		d.wrongType(node, path, wanted(target))
	}
}

var decimal = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// ParseNumber reads a whole number in decimal digits, with no zeros before it.
func ParseNumber(text string) (int, error) {
	if !decimal.MatchString(text) {
		return 0, fmt.Errorf("%q is no whole number in decimal digits", text)
	}

	return strconv.Atoi(text)
}

// isWholeNumber tells a number from a duration, which is one for Go only.
func isWholeNumber(target reflect.Value) bool {
	return target.CanInt() && target.Type() != reflect.TypeFor[time.Duration]()
}

func (d *Document) wrongType(node *yaml.Node, path, want string) {
	d.addAt(node, path, fmt.Sprintf("must be %s, got %s", want, described(node)))
}

func wanted(target reflect.Value) string {
	// A number for Go, and text for a person.
	if target.Type() == reflect.TypeFor[time.Duration]() {
		return "a duration, as in 90s or 6h"
	}

	switch target.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "text"
	}
}

func described(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}

	if node.Tag == "!!null" {
		return "nothing"
	}

	return strconv.Quote(node.Value)
}

func structFields(t reflect.Type) map[string]int {
	fields := map[string]int{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			fields[name] = i
		}
	}

	return fields
}

// A suggestion further away than this many edits is noise, not help.
const maxSuggestionDistance = 3

func unknownKey(key string, fields map[string]int) string {
	known := make([]string, 0, len(fields))
	for name := range fields {
		known = append(known, name)
	}

	// Sorted, as a map has another order each time.
	slices.Sort(known)

	if near := Nearest(key, known); near != "" {
		return fmt.Sprintf("unknown key; did you mean %q?", near)
	}

	return "unknown key; known here: " + strings.Join(known, ", ")
}

// Nearest returns the candidate that word was most likely meant to be, or "" when none is near.
func Nearest(word string, candidates []string) string {
	best, bestDistance := "", maxSuggestionDistance+1
	for _, candidate := range candidates {
		// A distance as long as the word would suggest anything for a short word.
		if distance := levenshtein.Distance(
			word,
			candidate,
			nil,
		); distance < bestDistance && distance < len(word) {
			best, bestDistance = candidate, distance
		}
	}

	return best
}

func join(path, key string) string {
	if path == "" {
		return key
	}

	return path + "." + key
}
