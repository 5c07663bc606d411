package roles

import (
	"fmt"
	"math"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/hornero/hornero/internal/report"
)

// Types of settings.
const (
	TypeText     = "text"     // one line
	TypeLines    = "lines"    // any text, as a template's extra lines
	TypeNumber   = "number"   // a whole number
	TypeBoolean  = "boolean"  // true or false
	TypeDuration = "duration" // as in 90s or 6h
	TypeSize     = "size"     // bytes, as in 64M
	TypeURL      = "url"      // scheme and host, a path perhaps, and nothing else
	TypeOrigin   = "origin"   // scheme and host, and no path
	TypeHost     = "host"     // a host's name, or an IPv4 address
	TypeEmail    = "email"    // a bare address
	TypeList     = "list"     // of words
)

// SettingTypes are all types, sorted.
func SettingTypes() []string {
	return []string{
		TypeBoolean, TypeDuration, TypeEmail, TypeHost, TypeLines, TypeList, TypeNumber, TypeOrigin, TypeSize,
		TypeText, TypeURL,
	}
}

// countedTypes are those that may have bounds.
func countedTypes() []string { return []string{TypeDuration, TypeNumber, TypeSize} }

// Setting is something that stack.yaml may say of a role.
type Setting struct {
	// Type is text, lines (any text, as a template's extra lines), number, boolean, duration (90s), size (64M), url,
	// origin (a url without a path), host, email or list.
	Type     string   `yaml:"type"`
	Default  *Value   `yaml:"default"`  // without one: "" or false, 0 for what counts
	Required bool     `yaml:"required"` // stack.yaml must say it
	OneOf    []string `yaml:"one_of"`   // of a text: the only values
	Match    string   `yaml:"match"`    // of a text, or of each word of a list: a regular expression for all of it
	Min      *Value   `yaml:"min"`      // of a number, duration or size
	Max      *Value   `yaml:"max"`      // likewise
	// Refused are values that no stack may give it, each with the reason.
	Refused map[string]string `yaml:"refused"`
	// Needs is a word of the role's watches: where stack.yaml gives the setting a value that is not its default, the
	// stack must have nodes of that role.
	Needs string `yaml:"needs"`
	// ValueNeeds are words of the role's watches, by a value of the setting: where it has that value, the stack must
	// have nodes of that role.
	ValueNeeds map[string]string `yaml:"value_needs"`
	Help       string            `yaml:"help"` // one line
	// Sample is what the image's self-test has; without one: the default, or something of the type.
	Sample string `yaml:"sample"`
}

// Value is a value as YAML has it: a scalar's text, or a list's.
type Value struct {
	Scalar string
	Items  []string // of a list; nil for a scalar
	Kind   string   // "text", "number", "boolean", "list", "mapping" or "null"
}

// UnmarshalYAML keeps a value as it stands in the file: what it may be is its setting's to say.
func (v *Value) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}

	switch node.Kind {
	case yaml.MappingNode:
		*v = Value{Kind: "mapping"}

	case yaml.SequenceNode:
		*v = Value{Kind: "list", Items: []string{}}

		for _, item := range node.Content {
			if item.Kind == yaml.AliasNode {
				item = item.Alias
			}

			v.Items = append(v.Items, item.Value)
		}

	default:
		*v = Value{Scalar: node.Value, Kind: scalarKind(node.Tag)}
	}

	return nil
}

func scalarKind(tag string) string {
	switch tag {
	case "!!null":
		return "null"
	case "!!bool":
		return "boolean"
	case "!!int", "!!float":
		return "number"
	}

	return "text"
}

var sizePattern = regexp.MustCompile(`^([1-9][0-9]*)([KMG]?)$`)

// sizeUnits are powers of two, as the daemons that read them have it.
var sizeUnits = map[string]int64{"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

// Parse reads a value of the setting and returns it as templates see it: as it was written, but for a boolean (true
// or false, however YAML lets one write it), lines (without the last one's end) and a list (one word a line). What is
// wrong is told without the setting's name.
func (s Setting) Parse(value Value) (string, error) {
	if s.Type == TypeList {
		return s.parseList(value)
	}

	if value.Kind == "list" || value.Kind == "mapping" {
		return "", fmt.Errorf("must be %s, got a %s", s.described(), value.Kind)
	}

	text := value.Scalar

	// Nothing at all is what a text may be; all others say something.
	if text == "" && s.mayBeEmpty() {
		return "", nil
	}

	if err := s.check(text, value.Kind); err != nil {
		return "", err
	}

	switch s.Type {
	case TypeBoolean:
		text = strings.ToLower(text)
	case TypeLines:
		text = strings.TrimRight(text, "\n")
	}

	return text, s.checkLimits(text)
}

func (s Setting) mayBeEmpty() bool {
	if s.Required || len(s.OneOf) > 0 {
		return false
	}

	return slices.Contains([]string{TypeText, TypeLines, TypeURL, TypeOrigin, TypeHost, TypeEmail}, s.Type)
}

func (s Setting) check(text, kind string) error {
	switch s.Type {
	case TypeText:
		return s.checkText(text)
	case TypeLines:
		return checkLines(text)
	}

	if !isOf(s.Type, text, kind) {
		return fmt.Errorf("must be %s, got %q", s.described(), text)
	}

	return nil
}

// isOf tells whether a scalar is of a type that has a form.
func isOf(kind, text, written string) bool {
	switch kind {
	case TypeNumber:
		_, err := report.ParseNumber(text)
		return err == nil && written != "text"

	case TypeBoolean:
		return written == "boolean"

	case TypeDuration:
		duration, err := time.ParseDuration(text)
		return err == nil && duration >= 0

	case TypeSize:
		_, ok := parseSize(text)
		return ok

	case TypeURL:
		return isWebAddress(text)

	case TypeOrigin:
		return isOrigin(text)

	case TypeHost:
		return isHost(text)

	case TypeEmail:
		parsed, err := mail.ParseAddress(text)
		return err == nil && parsed.Address == text
	}

	return true
}

func (s Setting) checkText(text string) error {
	switch {
	case text == "":
		return fmt.Errorf("must not be empty")
	case strings.ContainsFunc(text, isControl):
		return fmt.Errorf("must be one line without control characters, got %q", text)
	case len(s.OneOf) > 0 && !slices.Contains(s.OneOf, text):
		if near := report.Nearest(text, s.OneOf); near != "" {
			return fmt.Errorf("there is no %q; did you mean %q?", text, near)
		}

		return fmt.Errorf("there is no %q; write one of %s", text, strings.Join(s.OneOf, ", "))
	}

	return s.checkMatch(text)
}

func (s Setting) checkMatch(text string) error {
	// The manifest's own check has compiled it already.
	if matches, err := regexp.MatchString("^(?:"+s.Match+")$", text); s.Match != "" && (err != nil || !matches) {
		return fmt.Errorf("must match %s, got %q", s.Match, text)
	}

	return nil
}

func checkLines(text string) error {
	if strings.TrimSpace(text) == "" {
		return fmt.Errorf("must not be empty")
	}

	// A carriage return or a zero byte in a daemon's configuration is never meant.
	if strings.ContainsFunc(text, func(r rune) bool { return isControl(r) && r != '\n' && r != '\t' }) {
		return fmt.Errorf("must have no control characters but tabs, got %q", text)
	}

	return nil
}

// isControl tells control characters of all kinds: those of C1 are some terminals' escapes, a line separator ends a
// line for some programs, and the marks of direction show a text otherwise than it is read.
func isControl(r rune) bool {
	return unicode.IsControl(r) ||
		r == '\u2028' || r == '\u2029' ||
		r >= '\u202a' && r <= '\u202e' ||
		r >= '\u2066' && r <= '\u2069'
}

func (s Setting) checkLimits(text string) error {
	if why, refused := s.Refused[text]; refused {
		return fmt.Errorf("must not be %s: %s", text, why)
	}
	if s.Min != nil && s.measure(text) < s.measure(s.Min.Scalar) {
		return fmt.Errorf("must be at least %s, got %s", s.Min.Scalar, text)
	}
	if s.Max != nil && s.measure(text) > s.measure(s.Max.Scalar) {
		return fmt.Errorf("must be at most %s, got %s", s.Max.Scalar, text)
	}

	return nil
}

// measure is a value as a number that others of its type compare with.
func (s Setting) measure(text string) int64 {
	switch s.Type {
	case TypeDuration:
		d, _ := time.ParseDuration(text) // checked before
		return int64(d)
	case TypeSize:
		size, _ := parseSize(text)
		return size
	}

	number, _ := report.ParseNumber(text)

	return int64(number)
}

// parseSize reads a size that an int64 can hold.
func parseSize(text string) (int64, bool) {
	parts := sizePattern.FindStringSubmatch(text)
	if parts == nil {
		return 0, false
	}

	unit := sizeUnits[parts[2]]
	number, err := strconv.ParseInt(parts[1], 10, 64)

	return number * unit, err == nil && number <= math.MaxInt64/unit
}

func (s Setting) described() string {
	switch s.Type {
	case TypeNumber:
		return "a whole number"
	case TypeBoolean:
		return "true or false"
	case TypeDuration:
		return "a duration, as in 90s or 6h"
	case TypeSize:
		return "a size, as in 64M"
	case TypeURL:
		return "a full address of letters, digits and . - _ / only, as in https://example.org"
	case TypeOrigin:
		return "a scheme and a host of letters, digits and . - only, and no path, as in https://example.org"
	case TypeHost:
		return "a host's name of letters, digits and . - only, or an IPv4 address, as in mail.example.org"
	case TypeEmail:
		return "a mail address, as in admin@example.org"
	case TypeList:
		return "a list"
	}

	return "text"
}

func (s Setting) parseList(value Value) (string, error) {
	if value.Kind != "list" {
		return "", fmt.Errorf("must be a list, got %q", value.Scalar)
	}

	for _, item := range value.Items {
		if item == "" || strings.ContainsFunc(item, isControl) {
			return "", fmt.Errorf("must be a list of words of one line each, got %q", item)
		}

		if err := s.checkMatch(item); err != nil {
			return "", err
		}
	}

	return strings.Join(value.Items, "\n"), nil
}

// Fallback is the setting's value where stack.yaml says nothing.
func (s Setting) Fallback() string {
	if s.Default == nil {
		return map[string]string{TypeBoolean: "false", TypeNumber: "0", TypeDuration: "0s", TypeSize: "0"}[s.Type]
	}

	text, _ := s.Parse(*s.Default) // the manifest's check has read it

	return text
}

// Needed is the word of the watches that a value of the setting needs nodes of; "" for none.
func (s Setting) Needed(text string) string {
	if word := s.ValueNeeds[text]; word != "" {
		return word
	}
	if text != s.Fallback() {
		return s.Needs
	}

	return ""
}

// SampleValue is what the image's self-test has for the setting.
func (s Setting) SampleValue() string {
	switch {
	case s.Sample != "":
		return s.Sample
	case s.Default != nil:
		return s.Fallback()
	case len(s.OneOf) > 0:
		return s.OneOf[0]
	case s.Type == TypeURL || s.Type == TypeOrigin:
		return "https://www.example.org"
	case s.Type == TypeHost:
		return "host.example.org"
	case s.Type == TypeEmail:
		return "admin@example.org"
	case s.Type == TypeText:
		return "sample"
	}

	return s.Fallback()
}
