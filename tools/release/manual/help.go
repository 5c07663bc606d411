// Package manual turns what a program says of itself with --help into man pages. It knows the form in which cobra
// prints help, and no program.
package manual

import (
	"regexp"
	"strings"
)

// Help is what `PROGRAM COMMAND --help` printed.
type Help struct {
	Text   string // what comes before the first heading
	Usage  []string
	Groups []Group // of commands
	Flags  []Entry
	Global []Entry // flags of the commands above
}

// Group is commands under a heading.
type Group struct {
	Title    string
	Commands []Entry
}

// Entry is a command or a flag, and what it does.
type Entry struct {
	Name string
	Text string
}

// heading is a line such as "Flags:". A sentence that ends with a colon has more than four words.
var heading = regexp.MustCompile(`^([A-Z][A-Za-z-]*(?: [A-Za-z-]+){0,3}):$`)

// ParseHelp reads help in cobra's form.
func ParseHelp(text string) Help {
	var help Help
	var introduction []string

	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n ")

		if found := heading.FindStringSubmatch(line); found != nil {
			section = found[1]
			continue
		}

		if section == "" {
			introduction = append(introduction, line)
			continue
		}

		help.add(section, line)
	}

	help.Text = strings.TrimSpace(strings.Join(introduction, "\n"))

	return help
}

// add takes a line of a section. What is not indented is no part of one: the hint at the end of help.
func (h *Help) add(section, line string) {
	if !strings.HasPrefix(line, "  ") {
		return
	}

	switch section {
	case "Usage":
		h.Usage = append(h.Usage, strings.TrimSpace(line))
	case "Flags":
		h.Flags = append(h.Flags, flag(line))
	case "Global Flags":
		h.Global = append(h.Global, flag(line))
	case "Aliases", "Examples", "Additional help topics":
		// No command of ours has any.
	default:
		h.addCommand(section, line)
	}
}

// flag parts a line at two blanks or more: a flag's name has single ones.
func flag(line string) Entry {
	name, text, _ := strings.Cut(strings.TrimSpace(line), "  ")

	return Entry{
		Name: name,
		Text: strings.TrimSpace(text),
	}
}

// addCommand parts a line at its first blank: behind the longest name there is but one.
func (h *Help) addCommand(title, line string) {
	name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
	command := Entry{
		Name: name,
		Text: strings.TrimSpace(text),
	}

	last := len(h.Groups) - 1
	if last < 0 || h.Groups[last].Title != title {
		h.Groups = append(h.Groups, Group{Title: title})
		last++
	}

	h.Groups[last].Commands = append(h.Groups[last].Commands, command)
}
