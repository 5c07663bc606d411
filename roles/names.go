package roles

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/hornero/hornero/internal/report"
)

// checkTexts looks through the role's templates for names that no manifest declares: a node would find them out, one by
// one, after it was launched.
func (m *Manifest) checkTexts(doc *report.Document) error {
	var found report.Problems

	for _, template := range m.Templates {
		text, err := template.Text()
		if err != nil {
			return fmt.Errorf("read template of role %s: %w", m.Name, err)
		}

		found = append(found, m.checkText(template.File(), string(text))...)
	}

	for i, serve := range m.Serves {
		m.checkInline(doc, fmt.Sprintf("serves[%d].url", i), serve.URL)
	}

	for i, task := range m.Tasks {
		for _, name := range slices.Sorted(maps.Keys(task.Env)) {
			m.checkInline(doc, fmt.Sprintf("tasks[%d].env.%s", i, name), task.Env[name])
		}
	}

	return found.Err()
}

// checkInline looks at a template that stands in the manifest itself.
func (m *Manifest) checkInline(doc *report.Document, at, text string) {
	for _, problem := range m.checkText(at, text) {
		doc.Add(at, "%s", problem.Message)
	}
}

// checkText looks at one template's text.
func (m *Manifest) checkText(file, text string) report.Problems {
	parsed := template.New(file)
	parsed.Funcs(m.functions(Facts{}))
	parsed.Funcs(pure)

	if _, err := parsed.Parse(text); err != nil {
		return report.Problems{templateProblem(file, err)}
	}

	walk := nameWalk{manifest: m, file: file, text: text}
	for _, part := range parsed.Templates() {
		walk.visit(part.Root)
	}

	return walk.found
}

// templateProblem makes a problem of the library's words, which begin with the place.
func templateProblem(file string, err error) report.Problem {
	problem := report.Problem{File: file, Line: 1, Column: 1, Message: err.Error()}

	rest, ok := strings.CutPrefix(err.Error(), "template: "+file+":")
	if !ok {
		return problem
	}

	line, message, _ := strings.Cut(rest, ": ")
	if number, err := report.ParseNumber(line); err == nil {
		problem.Line = number
	}

	problem.Message = "not a valid template: " + message

	return problem
}

// nameWalk goes through a parsed template.
type nameWalk struct {
	manifest *Manifest
	file     string
	text     string
	found    report.Problems
}

// visit looks at a node and all beneath it. Only commands name things: `setting "title"`.
func (w *nameWalk) visit(node parse.Node) {
	if node == nil || reflect.ValueOf(node).IsNil() {
		return
	}

	switch n := node.(type) {
	case *parse.ListNode:
		for _, child := range n.Nodes {
			w.visit(child)
		}
	case *parse.ActionNode:
		w.visit(n.Pipe)
	case *parse.IfNode:
		w.branch(n.BranchNode)
	case *parse.RangeNode:
		w.branch(n.BranchNode)
	case *parse.WithNode:
		w.branch(n.BranchNode)
	case *parse.TemplateNode:
		w.visit(n.Pipe)
	case *parse.PipeNode:
		for _, command := range n.Cmds {
			w.command(command)
		}
	}
}

func (w *nameWalk) branch(n parse.BranchNode) {
	w.visit(n.Pipe)
	w.visit(n.List)
	w.visit(n.ElseList)
}

func (w *nameWalk) command(command *parse.CommandNode) {
	for _, argument := range command.Args {
		w.visit(argument)
	}

	if len(command.Args) < 2 {
		return
	}

	function, isFunction := command.Args[0].(*parse.IdentifierNode)
	name, isName := command.Args[1].(*parse.StringNode)

	// A name that is worked out is the template's own affair.
	if !isFunction || !isName {
		return
	}

	if problem := w.manifest.undeclared(function.Ident, name.Text); problem != "" {
		line, column := w.place(int(name.Pos))
		w.found = append(w.found, report.Problem{
			File:    w.file,
			Line:    line,
			Column:  column,
			Message: problem,
		})
	}
}

// place is a byte's line and column, each from 1.
func (w *nameWalk) place(at int) (line, column int) {
	before := w.text[:min(at, len(w.text))]
	return strings.Count(before, "\n") + 1, at - strings.LastIndex(before, "\n")
}

// undeclared tells what is wrong with a function's name of something; "" when it is declared.
func (m *Manifest) undeclared(function, name string) string {
	var known []string
	var kind string

	switch function {
	case "setting", "enabled", "list":
		kind, known = "setting", m.settingNames()
	case "secret":
		kind, known = "secret", m.secretNames()
	case "role", "peers", "slots", "expected", "writer":
		kind, known = "watched role", slices.Sorted(maps.Keys(m.Watches))
	default:
		return ""
	}

	if slices.Contains(known, name) {
		return ""
	}

	if near := report.Nearest(name, known); near != "" {
		return fmt.Sprintf("the manifest declares no %s %q; did you mean %q?", kind, name, near)
	}

	return fmt.Sprintf("the manifest of role %s declares no %s %q", m.Name, kind, name)
}

// settingNames are the settings that the role's templates may ask for.
func (m *Manifest) settingNames() []string {
	names := append(slices.Sorted(maps.Keys(m.Settings)), SettingDrift, SettingDriftEvery)
	if m.ReservedIP != nil {
		names = append(names, SettingReservedIP)
	}

	return names
}

// secretNames are the secrets that the role's templates may ask for.
func (m *Manifest) secretNames() []string {
	names := slices.Sorted(maps.Keys(m.Secrets))
	if m.ReservedIP != nil {
		names = append(names, m.ReservedIP.Secrets...)
	}

	return names
}
