// Package certificates owns the wire shapes of certificates that renew themselves: what a stack asks for, what is kept
// under which name, and what is told of it. It holds types only.
package certificates

import "time"

// Config is what the program is told that gets them.
type Config struct {
	// Secret is what the account's key follows from, and that of what is kept sealed. It stands in a file of root's.
	Secret  string  `json:"secret"`
	Request Request `json:"request"`
	// Bindings are the keys of accounts that authorities know already, by Binding constants; of others there is none.
	Bindings map[string]string `json:"bindings,omitempty"`
}

// Request is what a stack asks an authority for.
type Request struct {
	Directory string `json:"directory"`           // the authority's, where clients begin
	Authority string `json:"authority,omitempty"` // PEM: who vouches for the directory's host; empty: the system
	Email     string `json:"email,omitempty"`
	Profile   string `json:"profile,omitempty"`
	Account   string `json:"eab,omitempty"` // the key id of one that the authority knows; empty: it asks for none
	// Fallback is asked when the first authority gives nothing and a certificate ends soon; nil: nobody.
	Fallback *Fallback `json:"fallback,omitempty"`
	// Address is where all names must lead that no front end is before; empty: nobody knows.
	Address      string   `json:"address,omitempty"`
	Certificates []Wanted `json:"certificates"`
}

// Fallback is a second authority.
type Fallback struct {
	Directory string `json:"directory"`
	Authority string `json:"authority,omitempty"`
	Profile   string `json:"profile,omitempty"`
	Account   string `json:"eab,omitempty"`
}

// Whose account a binding is of.
const (
	BindingFirst    = "first"
	BindingFallback = "fallback"
)

// Wanted is a certificate that there should be.
type Wanted struct {
	Name  string   `json:"name"`  // of what is kept of it
	Names []string `json:"names"` // that visitors use
	// Fronted says that somebody else's address is before the names: they need not lead to ours.
	Fronted bool `json:"fronted,omitempty"`
}

// What the names begin with of what the nodes of a role keep: certificates, sealed, and what is told of them.
const (
	KeptPrefix = "acme."
	ToldPrefix = "status."
)

// Told is what is told of a certificate, in the clear.
type Told struct {
	Names  []string  `json:"names"`
	Ends   time.Time `json:"ends,omitzero"`   // zero: there is none yet
	Renews time.Time `json:"renews,omitzero"` // when it is to be renewed
	Serial string    `json:"serial,omitempty"`
	// Fallback says that the second authority gave it.
	Fallback bool      `json:"fallback,omitempty"`
	Trouble  string    `json:"trouble,omitempty"`
	Next     time.Time `json:"next,omitzero"` // the next try
	// Alarm is why somebody must look; "" when nobody need.
	Alarm string `json:"alarm,omitempty"`
}
