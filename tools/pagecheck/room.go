package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"text/tabwriter"
)

// room is a folder of Go files: a package and its tests, which are read together.
type room struct {
	path         string
	pages        int
	codeLines    int
	tokens       int
	bodyLines    int
	blankLines   int
	commentLines int
	functions    int
	statements   int // of the largest function
	complexity   int // of the one with the most forks
	longestFile  int
	functionSize []int // lines of each body
}

func roomOf(rooms map[string]*room, file string) *room {
	folder := path.Dir(file)

	if rooms[folder] == nil {
		rooms[folder] = &room{path: folder}
	}

	return rooms[folder]
}

func sorted(rooms map[string]*room) []*room {
	return slices.SortedFunc(maps.Values(rooms), func(a, b *room) int {
		return cmp.Compare(a.path, b.path)
	})
}

func (r *room) add(p *page) {
	r.pages++
	r.codeLines += p.codeLines
	r.tokens += p.tokens
	r.longestFile = max(r.longestFile, p.codeLines)

	for _, f := range p.functions {
		r.functions++
		r.bodyLines += f.bodyLines
		r.blankLines += f.blankLines
		r.commentLines += f.commentLines
		r.statements = max(r.statements, f.statements)
		r.complexity = max(r.complexity, f.complexity)
		r.functionSize = append(r.functionSize, f.bodyLines)
	}
}

func (r *room) tokensPerLine() float64 {
	return float64(r.tokens) / float64(max(1, r.codeLines))
}

func (r *room) blankPercent() float64 {
	return r.percentOfBodies(r.blankLines)
}

func (r *room) percentOfBodies(lines int) float64 {
	return 100 * float64(lines) / float64(max(1, r.bodyLines))
}

// percentile is the size in lines that the given share of the functions does not pass.
func (r *room) percentile(share float64) int {
	if len(r.functionSize) == 0 {
		return 0
	}

	sizes := slices.Sorted(slices.Values(r.functionSize))

	return sizes[int(share*float64(len(sizes)-1))]
}

func (r *room) faults() []fault {
	var faults []fault

	if r.tokensPerLine() > maxTokensPerLine {
		faults = append(faults, fault{path: r.path, text: fmt.Sprintf(
			"%.2f tokens a line, at most %.1f: one call or one field a line", r.tokensPerLine(), maxTokensPerLine)})
	}

	if r.bodyLines >= minRoomLines && r.blankPercent() < minBlankPercent {
		faults = append(faults, fault{path: r.path, text: fmt.Sprintf(
			"%.1f %% blank lines in functions, at least %.0f %%", r.blankPercent(), minBlankPercent)})
	}

	return faults
}

func printRooms(w io.Writer, rooms []*room) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "files\tlines\tlongest file\tfunctions\tmedian\tp95\tmost statements\tforks\t"+
		"comment %\tblank %\ttokens/line\t  package")

	for _, r := range rooms {
		fmt.Fprintf(table, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.1f\t%.1f\t%.2f\t  %s\n",
			r.pages,
			r.codeLines,
			r.longestFile,
			r.functions,
			r.percentile(0.5),
			r.percentile(0.95),
			r.statements,
			r.complexity,
			r.percentOfBodies(r.commentLines),
			r.blankPercent(),
			r.tokensPerLine(),
			r.path,
		)
	}

	table.Flush()
}

func printFaults(w io.Writer, faults []fault) error {
	for _, f := range faults {
		fmt.Fprintln(w, f)
	}

	if len(faults) > 0 {
		return errFaults
	}

	return nil
}
