package manual

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Program is an executable whose commands get pages.
type Program struct {
	Path    string
	Dir     string // where it is asked: what it says may follow from the files there
	Date    time.Time
	Version string
}

// Pages asks the program and all its commands for help, each command that help names.
func (p Program) Pages(ctx context.Context) ([]Page, error) {
	return p.pages(ctx, []string{filepath.Base(p.Path)}, "")
}

func (p Program) pages(ctx context.Context, command []string, short string) ([]Page, error) {
	help, err := p.help(ctx, command[1:])
	if err != nil {
		return nil, err
	}

	// Nothing lists the program itself: its help begins with a sentence.
	introduction, _, _ := strings.Cut(strings.ReplaceAll(help.Text, "\n", " "), ". ")
	pages := []Page{{
		Command: command,
		Short:   cmp.Or(short, introduction),
		Help:    help,
		Date:    p.Date,
		Version: p.Version,
	}}

	for _, group := range help.Groups {
		for _, said := range group.Commands {
			if !hasPage(said.Name) {
				continue
			}

			below, err := p.pages(ctx, append(command[:len(command):len(command)], said.Name), said.Text)
			if err != nil {
				return nil, err
			}

			pages = append(pages, below...)
		}
	}

	return pages, nil
}

// hasPage is false for what cobra gives to every program.
func hasPage(command string) bool {
	return command != "help" && command != "completion"
}

func (p Program) help(ctx context.Context, command []string) (Help, error) {
	arguments := append(command[:len(command):len(command)], "--help")
	said, err := p.ask(ctx, arguments)
	if err != nil {
		return Help{}, err
	}

	help := ParseHelp(said)
	if len(help.Usage) == 0 {
		return Help{}, fmt.Errorf(
			"read what %s %s says: it has no usage; is the program one of cobra's?",
			p.Path,
			strings.Join(arguments, " "),
		)
	}

	return help, nil
}

// Completion asks the program for the completion script of a shell.
func (p Program) Completion(ctx context.Context, shell string) (string, error) {
	return p.ask(ctx, []string{"completion", shell})
}

func (p Program) ask(ctx context.Context, arguments []string) (string, error) {
	var problem strings.Builder

	program := exec.CommandContext(ctx, p.Path, arguments...)
	program.Dir = p.Dir
	program.Stderr = &problem

	said, err := program.Output()
	if err != nil {
		return "", fmt.Errorf("run %s %s: %w: %s", p.Path, strings.Join(arguments, " "), err, problem.String())
	}

	return string(said), nil
}
