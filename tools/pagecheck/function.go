package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
)

// function is a declared function, measured together with the function literals in it.
type function struct {
	name         string
	line         int
	column       int
	bodyLines    int
	blankLines   int
	commentLines int
	statements   int
	complexity   int // cyclomatic: one, and one for each way that the code may fork
}

func (p *page) measure(files *token.FileSet, f *ast.FuncDecl) function {
	position := files.Position(f.Name.Pos())
	first := files.Position(f.Body.Lbrace).Line
	last := files.Position(f.Body.Rbrace).Line

	m := function{
		name:       f.Name.Name,
		line:       position.Line,
		column:     position.Column,
		bodyLines:  max(0, last-first-1),
		complexity: 1,
	}

	for line := first + 1; line < last; line++ {
		text := strings.TrimSpace(p.lines[line-1])

		switch {
		case text == "":
			m.blankLines++
		case strings.HasPrefix(text, "//"):
			m.commentLines++
		}
	}

	ast.Inspect(f.Body, func(n ast.Node) bool {
		m.statements += statements(n)
		m.complexity += forks(n)

		return true
	})

	return m
}

// statements is 1 for what does something, and 0 for what only holds statements together.
func statements(n ast.Node) int {
	switch n.(type) {
	case *ast.BlockStmt, *ast.EmptyStmt, *ast.CaseClause, *ast.CommClause, *ast.LabeledStmt:
		return 0
	case ast.Stmt:
		return 1
	}

	return 0
}

// forks counts as gocyclo does: branches, loops, cases, and the operators that may skip their right side.
func forks(n ast.Node) int {
	switch n := n.(type) {
	case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
		return 1
	case *ast.CaseClause:
		return boolToInt(n.List != nil)
	case *ast.CommClause:
		return boolToInt(n.Comm != nil)
	case *ast.BinaryExpr:
		return boolToInt(n.Op == token.LAND || n.Op == token.LOR)
	}

	return 0
}

func boolToInt(yes bool) int {
	if yes {
		return 1
	}

	return 0
}

func (f function) faults(path string) []fault {
	var faults []fault

	add := func(format string, values ...any) {
		text := fmt.Sprintf("function %s: ", f.name) + fmt.Sprintf(format, values...)
		faults = append(faults, fault{path, f.line, f.column, text})
	}

	if f.statements > maxStatements {
		add("%d statements, at most %d: give its steps names", f.statements, maxStatements)
	}

	if f.complexity > maxComplexity {
		add("a cyclomatic complexity of %d, at most %d", f.complexity, maxComplexity)
	}

	if f.bodyLines >= minBlock && f.blankLines == 0 {
		add("%d lines in one block: put a blank line between its steps", f.bodyLines)
	}

	return faults
}
