package stack

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// ErrNotEdited means that a stack.yaml says a thing in a way that is not changed from here.
var ErrNotEdited = errors.New("change it in an editor")

// Edit is a change of one number of one group of nodes.
type Edit struct {
	Group string
	Key   string // count or image
	Value int    // 0 takes the key out
}

// Edited is a stack.yaml with changes that are not written yet.
type Edited struct {
	Stack *Stack

	path string
	text []byte
	mode fs.FileMode
}

// EditFile reads a stack.yaml and makes changes in its text: comments, order and spaces stay as they are. Nothing is
// written before Write.
func EditFile(path string, manifests map[string]*roles.Manifest, edits ...Edit) (*Edited, error) {
	// A link stays one: what it leads to is changed.
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("read stack: %w", err)
	}

	info, err := os.Stat(target)
	if err != nil {
		return nil, fmt.Errorf("read stack: %w", err)
	}

	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read stack: %w", err)
	}

	for _, edit := range edits {
		if text, err = edit.apply(text); err != nil {
			return nil, fmt.Errorf("edit %s: group %s: %w", path, edit.Group, err)
		}
	}

	// What was made is read as any other file is: it must say what was asked for, and nothing wrong.
	edited, err := Parse(path, text, manifests)
	if err != nil {
		return nil, err
	}

	edited.folder = folderOf(path)

	return &Edited{
		Stack: edited,
		path:  target,
		text:  text,
		mode:  info.Mode().Perm(),
	}, nil
}

// Write puts the changed file in the place of the old one.
func (e *Edited) Write() error {
	_, err := file.Write(e.path, e.text, file.Options{Mode: e.mode})
	return err
}

// apply makes the change in a text, at the place where the YAML library found the group.
func (e Edit) apply(text []byte) ([]byte, error) {
	group, err := findGroup(text, e.Group)
	if err != nil {
		return nil, err
	}

	lines := bytes.SplitAfter(text, []byte("\n"))
	value := mappingValue(group, e.Key)

	switch {
	case value == nil && e.Value == 0:
		return text, nil
	case value == nil:
		err = e.insert(lines, group)
	case e.Value == 0:
		err = e.remove(lines, group, value)
	default:
		err = replaceScalar(lines, value, strconv.Itoa(e.Value))
	}

	return bytes.Join(lines, nil), err
}

// findGroup finds the node of a group by its name.
func findGroup(text []byte, name string) (*yaml.Node, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}

	var names []string

	if len(document.Content) == 1 {
		nodes := mappingValue(document.Content[0], "nodes")
		for nodes != nil && len(nodes.Content) > len(names) {
			group := nodes.Content[len(names)]

			called := mappingValue(group, "name")
			if called == nil {
				return nil, fmt.Errorf("a group of nodes is written in a way that is not known here: %w", ErrNotEdited)
			}

			if called.Value == name {
				return group, nil
			}

			names = append(names, called.Value)
		}
	}

	if near := report.Nearest(name, names); near != "" {
		return nil, fmt.Errorf("there is no such group; did you mean %q?", near)
	}

	return nil, fmt.Errorf("there is no such group; the groups are %s", strings.Join(names, ", "))
}

// mappingValue is what a key of a mapping says; nil where it is not there.
func mappingValue(mapping *yaml.Node, key string) *yaml.Node {
	if mapping.Kind != yaml.MappingNode {
		return nil
	}

	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}

	return nil
}

// span is where a plain scalar stands in its line.
func span(lines [][]byte, scalar *yaml.Node) (from, to int, err error) {
	line := lines[scalar.Line-1]

	// The library counts characters, and a line may have some of several bytes.
	for range scalar.Column - 1 {
		_, size := utf8.DecodeRune(line[from:])
		from += size
	}

	to = from + len(scalar.Value)
	if scalar.Kind != yaml.ScalarNode || !bytes.HasPrefix(line[from:], []byte(scalar.Value)) {
		return 0, 0, fmt.Errorf("line %d: it is not written as a plain word: %w", scalar.Line, ErrNotEdited)
	}

	return from, to, nil
}

func replaceScalar(lines [][]byte, scalar *yaml.Node, value string) error {
	from, to, err := span(lines, scalar)
	if err != nil {
		return err
	}

	lines[scalar.Line-1] = splice(lines[scalar.Line-1], from, to, value)

	return nil
}

// splice puts a text in the place of a part of a line.
func splice(line []byte, from, to int, text string) []byte {
	return append(append(bytes.Clone(line[:from]), text...), line[to:]...)
}

// insert adds the key behind the group's role, which every group has.
func (e Edit) insert(lines [][]byte, group *yaml.Node) error {
	role := mappingValue(group, "role")
	if role == nil {
		return fmt.Errorf("it has no role: %w", ErrNotEdited)
	}

	_, to, err := span(lines, role)
	if err != nil {
		return err
	}

	at := role.Line - 1

	if group.Style&yaml.FlowStyle != 0 {
		lines[at] = splice(lines[at], to, to, fmt.Sprintf(", %s: %d", e.Key, e.Value))
		return nil
	}

	line := lines[at]
	if !bytes.HasSuffix(line, []byte("\n")) {
		line = append(bytes.Clone(line), '\n')
	}

	// All keys of a group begin in one column, also the one behind the dash.
	indent := strings.Repeat(" ", group.Column-1)
	lines[at] = append(bytes.Clone(line), fmt.Sprintf("%s%s: %d\n", indent, e.Key, e.Value)...)

	return nil
}

// remove takes the key out: with its line, or from between its neighbours.
func (e Edit) remove(lines [][]byte, group, value *yaml.Node) error {
	_, to, err := span(lines, value)
	if err != nil {
		return err
	}

	at := value.Line - 1
	line := lines[at]
	key := bytes.LastIndex(line[:to], []byte(e.Key))

	if group.Style&yaml.FlowStyle != 0 {
		comma := bytes.LastIndexByte(line[:max(key, 0)], ',')
		if comma < 0 {
			return fmt.Errorf("line %d: %s stands first: %w", value.Line, e.Key, ErrNotEdited)
		}

		lines[at] = splice(line, comma, to, "")

		return nil
	}

	if len(bytes.TrimSpace(line[:max(key, 0)])) > 0 {
		return fmt.Errorf("line %d: %s does not stand alone: %w", value.Line, e.Key, ErrNotEdited)
	}

	lines[at] = nil

	return nil
}
