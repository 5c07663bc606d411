// Package sockets owns what the kernel says of a machine's TCP connections, as ss(8) reads it.
package sockets

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/command"
)

// lull is for how long nothing was sent where an answer has ended: one that is being made in pieces may pause.
const lull = time.Second

// Busy counts the connections at local ports on which something is under way: a request that is not answered yet, or an
// answer that is not all sent. One that waits for its next request is not busy.
func Busy(ctx context.Context, ports []int) (int, error) {
	if len(ports) == 0 {
		return 0, nil
	}

	at := make([]string, len(ports))
	for i, port := range ports {
		at[i] = "sport = :" + strconv.Itoa(port)
	}

	// Not -H and -O: the ss of Debian 9 has neither.
	said, err := command.Run(ctx, command.Command{
		Args: []string{
			"ss",
			"-tni",
			"state",
			"established",
			"( " + strings.Join(at, " or ") + " )",
		},
	})
	if err != nil {
		return 0, err
	}

	return busyIn(string(said))
}

// last is when something was sent or received, in milliseconds; one that is left out is just now (tcp_info(7)).
var last = regexp.MustCompile(`\blast(snd|rcv):(\d+)`)

// busyIn reads ss: a line of queues and addresses for each connection, and one with what TCP knows.
func busyIn(said string) (int, error) {
	busy := 0
	queued := false

	for line := range strings.Lines(said) {
		words := strings.Fields(line)

		if len(words) == 0 || words[0] == "Recv-Q" {
			continue
		}

		// What TCP knows is set in.
		if strings.ContainsAny(line[:1], " \t") {
			if queued || underWay(line) {
				busy++
			}

			continue
		}

		if len(words) < 2 {
			return 0, fmt.Errorf("ss says %q of a connection", line)
		}

		received, sent := words[0], words[1]
		queued = received != "0" || sent != "0"
	}

	return busy, nil
}

// underWay tells whether what came last has no answer yet, or the answer goes on.
func underWay(line string) bool {
	since := map[string]time.Duration{}

	for _, match := range last.FindAllStringSubmatch(line, -1) {
		// The form has digits only; more than a year of them is long ago.
		number, _ := strconv.ParseUint(match[2], 10, 32)

		way := match[1]
		since[way] = time.Duration(number) * time.Millisecond
	}

	asked, answered := since["rcv"], since["snd"]

	return asked < answered || answered < lull
}
