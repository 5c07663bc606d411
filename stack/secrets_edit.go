package stack

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// editHead begins the text that an operator edits. %[1]s is the stack, %[2]s the secrets file.
const editHead = `# The secrets of stack %[1]s, from %[2]s. Change values, save, and leave the editor.
# Nothing changed, nothing written. Put a value between quotes, 'like this', with two quotes for one within it.
# The nodes that have a secret must be replaced after a change: hornero names them then, and "hornero plan" shows them.
# Not shown is what nobody changes: %[3]s.

`

// Editing is the text of the secrets that an operator may change, and what it was made of.
type Editing struct {
	Text  []byte
	Shown map[string]report.Secret

	named map[string]NamedSecret
	stack string
}

// Edit writes the secrets that may be changed as YAML, with what each is for.
func (s *Secrets) Edit(of *Stack, manifests map[string]*roles.Manifest) (Editing, error) {
	e := Editing{
		Shown: map[string]report.Secret{},
		named: map[string]NamedSecret{},
		stack: of.Name,
	}

	names := s.Names()
	for _, secret := range of.NamedSecrets(manifests) {
		e.named[secret.Name] = secret
		names = append(names, secret.Name)
	}

	slices.Sort(names)

	var text, hidden []string

	for _, name := range slices.Compact(names) {
		value, held := s.values[name]

		// An editor may change bytes that are no text.
		if e.named[name].Fixed || !utf8.ValidString(value.Reveal()) {
			hidden = append(hidden, name)
			continue
		}

		if held {
			e.Shown[name] = value
		}

		entry, err := e.entry(name, value, held)
		if err != nil {
			return e, fmt.Errorf("write %s for an editor: %w", name, err)
		}

		text = append(text, entry)
	}

	head := fmt.Sprintf(editHead, of.Name, s.path, strings.Join(hidden, ", "))
	e.Text = []byte(head + strings.Join(text, "\n"))

	return e, nil
}

// entry is one secret with its comment. One that the file has not is a comment as a whole.
func (e Editing) entry(name string, value report.Secret, held bool) (string, error) {
	remark := "# " + e.describe(name) + "\n"
	if !held {
		return remark + "# " + name + ": \n", nil
	}

	key := &yaml.Node{
		Kind:  yaml.ScalarNode,
		Value: name,
	}

	// Many lines stand as they are; one stands between quotes, so that what is typed into them stays text.
	content := &yaml.Node{}
	content.SetString(value.Reveal())
	if content.Style != yaml.LiteralStyle {
		content.Style = yaml.DoubleQuotedStyle
	}

	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)

	err := encoder.Encode(&yaml.Node{
		Kind:    yaml.MappingNode,
		Content: []*yaml.Node{key, content},
	})

	return remark + text.String(), err
}

// describe says what a secret is for and who has it.
func (e Editing) describe(name string) string {
	secret, named := e.named[name]
	if !named {
		return "no role of the stack asks for it any more: it may be taken away"
	}

	what := strings.Join(strings.Fields(secret.Help), " ")
	if what == "" {
		what = "a secret"
	}
	if len(secret.Roles) > 0 {
		what += " (nodes of role " + strings.Join(secret.Roles, ", ") + ")"
	}

	_, held := e.Shown[name]

	switch {
	case held:
	case secret.Given:
		what += "; not given yet"
	default:
		what += "; not there yet: the next `hornero up` makes it"
	}

	return what
}

var (
	yamlErrorLine = regexp.MustCompile(`line (\d+)`)
	// yamlSign is a value that begins with a letter that has a meaning in YAML.
	yamlSign = regexp.MustCompile("^[^#'\"]*:\\s+[*&!%@`\\[{]")
)

// faultyLine is the line that an error of the library is about; the library does not always say.
func faultyLine(err error, text []byte) int {
	if found := yamlErrorLine.FindStringSubmatch(err.Error()); found != nil {
		line, _ := strconv.Atoi(found[1])
		return line
	}

	number := 0
	for line := range strings.Lines(string(text)) {
		number++

		if yamlSign.MatchString(line) {
			return number
		}
	}

	return 1
}

// Parse reads the text back. All that is wrong with it comes together, as report.Problems, and none of them repeats a
// value.
func (e Editing) Parse(file string, text []byte) (map[string]report.Secret, error) {
	var document yaml.Node

	if err := report.Unmarshal(text, &document); err != nil {
		// The library's words are left out: they may quote a part of a value.
		return nil, report.Problems{{
			File:    file,
			Line:    faultyLine(err, text),
			Message: "no YAML here, or just before; put the value between single quotes",
		}}
	}

	p := &editProblems{file: file}
	values := map[string]report.Secret{}

	switch {
	case len(document.Content) == 0:
		// Nothing but comments.
	case document.Content[0].Kind != yaml.MappingNode:
		p.add(document.Content[0], "", "must be lines of NAME: VALUE")
	default:
		values = e.values(document.Content[0], p)
	}

	e.checkKept(values, &document, p)
	e.checkPair(values, p)

	return values, p.all.Sorted().Err()
}

// editProblems collects what is wrong with an edited text.
type editProblems struct {
	file string
	all  report.Problems
}

func (p *editProblems) add(at *yaml.Node, name, format string, args ...any) {
	p.all = append(p.all, report.Problem{
		File:    p.file,
		Line:    at.Line,
		Column:  at.Column,
		Path:    name,
		Message: fmt.Sprintf(format, args...),
	})
}

func (e Editing) values(mapping *yaml.Node, p *editProblems) map[string]report.Secret {
	values := map[string]report.Secret{}

	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, content := mapping.Content[i], mapping.Content[i+1]
		name := key.Value

		// What stands where a name belongs may be a piece of a value.
		if _, shown := e.Shown[name]; !shown && !e.checkName(key, p) {
			continue
		}

		if _, twice := values[name]; twice {
			p.add(key, name, "given twice; keep one")
			continue
		}

		values[name] = report.Secret(content.Value)

		switch {
		case content.Kind != yaml.ScalarNode || content.Tag == "!!binary":
			p.add(content, name, "must be text; put it between single quotes")
		case content.Value == "":
			p.add(key, name, "is empty; put the value behind it, or put # before a name that is not given yet")
		case e.Shown[name] != values[name]:
			if err := CheckSecret(name, values[name]); err != nil {
				p.add(content, "", "%s", err)
			}
		}
	}

	return values
}

// checkName looks at a name that was not there before.
func (e Editing) checkName(key *yaml.Node, p *editProblems) bool {
	secret, named := e.named[key.Value]

	if named && !secret.Fixed {
		return true
	}

	if named {
		p.add(key, key.Value, "is not changed here: the whole stack lives by it; take the line away")
		return false
	}

	known := slices.Sorted(maps.Keys(e.named))
	if near := report.Nearest(key.Value, known); near != "" {
		p.add(key, "", "an unknown name; did you mean %q?", near)
		return false
	}

	p.add(key, "", "an unknown name: no role of stack %s asks for it; `hornero secrets list --long` tells what is "+
		"asked for", e.stack)

	return false
}

// checkKept looks for names that were taken away.
func (e Editing) checkKept(values map[string]report.Secret, document *yaml.Node, p *editProblems) {
	// One that is misspelt is told already.
	if len(p.all) > 0 {
		return
	}

	for _, name := range slices.Sorted(maps.Keys(e.Shown)) {
		_, kept := values[name]
		if _, named := e.named[name]; kept || !named {
			continue
		}

		p.add(document, name, "is gone, and the stack needs it; put it back (`hornero secrets rotate %s` makes "+
			"another value)", name)
	}
}

// checkPair looks whether the site's key is that of its certificate, where one of them was changed.
func (e Editing) checkPair(values map[string]report.Secret, p *editProblems) {
	certificate, key := values[SiteCertificate], values[SiteKey]
	same := e.Shown[SiteCertificate] == certificate && e.Shown[SiteKey] == key

	if same || len(p.all) > 0 {
		return
	}

	// The cause says what does not fit, and nothing of the key.
	if _, err := tls.X509KeyPair([]byte(certificate.Reveal()), []byte(key.Reveal())); err != nil {
		p.all = append(p.all, report.Problem{
			File:    p.file,
			Path:    SiteKey,
			Message: "is not the key of " + SiteCertificate + "; change both",
		})
	}
}
