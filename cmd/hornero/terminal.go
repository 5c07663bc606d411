package main

import (
	"cmp"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/hornero/hornero/fleet"
)

// errNoTerminal is an input that is no terminal where one is needed.
var errNoTerminal = errors.New("standard input is no terminal; leave -t out")

// isTerminal tells whether somebody sits at the other end of an input or output.
func isTerminal(stream any) bool {
	file, isFile := stream.(*os.File)
	return isFile && term.IsTerminal(int(file.Fd()))
}

// openTerminal is the terminal of an input, for a command on a node. What it returns besides ends the use of it.
func openTerminal(input io.Reader) (*fleet.Terminal, func(), error) {
	if !isTerminal(input) {
		return nil, nil, errNoTerminal
	}

	descriptor := int(input.(*os.File).Fd())
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)

	terminal := &fleet.Terminal{
		Type:    cmp.Or(os.Getenv("TERM"), "dumb"),
		Size:    func() fleet.TerminalSize { return sizeOf(descriptor) },
		Raw:     func() (func(), error) { return makeRaw(descriptor) },
		Resized: resized,
	}

	return terminal, func() { signal.Stop(resized) }, nil
}

// makeRaw hands each key on as it is pressed. What it returns makes the terminal again what it was.
func makeRaw(descriptor int) (func(), error) {
	before, err := term.MakeRaw(descriptor)
	if err != nil {
		return nil, err
	}

	return func() { _ = term.Restore(descriptor, before) }, nil // a terminal that is gone needs nothing
}

// sizeOf is a terminal's size; that of the first ones where it does not tell.
func sizeOf(descriptor int) fleet.TerminalSize {
	columns, rows, err := term.GetSize(descriptor)
	if err != nil || columns == 0 || rows == 0 {
		return fleet.TerminalSize{Columns: 80, Rows: 24}
	}

	return fleet.TerminalSize{Columns: columns, Rows: rows}
}
