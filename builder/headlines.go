package builder

import (
	"bytes"
	"strings"
	"sync"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
)

// tailLines is how much of a failed command's output its error carries: apt's last messages and what led to them.
const tailLines = 40

// headlines is the output of a command on the Droplet: lines that start with "== " are shown as they come, the
// last of the others are kept for the error.
type headlines struct {
	ui     packersdk.Ui
	mutex  sync.Mutex // standard output and standard error come from two goroutines
	rest   []byte
	recent []string
}

func (h *headlines) Write(data []byte) (int, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()

	h.rest = append(h.rest, data...)

	for {
		// A write may end in the middle of a line.
		line, rest, whole := bytes.Cut(h.rest, []byte("\n"))
		if !whole {
			return len(data), nil
		}

		h.rest = rest
		h.take(strings.TrimRight(string(line), "\r \t"))
	}
}

func (h *headlines) take(line string) {
	if headline, ok := strings.CutPrefix(line, "== "); ok {
		h.ui.Say(headline)
		return
	}

	h.recent = append(h.recent, line)
	if len(h.recent) > tailLines {
		h.recent = h.recent[1:]
	}
}

func (h *headlines) tail() string {
	h.mutex.Lock()
	defer h.mutex.Unlock()

	return strings.TrimSpace(strings.Join(append(h.recent, string(h.rest)), "\n"))
}
