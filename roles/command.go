package roles

// What a command of a role may be given from the operator's machine.
const (
	InputNone     = "none"
	InputStdin    = "stdin"
	InputTerminal = "terminal"
)

// Where a command of a role runs.
const (
	OnOne = "one" // the first healthy node by name
	OnAll = "all" // every node, one after another
)

// Command is something that an operator may ask of a role: `hornero NAME`.
type Command struct {
	Name string   `yaml:"name"` // one or two words, as in "db" or "site password"
	Help string   `yaml:"help"` // one line
	Run  []string `yaml:"run"`  // what the operator's own words follow
	// On is OnOne (the default) or OnAll.
	On string `yaml:"on"`
	// Lease asks the node that holds a lease of the role instead, by the lease's own name, as in "writer".
	Lease string `yaml:"lease"`
	// Input is InputNone (the default), InputStdin or InputTerminal.
	Input string `yaml:"input"`
}
