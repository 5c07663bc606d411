package roles

import (
	"cmp"
	"fmt"
	"path"
	"regexp"

	"github.com/hornero/hornero/internal/jsonschema"
	"github.com/hornero/hornero/internal/report"
)

// ProgramFolder is where an image has the programs of Hornero that nobody calls by hand.
const ProgramFolder = "/usr/lib/hornero"

// programName holds to programs of the release: all but the first begin so, and the builder finds no other.
var programName = regexp.MustCompile(`^hornero-[a-z][a-z0-9-]{0,30}$`)

// Program is a program of Hornero's release that the image has: the builder finds it beside the bootstrap.
type Program struct {
	Name string `yaml:"name"` // its file's name in the release, as in "hornero-media"
	// Path is where the image has it; default /usr/lib/hornero and its name.
	Path   string   `yaml:"path"`
	Only   []string `yaml:"only"`   // the releases that it is for; default all
	Except []string `yaml:"except"` // the releases that it is not for; not beside only
}

// Target is where the image has the program.
func (p Program) Target() string {
	return cmp.Or(p.Path, path.Join(ProgramFolder, p.Name))
}

func (m *Manifest) checkProgramFiles(doc *report.Document) {
	for i, program := range m.Programs {
		at := fmt.Sprintf("programs[%d]", i)

		switch {
		case program.Name == "hornero-bootstrap":
			doc.Add(at+".name", "every image has the bootstrap already; take it out here")
		case !programName.MatchString(program.Name):
			doc.Add(at+".name", "must be a program of Hornero's release, as in hornero-media, got %q; "+
				"a program of your own is one of files", program.Name)
		}

		if target := program.Target(); !path.IsAbs(target) || path.Clean(target) != target {
			doc.Add(at+".path", "must be a clean absolute path, got %q", target)
		}

		checkReleases(doc, at, program.Only, program.Except)
	}
}

func limitPrograms(limits map[string]jsonschema.Schema) {
	limits["programs[]"] = jsonschema.Schema{
		"required": []string{"name"},
		"not":      together("only", "except"),
	}
	limits["programs[].name"] = word(programName)
	limits["programs[].path"] = absolute()
}
