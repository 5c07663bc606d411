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
func (m *Manifest) checkTexts(doc *report.Document, own *Manifest) (report.Problems, error) {
	var found report.Problems

	for _, template := range m.Templates {
		text, err := template.Text()
		if err != nil {
			return nil, fmt.Errorf("read template of role %s: %w", m.Name, err)
		}

		found = append(found, m.checkText(template.File(), string(text))...)
	}

	for i, serve := range m.Serves {
		at := standing("serves", i, len(m.Serves), len(own.Serves), ".url")
		m.checkInline(doc, at, serve.URL)
	}

	for i, task := range m.Tasks {
		for _, name := range slices.Sorted(maps.Keys(task.Env)) {
			at := standing("tasks", i, len(m.Tasks), len(own.Tasks), ".env."+name)
			m.checkInline(doc, at, task.Env[name])
		}
	}

	for i, command := range m.Bake.Commands {
		at := standing("bake.commands", i, len(m.Bake.Commands), len(own.Bake.Commands), "")
		m.checkInline(doc, at, command)
	}

	return found, nil
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
	parsed.Funcs(quotes)

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

	words := command.Args
	if len(words) < 2 {
		return
	}

	function, isFunction := words[0].(*parse.IdentifierNode)
	if !isFunction {
		return
	}

	kind := function.Ident

	// The long way to say it: index .Settings "title".
	if kind == "index" && len(words) > 2 {
		kind, words = indexed(words[1]), words[1:]
	}

	// A name that is worked out is the template's own affair.
	name, isName := words[1].(*parse.StringNode)
	if !isName {
		return
	}

	w.declared(kind, name)

	// Its second word names an authority.
	if kind == "pki" && len(words) > 2 {
		if authority, isName := words[2].(*parse.StringNode); isName {
			w.declared(functionAuthority, authority)
		}
	}
}

// functionAuthority is no function of templates: it stands for the second word of pki.
const functionAuthority = "pki authority"

// declared notes a problem where the manifest declares no such name.
func (w *nameWalk) declared(kind string, name *parse.StringNode) {
	problem := w.manifest.undeclared(kind, name.Text)
	if problem == "" {
		return
	}

	line, column := w.place(int(name.Pos))
	w.found = append(w.found, report.Problem{
		File:    w.file,
		Line:    line,
		Column:  column,
		Message: problem,
	})
}

// indexed is the function that reads what a field of Facts holds; "" for other fields.
func indexed(node parse.Node) string {
	switch strings.TrimPrefix(node.String(), "$") {
	case ".Settings":
		return "setting"
	case ".Secrets":
		return "secret"
	case ".PKI":
		return "pki"
	}

	return ""
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
	case "database":
		kind, known = "database", m.databaseNames()
	case "role", "peers", "slots", "expected", "writer", "lease":
		kind, known = "watched role", slices.Sorted(maps.Keys(m.Watches))
	case "pki":
		kind, known = "part of the node's identity", []string{PKIAuthority, PKICertificate, PKIKey}
	case functionAuthority:
		kind, known = "certificate of authority", m.authorities()
	case "var":
		kind, known = "variable", m.variableNames()
	case "can":
		kind, known = "limit", m.limitNames()
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

// variableNames are those of any release: a release that lacks one is found out where it is baked.
func (m *Manifest) variableNames() []string {
	var names []string
	for _, values := range m.Variables {
		names = slices.AppendSeq(names, maps.Keys(values))
	}

	return names
}

func (m *Manifest) limitNames() []string {
	return slices.Concat(slices.Collect(maps.Values(m.Limits))...)
}

// secretNames are the secrets that the role's templates may ask for.
func (m *Manifest) secretNames() []string {
	names := slices.Sorted(maps.Keys(m.Secrets))
	if m.ReservedIP != nil {
		names = append(names, m.ReservedIP.Secrets...)
	}

	return names
}
