package cloudinit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hornero/hornero/internal/report"
	"gopkg.in/yaml.v3"
)

// Decode takes the node document out of user-data and reads it strictly. file names the source in problems.
func Decode(file string, userData []byte) (Node, error) {
	if len(userData) > MaxUserData {
		return Node{}, fmt.Errorf("read %s: %w: %d bytes", file, ErrTooLarge, len(userData))
	}

	parts, err := Parts(userData)
	if err != nil {
		return Node{}, fmt.Errorf("read %s: %w: %w", file, ErrNotOurs, err)
	}

	carried, err := carriedBy(parts)
	if err != nil {
		return Node{}, fmt.Errorf("read %s: %w: %w", file, ErrNotOurs, err)
	}

	if carried.part != "" {
		file += "[" + carried.part + "]"
	}

	return DecodeNode(file+"#"+NodePath, carried.text)
}

// document is a node document as user-data carries it, not read yet.
type document struct {
	part string
	text []byte
}

// carriedBy finds the one document. Two would leave it to chance which node this is.
func carriedBy(parts []Part) (document, error) {
	var found []document
	var errs []error

	for _, part := range parts {
		if part.Type != TypeConfig {
			continue
		}

		texts, err := documentsIn(part.Data)
		if err != nil {
			// A part that cannot be read may be the one that was meant: no other is taken instead.
			errs = append(errs, fmt.Errorf("%s: %w", named(part), err))
		}

		for _, text := range texts {
			found = append(found, document{part.Path, text})
		}
	}

	switch {
	case len(found) > 1:
		return document{}, fmt.Errorf("it carries %d of them; keep one", len(found))
	case len(found) == 1 && len(errs) == 0:
		return found[0], nil
	case len(errs) > 0:
		return document{}, errors.Join(errs...)
	}

	return document{}, absence(parts)
}

// absence says why parts carry no document.
func absence(parts []Part) error {
	var types []string
	for _, part := range parts {
		switch part.Type {
		case TypeConfig:
			return fmt.Errorf("write_files has no %s", NodePath)
		case TypeInclude, "text/x-include-once-url":
			return errors.New("an #include is not followed; give the node its #cloud-config itself")

		case TypeJinja:
			return errors.New(
				"a template is not rendered; give the node its #cloud-config without `## template: jinja`",
			)
		}

		types = append(types, part.Type)
	}

	slices.Sort(types)

	return fmt.Errorf(
		"its first line is not %s, and it is no MIME message or archive with such a part; it holds: %s",
		Header,
		strings.Join(slices.Compact(types), ", "),
	)
}

func named(part Part) string {
	if part.Path == "" {
		return Header
	}

	return part.Path
}

// documentsIn returns what a #cloud-config writes to NodePath.
func documentsIn(config []byte) ([][]byte, error) {
	var carrier struct {
		WriteFiles []struct {
			Path     string    `yaml:"path"`
			Encoding string    `yaml:"encoding"`
			Content  yaml.Node `yaml:"content"`
		} `yaml:"write_files"`
	}

	if err := report.Unmarshal(config, &carrier); err != nil {
		return nil, fmt.Errorf("it is cut short or not YAML: %w", unquoted(err))
	}

	var texts [][]byte

	for i, f := range carrier.WriteFiles {
		// Other files are cloud-init's; only the node document is ours.
		if f.Path == "" || path.Clean(f.Path) != NodePath {
			continue
		}

		// YAML that is cut between two lines still parses, with half of the document.
		if !strings.HasSuffix(strings.TrimSpace(string(config)), trailer) {
			return nil, fmt.Errorf("it is cut short: its last line is not %q", trailer)
		}

		var content string

		if err := report.DecodeNode(&f.Content, &content); err != nil && f.Content.Kind != 0 {
			return nil, fmt.Errorf("write_files[%d].content: %w", i, unquoted(err))
		}

		text, err := written(f.Encoding, content)
		if err != nil {
			return nil, fmt.Errorf("write_files[%d].content: %w", i, err)
		}

		texts = append(texts, text)
	}

	return texts, nil
}

// written is what cloud-init writes for a content in an encoding. One that it does not know it takes for text.
func written(encoding, content string) ([]byte, error) {
	data := []byte(content)
	encoding = strings.ToLower(strings.TrimSpace(encoding))
	packed := strings.HasPrefix(encoding, "gz")

	// cloud-init's spellings: gz, gzip, b64, base64, gz+b64, gz+base64 and so on.
	switch strings.TrimPrefix(strings.TrimPrefix(encoding, "gzip"), "gz") {
	case "b64", "base64", "+b64", "+base64":
		var err error
		if data, err = base64.StdEncoding.DecodeString(strings.Join(
			strings.Fields(content),
			"",
		)); err != nil {
			return nil, fmt.Errorf("read base64: %w", err)
		}

	case "":
	default:
		return data, nil
	}

	if !packed {
		return data, nil
	}

	return (&unfolding{left: maxUnfolded}).gunzip(data)
}

// DecodeNode reads a node document strictly: unknown fields, wrong types and missing parts are report.Problems.
func DecodeNode(file string, data []byte) (Node, error) {
	doc, err := report.Parse(file, data)
	if err != nil {
		return Node{}, err
	}

	if err := checkVersion(file, data); err != nil {
		return Node{}, err
	}

	var node Node
	doc.Decode(&node)
	node.check(doc)

	return node, doc.Problems()
}

// checkVersion refuses a document of another version before its fields are read: each of them might be in its right.
func checkVersion(file string, data []byte) error {
	var head struct {
		Version yaml.Node `yaml:"version"`
	}
	var version int
	if err := report.Unmarshal(
		data,
		&head,
	); err != nil || report.DecodeNode(&head.Version, &version) != nil || version == Version || version == 0 {
		return nil // what is wrong here the strict reader says, with everything else
	}

	return report.Problems{{
		File:   file,
		Line:   head.Version.Line,
		Column: head.Version.Column,
		Path:   "version",
		Message: fmt.Sprintf(
			"must be %d, got %d; launch the node with the hornero that made its image",
			Version,
			version,
		),
	}}
}

func (n Node) check(doc *report.Document) {
	if n.Version != Version {
		doc.Add(
			"version",
			"must be %d, got %d; launch the node with the hornero that made its image",
			Version,
			n.Version,
		)
	}

	needed := map[string]string{
		"stack":           n.Stack,
		"role":            n.Role,
		"node":            n.Node,
		"tls.ca":          n.TLS.CA,
		"tls.certificate": n.TLS.Certificate,
		"tls.key":         n.TLS.Key.Reveal(),
	}

	for authority, identity := range n.TLS.Authorities {
		at := "tls.authorities." + authority
		needed[at+".ca"] = identity.CA
		needed[at+".certificate"] = identity.Certificate
		needed[at+".key"] = identity.Key.Reveal()
	}

	for path, value := range needed {
		if value == "" {
			doc.Add(path, "is missing")
		}
	}

	n.checkNames(doc)

	if n.Incarnation < 1 {
		doc.Add("incarnation", "must be at least 1, got %d", n.Incarnation)
	}
}

// checkNames refuses names that could lead elsewhere as a path, or look like another line.
func (n Node) checkNames(doc *report.Document) {
	check := func(path, name string) {
		// One that is missing is told of already.
		if name != "" && !isName(name) {
			doc.Add(
				path,
				"must be letters, digits, dashes, underscores and dots, at most %d, got %q",
				longestName,
				name,
			)
		}
	}

	check("stack", n.Stack)
	check("role", n.Role)
	check("node", n.Node)

	for role, nodes := range n.Expected {
		check("expected."+role, role)

		for _, node := range nodes {
			check("expected."+role, node)
		}
	}
}
