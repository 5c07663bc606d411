package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hornero/hornero/fleet"
)

// block is the last lines of a terminal, drawn again in place. Who writes to the terminal beside it clears it before.
type block struct {
	out   io.Writer
	size  func() fleet.TerminalSize
	drawn int // lines that stand there
}

// newBlock is a block on an output, or nil where none can be drawn: in a file or a pipe, in CI, on a terminal that
// cannot move its cursor, and where somebody wants plain text.
func newBlock(out io.Writer) *block {
	if !isTerminal(out) || os.Getenv("CI") != "" || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return nil
	}

	descriptor := int(out.(*os.File).Fd())

	return &block{
		out:  out,
		size: func() fleet.TerminalSize { return sizeOf(descriptor) },
	}
}

// draw replaces what stands there. Lines that are too long are cut, and those that do not fit are left out and counted:
// a terminal that scrolls or wraps would put the cursor elsewhere.
func (b *block) draw(lines []string) {
	size := b.size()

	if room := max(size.Rows-1, 2); len(lines) > room {
		more := fmt.Sprintf("... and %d lines more", len(lines)-room+1)
		lines = append(lines[:room-1:room-1], more)
	}

	var text strings.Builder
	text.WriteString(b.erase())

	for _, line := range lines {
		text.WriteString(cut(line, size.Columns-1) + "\n")
	}

	b.drawn = len(lines)

	// At once, so that nobody sees it half drawn.
	_, _ = io.WriteString(b.out, text.String())
}

// clear takes away what stands there.
func (b *block) clear() {
	_, _ = io.WriteString(b.out, b.erase())
	b.drawn = 0
}

// erase is what takes a terminal's cursor to the first line, and all from there away.
func (b *block) erase() string {
	if b.drawn == 0 {
		return ""
	}

	return fmt.Sprintf("\x1b[%dA\r\x1b[J", b.drawn)
}

func cut(line string, most int) string {
	runes := []rune(line)
	if len(runes) <= most || most < 1 {
		return line
	}

	return string(runes[:most-1]) + "…"
}
