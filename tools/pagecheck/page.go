package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// page is one Go file, measured.
type page struct {
	path      string // from the root of the checkout
	lines     []string
	codeLines int // that hold a token
	tokens    int // without the semicolons that the scanner puts in
	functions []function
}

// fault is one place that breaks a limit.
type fault struct {
	path   string
	line   int // 0 for a whole package
	column int
	text   string
}

func (f fault) String() string {
	if f.line == 0 {
		return fmt.Sprintf("%s: %s", f.path, f.text)
	}

	return fmt.Sprintf("%s:%d:%d: %s", f.path, f.line, f.column, f.text)
}

// readPage measures the file at path below root.
func readPage(root, path string) (*page, error) {
	source, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return nil, err
	}

	return newPage(path, source)
}

func newPage(path string, source []byte) (*page, error) {
	files := token.NewFileSet()

	parsed, err := parser.ParseFile(files, path, source, 0)
	if err != nil {
		return nil, err
	}

	p := &page{
		path:  path,
		lines: strings.Split(string(source), "\n"),
	}
	p.countTokens(source)

	for _, declaration := range parsed.Decls {
		f, ok := declaration.(*ast.FuncDecl)
		if ok && f.Body != nil {
			p.functions = append(p.functions, p.measure(files, f))
		}
	}

	return p, nil
}

// countTokens counts what the compiler reads. A raw string over several lines holds code on each of them.
func (p *page) countTokens(source []byte) {
	file := token.NewFileSet().AddFile(p.path, -1, len(source))
	held := map[int]bool{}

	var s scanner.Scanner

	s.Init(file, source, nil, 0)

	for {
		position, kind, text := s.Scan()
		if kind == token.EOF {
			break
		}

		if kind == token.SEMICOLON && text == "\n" {
			continue
		}

		p.tokens++

		first := file.Line(position)
		for line := first; line <= first+strings.Count(text, "\n"); line++ {
			held[line] = true
		}
	}

	p.codeLines = len(held)
}

// faults lists what breaks a limit in this file.
func (p *page) faults(allowed *longFiles) []fault {
	var faults []fault

	for i, line := range p.lines {
		// A directive to a tool, as go:generate, cannot be broken.
		if strings.HasPrefix(line, "//go:") {
			continue
		}

		if width := columns(line); width > maxColumns {
			faults = append(faults, fault{p.path, i + 1, maxColumns + 1, fmt.Sprintf(
				"%d columns, at most %d: break the line, or name a part of it", width, maxColumns)})
		}
	}

	if p.codeLines > maxCodeLines && !allowed.has(p.path) {
		faults = append(faults, fault{p.path, 1, 1, fmt.Sprintf(
			"%d lines of code, at most %d: split the file by noun, or give a reason in %s",
			p.codeLines, maxCodeLines, longFilesPath)})
	}

	for _, f := range p.functions {
		faults = append(faults, f.faults(p.path)...)
	}

	return faults
}

// columns is how wide a line stands on the screen.
func columns(line string) int {
	width := 0

	for _, r := range line {
		width++

		if r == '\t' {
			width += tabColumns - 1
		}
	}

	return width
}
