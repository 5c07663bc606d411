package fleet

import (
	"bytes"
	"context"
	"strconv"
	"strings"
)

// askRestarts makes systemd say of each service how often it was started again by itself.
const askRestarts = "systemctl show --property NRestarts --value '*.service'"

// restarts is how often systemd has started services of a node again since its boot; 0 where it does not say.
func (f *Fleet) restarts(ctx context.Context, m member) int {
	var said bytes.Buffer

	code, err := f.shell.run(ctx, m, askRestarts, nil, &said, nil)
	if err != nil || code != 0 {
		return 0
	}

	sum := 0

	for _, word := range strings.Fields(said.String()) {
		number, _ := strconv.Atoi(word) // other words are no numbers of restarts
		sum += number
	}

	return sum
}
