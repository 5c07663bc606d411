package roles

import "github.com/hornero/hornero/internal/report"

// How a secret comes to be.
const (
	MakeRandom = "random" // letters and digits, drawn on first use
	MakeGiven  = "given"  // by the operator: `hornero secrets set`
)

// DefaultSecretLength is how many letters and digits a secret has that says nothing of its length.
const DefaultSecretLength = 28

// How long a random secret may be.
const (
	minSecretLength = 8
	maxSecretLength = 256
)

// SecretRule is how a secret of a role comes to be.
type SecretRule struct {
	Make   string `yaml:"make"`   // MakeRandom (the default) or MakeGiven
	Length int    `yaml:"length"` // of a random one; default DefaultSecretLength
	Help   string `yaml:"help"`   // what it is for
	Sample string `yaml:"sample"` // what the image's self-test has; default something that needs quoting
	// When is a setting of the role: a node has the secret only where stack.yaml gives that a value that is not its
	// default.
	When string `yaml:"when"`
	// With is a word of the role's watches: a node has the secret only where a setting has a value that needs nodes of
	// that role (settings.NAME.needs and value_needs).
	With string `yaml:"with"`
	// Own says that groups of nodes with a `schema` of their own have a value each, as the password of a database has
	// without saying so.
	Own bool `yaml:"own"`
}

// Given tells whether only the operator can give the secret.
func (r SecretRule) Given() bool { return r.Make == MakeGiven }

// Spellings are the forms in which a template may have written a secret.
func Spellings(secret report.Secret) []string {
	spellings := []string{secret.Reveal()}

	for _, quote := range []func(string) (string, error){
		func(text string) (string, error) { return phpQuote(text), nil },
		func(text string) (string, error) { return sqlQuote(text), nil },
		haproxyQuote,
		jsonQuote,
		nginxQuote,
		unitQuote,
		execQuote,
		shellQuote,
	} {
		// Without the quotes: a program that repeats the word may leave them out. A language that cannot have the
		// secret was given none.
		if quoted, err := quote(secret.Reveal()); err == nil {
			spellings = append(spellings, quoted[1:len(quoted)-1])
		}
	}

	return spellings
}
