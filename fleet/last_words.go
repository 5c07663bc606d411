package fleet

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"
)

const (
	// lastWords is how many lines of a node's journal are told when it does not come up: after a while it may be gone.
	lastWords = 50
	// lastWordsTimeout bounds the question for them.
	lastWordsTimeout = 10 * time.Second
)

// tellLastWords tells the end of a node's journal. A node that does not answer tells nothing.
func (f *Fleet) tellLastWords(m member) {
	// The command's own time may be over.
	ctx, cancel := context.WithTimeout(context.Background(), lastWordsTimeout)
	defer cancel()

	var said bytes.Buffer

	ask := fmt.Sprintf("journalctl --no-pager --quiet --output short-iso --lines %d", lastWords)
	if code, err := f.shell.run(ctx, m, ask, nil, &said, nil); err != nil || code != 0 {
		return
	}

	f.progress("%s: the last lines of its journal:", m.Node)

	for line := range strings.Lines(said.String()) {
		f.progress("%s: %s", m.Node, strings.TrimRight(line, "\n"))
	}
}
