package stack

import (
	"bytes"
	_ "embed" // the guide's variables
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// ErrEncrypted is a file of variables that ansible-vault has encrypted.
var ErrEncrypted = errors.New("it is encrypted by ansible-vault")

// What becomes of a variable of Ansible's.
const (
	ImportTaken     = "taken"     // its value becomes a secret's
	ImportSame      = "same"      // the secret has this value already
	ImportSetting   = "setting"   // stack.yaml says it, and somebody has to write it there
	ImportNone      = "none"      // there is no place for it, and Why says why
	ImportReference = "reference" // its value is another variable's
	ImportUnknown   = "unknown"   // nobody knows what it means
)

// Imported is a variable, and what becomes of it. It never holds a value.
type Imported struct {
	Variable string
	State    string // one of the Import... above
	To       string // the secret's name, or the key of stack.yaml
	Why      string
}

// GuideVariable is what a variable of DigitalOcean's Navigator's Guide becomes.
type GuideVariable struct {
	Secret  string `yaml:"secret"`
	Setting string `yaml:"setting"`
	Why     string `yaml:"why"`
}

//go:embed vault.yaml
var guideText []byte

// vaultPrefix begins the guide's names of variables that are encrypted.
const vaultPrefix = "vault_"

// vaultMagic begins a file that ansible-vault has encrypted.
var vaultMagic = []byte("$ANSIBLE_VAULT;")

// GuideVariables are the variables of the Navigator's Guide.
func GuideVariables() (map[string]GuideVariable, error) {
	all := map[string]GuideVariable{}
	if err := yaml.Unmarshal(guideText, &all); err != nil {
		return nil, fmt.Errorf("read the guide's variables: %w", err)
	}

	for name, variable := range maps.Clone(all) {
		short := strings.TrimPrefix(name, vaultPrefix)
		if _, there := all[short]; !there {
			all[short] = variable
		}
	}

	return all, nil
}

// Variable is a variable of a file of Ansible's.
type Variable struct {
	Name  string
	Value report.Secret

	problem string // why the value cannot be taken; "" when it can
	state   string // what it is then
}

// ReadVariables reads a file of Ansible's variables, as in group_vars. No error repeats a value.
func ReadVariables(file string, text []byte) ([]Variable, error) {
	if bytes.HasPrefix(bytes.TrimSpace(text), vaultMagic) {
		return nil, fmt.Errorf("read %s: %w; decrypt it on the way, so that it never lies about in the clear: "+
			"`ansible-vault view %[1]s | hornero secrets import --from-ansible -`", file, ErrEncrypted)
	}

	var document yaml.Node
	if err := report.Unmarshal(text, &document); err != nil {
		return nil, report.Problems{{
			File:    file,
			Line:    faultyLine(err, text),
			Message: "no YAML here, or just before; is it a file of Ansible's variables?",
		}}
	}

	if len(document.Content) == 0 {
		return nil, fmt.Errorf("read %s: it holds no variable", file)
	}

	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("read %s: it is no list of variables (NAME: VALUE)", file)
	}

	var all []Variable
	for i := 0; i+1 < len(root.Content); i += 2 {
		all = append(all, readVariable(root.Content[i].Value, root.Content[i+1]))
	}

	return all, nil
}

func readVariable(name string, content *yaml.Node) Variable {
	variable := Variable{
		Name:  name,
		Value: report.Secret(content.Value),
		state: ImportNone,
	}

	switch {
	case content.Tag == "!vault":
		variable.problem = "its value is encrypted by itself: `ansible localhost -m debug -a var=" + name + "` shows it"
	case content.Kind != yaml.ScalarNode:
		variable.problem = "its value is no single text"
	case strings.Contains(content.Value, "{{"):
		variable.state = ImportReference
		variable.problem = "its value is made of other variables: import the file that has those"
	case strings.TrimSpace(content.Value) == "":
		variable.problem = "it is empty"
	}

	return variable
}

// Import says what becomes of Ansible's variables, and returns the values with those that are taken over. extra names
// the secret of variables that the guide has not. Nothing is written.
func (s *Secrets) Import(
	variables []Variable,
	extra map[string]string,
	of *Stack,
	manifests map[string]*roles.Manifest,
) ([]Imported, map[string]report.Secret, error) {
	known, err := GuideVariables()
	if err != nil {
		return nil, nil, err
	}

	for variable, secret := range extra {
		if _, err := s.Named(secret, of, manifests); err != nil {
			return nil, nil, fmt.Errorf("import %s: %w", variable, err)
		}

		known[variable] = GuideVariable{Secret: secret}
	}

	after := s.All()

	var all []Imported

	from := map[string]string{}

	for _, variable := range variables {
		one := s.importOne(variable, known[variable.Name], of, manifests)

		if one.State == ImportTaken || one.State == ImportSame {
			if other, twice := from[one.To]; twice && after[one.To] != variable.Value {
				return nil, nil, fmt.Errorf("import %s: %s and %s have other values, and both become %s; leave one out",
					one.To, other, variable.Name, one.To)
			}

			from[one.To] = variable.Name
			after[one.To] = variable.Value
		}

		all = append(all, one)
	}

	for variable := range extra {
		if !slices.ContainsFunc(variables, func(one Variable) bool { return one.Name == variable }) {
			return nil, nil, fmt.Errorf("import %s: no file has such a variable", variable)
		}
	}

	return all, after, nil
}

func (s *Secrets) importOne(
	variable Variable,
	as GuideVariable,
	of *Stack,
	manifests map[string]*roles.Manifest,
) Imported {
	one := Imported{
		Variable: variable.Name,
		State:    ImportNone,
		Why:      as.Why,
	}

	switch {
	case as == GuideVariable{}:
		one.State = ImportUnknown
		one.Why = "no variable of the guide; `--map " + variable.Name + "=SECRET` makes it one of the stack's secrets"

		return one
	case as.Setting != "":
		one.State = ImportSetting
		one.To = as.Setting
		one.Why = "is no secret: say it in stack.yaml"

		return one
	case as.Secret == "":
		return one
	}

	one.To = as.Secret

	secret, err := s.Named(as.Secret, of, manifests)

	switch {
	case err != nil:
		one.Why = "no role of stack " + of.Name + " asks for " + as.Secret
	case secret.Fixed:
		one.Why = as.Secret + " is changed by nobody: the whole stack lives by it"
	case variable.problem != "":
		one.State = variable.state
		one.Why = variable.problem
	default:
		one.State = ImportTaken
		if s.values[as.Secret] == variable.Value {
			one.State = ImportSame
		}

		if err := CheckSecret(as.Secret, variable.Value); err != nil {
			one.State = ImportNone
			one.Why = err.Error()
		}
	}

	return one
}
