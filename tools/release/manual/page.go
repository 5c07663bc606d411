package manual

import (
	"fmt"
	"strings"
	"time"
)

// Page is the man page of a program or of one of its commands.
type Page struct {
	Command []string // hornero, images, bake
	Short   string   // what it does, in one line
	Help    Help
	Date    time.Time
	Version string
}

// Name is that of the page: hornero-images-bake.
func (p Page) Name() string {
	return strings.Join(p.Command, "-")
}

// Text is the page as man reads it.
func (p Page) Text() string {
	var page strings.Builder

	fmt.Fprintf(
		&page,
		".TH %s 1 %s %s\n",
		quote(strings.ToUpper(p.Name())),
		quote(p.Date.UTC().Format(time.DateOnly)),
		quote(p.Command[0]+" "+p.Version),
	)

	// Not hyphenated, not justified: names of commands are copied from here.
	page.WriteString(".nh\n.ad l\n")

	page.WriteString(".SH NAME\n")
	fmt.Fprintf(&page, "%s \\- %s\n", escape(p.Name()), escape(p.Short))

	page.WriteString(".SH SYNOPSIS\n.nf\n")
	for _, usage := range p.Help.Usage {
		fmt.Fprintf(&page, "%s\n", escape(usage))
	}
	page.WriteString(".fi\n")

	if p.Help.Text != "" {
		page.WriteString(".SH DESCRIPTION\n")
		page.WriteString(paragraphs(p.Help.Text))
	}

	for _, group := range p.Help.Groups {
		writeEntries(&page, group.Title, group.Commands)
	}

	writeEntries(&page, "Options", p.Help.Flags)
	writeEntries(&page, "Options of all commands", p.Help.Global)
	writeReferences(&page, p.references())

	return page.String()
}

func writeEntries(page *strings.Builder, title string, entries []Entry) {
	if len(entries) == 0 {
		return
	}

	fmt.Fprintf(page, ".SH %s\n", quote(strings.ToUpper(title)))
	for _, said := range entries {
		fmt.Fprintf(page, ".TP\n\\fB%s\\fR\n%s\n", escape(said.Name), escape(said.Text))
	}
}

// references are the page of the command above, and those of the commands below.
func (p Page) references() []string {
	var names []string
	if above := p.Command[:len(p.Command)-1]; len(above) > 0 {
		names = append(names, strings.Join(above, "-"))
	}

	for _, group := range p.Help.Groups {
		for _, command := range group.Commands {
			if hasPage(command.Name) {
				names = append(names, p.Name()+"-"+command.Name)
			}
		}
	}

	return names
}

func writeReferences(page *strings.Builder, names []string) {
	if len(names) == 0 {
		return
	}

	page.WriteString(".SH \"SEE ALSO\"\n")
	for at, name := range names {
		comma := ","
		if at == len(names)-1 {
			comma = ""
		}

		fmt.Fprintf(page, ".BR %s (1)%s\n", escape(name), comma)
	}
}

// paragraphs keeps the blank lines of a text, which are all that it has of form.
func paragraphs(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			out.WriteString(".PP\n")
			continue
		}

		out.WriteString(escape(line) + "\n")
	}

	return out.String()
}

var special = strings.NewReplacer(`\`, `\e`, `-`, `\-`)

// escape makes a line text that troff takes for nothing else: a dot or an apostrophe at its beginning is a request.
func escape(line string) string {
	line = special.Replace(line)
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		line = `\&` + line
	}

	return line
}

// quote makes a text one argument of a request.
func quote(text string) string {
	return `"` + strings.ReplaceAll(escape(text), `"`, `""`) + `"`
}
