// Package report owns what is wrong with a document that a person wrote: problems with file, line, column
// and path, all of them in one run and in order of line. It also owns Secret, the value that no printed form shows.
// It knows nothing of what the documents mean.
package report

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with a document.
type Problem struct {
	File    string // as the user named it; empty when the document has no file
	Line    int    // from 1; 0 when unknown
	Column  int    // from 1; 0 when unknown
	Path    string // the place in the document, as in "database.nodes"; empty for the whole
	Message string // what is wrong and what to write instead
}

// String gives the problem the way compilers do: file:line:column: error: path: message.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		b.WriteByte(':')
	}

	// Editors jump to file:line:column only when both numbers are there.
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", p.Line, max(p.Column, 1))
	}

	if b.Len() > 0 {
		b.WriteByte(' ')
	}

	b.WriteString("error: ")

	if p.Path != "" {
		b.WriteString(p.Path)
		b.WriteString(": ")
	}

	b.WriteString(p.Message)

	return b.String()
}

// Problems is a document's list of problems; it is an error when not empty.
type Problems []Problem

// Error lists the problems, one a line, in order of file, line and column.
func (p Problems) Error() string {
	lines := make([]string, 0, len(p))
	for _, problem := range p.Sorted() {
		lines = append(lines, problem.String())
	}

	return strings.Join(lines, "\n")
}

// Sorted returns the problems in order of file, line, column and path.
func (p Problems) Sorted() Problems {
	sorted := slices.Clone(p)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Path, b.Path),
		)
	})

	return sorted
}

// Err returns the problems as an error, or nil when there are none.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}

	return p
}

// Of returns the problems that an error carries, and whether it carries any.
func Of(err error) (Problems, bool) {
	var problems Problems
	ok := errors.As(err, &problems)
	return problems, ok
}
