package roles

import (
	"fmt"

	"github.com/hornero/hornero/internal/report"
)

// GuardKeeps is the exit status by which a guard keeps its node (EX_TEMPFAIL of sysexits.h). Of another that is not 0
// nobody knows what it means: an older image may not have the program.
const GuardKeeps = 75

// Guard is a program that is asked on a node before that is taken away: by a replacement, a roll, a heal, or because
// there are to be fewer nodes.
type Guard struct {
	Name string `yaml:"name"` // lower-case words and hyphens
	Help string `yaml:"help"` // what is lost with the node, as in "its files that no other node has"
	// Run is the program and its words. Exit status 75 keeps the node, and what it printed says why; 0 lets it go.
	Run []string `yaml:"run"`
}

func (m *Manifest) checkGuards(doc *report.Document) {
	for i, guard := range m.Guards {
		at := fmt.Sprintf("guards[%d]", i)

		if !limitName.MatchString(guard.Name) {
			doc.Add(at+".name", "must be lower-case words and hyphens, got %q", guard.Name)
		}
		if guard.Help == "" {
			doc.Add(at+".help", "is missing; write what is lost with a node that it keeps")
		}
		if len(guard.Run) == 0 {
			doc.Add(at+".run", "is missing; write the program and its words, as in run: [/usr/bin/true]")
		}
	}
}
