package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/internal/status"
)

var errNoAnswer = fmt.Errorf("no answer within %s; `journalctl -u %s` may say why", askTimeout, agentUnit)

// ask asks this node's agent, and waits for as long as it takes.
func ask(ctx context.Context, method, path string) ([]byte, error) {
	return askAt(ctx, bootstrap.SocketPath, method, path)
}

// askSoon is for what an agent answers at once, unless it hangs.
func askSoon(ctx context.Context, path string) ([]byte, http.Header, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, errNoAnswer)
	defer cancel()

	return exchange(ctx, bootstrap.SocketPath, http.MethodGet, path)
}

func askAt(ctx context.Context, socket, method, path string) ([]byte, error) {
	body, _, err := exchange(ctx, socket, method, path)

	return body, err
}

func exchange(ctx context.Context, socket, method, path string) ([]byte, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, nil)
	if err != nil {
		return nil, nil, err
	}

	response, err := bootstrap.LocalClient(socket).Do(request)
	if err != nil {
		// The cause says more than "context deadline exceeded".
		return nil, nil, fmt.Errorf("ask the agent (is %s running?): %w", agentUnit, cmp.Or(context.Cause(ctx), err))
	}
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, nil, cmp.Or(context.Cause(ctx), err)
	}

	if response.StatusCode != http.StatusOK {
		// The body is the agent's own explanation.
		return nil, nil, errors.New(strings.TrimSpace(string(body)))
	}

	return body, response.Header, nil
}

func statusCommand(stdin io.Reader, stdout io.Writer) *cobra.Command {
	var asJSON, eachLine bool

	command := &cobra.Command{
		Use:   "status",
		Short: "print how this node is; exit 1 when it does not serve",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ask := func() ([]byte, error) {
				body, _, err := askSoon(cmd.Context(), "/status")
				return body, err
			}

			if eachLine {
				return feed(stdin, stdout, ask)
			}

			body, err := ask()
			if err != nil {
				return err
			}

			if asJSON {
				_, err := stdout.Write(body)
				return err
			}

			var s status.Status
			if err := json.Unmarshal(body, &s); err != nil {
				return err
			}

			printStatus(stdout, s)

			// Scripts go by the exit code.
			if !s.Healthy {
				return fmt.Errorf("not healthy: %s", s.Reason)
			}

			return nil
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON, and exit 0 whatever it says")
	command.Flags().BoolVar(&eachLine, "each-line", false,
		"print the status as a line of JSON for each line of standard input, until that ends")

	return command
}

// feed asks for each line that it is given, and prints the answer as one line: who waits for a node asks often, and a
// program's start costs a small Droplet more than the answer.
func feed(stdin io.Reader, stdout io.Writer, ask func() ([]byte, error)) error {
	for asked := bufio.NewScanner(stdin); asked.Scan(); {
		body, err := ask()
		if err != nil {
			return err
		}

		var line bytes.Buffer
		if err := json.Compact(&line, body); err != nil {
			return err
		}

		line.WriteByte('\n')

		if _, err := stdout.Write(line.Bytes()); err != nil {
			return err
		}
	}

	return nil
}

func printStatus(w io.Writer, s status.Status) {
	fmt.Fprintf(w, "%s of %s, role %s, incarnation %d, at %s\n", s.Node, s.Stack, s.Role, s.Incarnation, s.Address)
	fmt.Fprintf(w, "phase %s, state %s, healthy %v, writer %v\n", s.Phase, s.State, s.Healthy, s.Writer)

	if s.Reason != "" {
		fmt.Fprintln(w, "because", s.Reason)
	}

	printImage(w, s.Image)

	set := s.PeerSet
	fmt.Fprintf(w, "peer set %s at generation %d, quorum %v, writer %s\n",
		set.Founded,
		set.Generation,
		set.Quorum,
		set.Writer,
	)

	if s.ReservedIP != nil {
		printReservedIP(w, *s.ReservedIP)
	}

	for _, line := range set.Lines() {
		fmt.Fprintln(w, line)
	}

	for _, peer := range set.Peers {
		fmt.Fprintf(w, "  %-12s %-8s %-6s #%-3d %-15s %-14s healthy %-5v alive %v\n",
			peer.Name,
			peer.Role,
			peer.Kind,
			peer.Incarnation,
			peer.Address,
			peer.State,
			peer.Healthy,
			peer.Alive,
		)
	}
}

func printReservedIP(w io.Writer, reserved status.ReservedIP) {
	holder := cmp.Or(reserved.Holder, "nobody")
	fmt.Fprintf(w, "reserved IP %s held by %s at epoch %d, here %v\n",
		reserved.Address,
		holder,
		reserved.Epoch,
		reserved.Active,
	)

	for _, text := range []string{reserved.Problem, reserved.Warning} {
		if text != "" {
			fmt.Fprintln(w, " ", text)
		}
	}
}

func drainCommand() *cobra.Command {
	var notice time.Duration

	cmd := &cobra.Command{
		Use:   "drain",
		Short: "give this node's work up: health fails, what was asked is answered, the writer moves, the server stops",
		Args:  cobra.NoArgs,
		Long: "It returns when nobody uses the node any more. Interrupted, the node stays drained.\n\n" +
			"Nothing takes a drain back but the agent's next start: `systemctl restart hornero-bootstrap`, or " +
			"a reboot.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{"notice": {notice.String()}}

			_, err := ask(cmd.Context(), http.MethodPost, "/drain?"+query.Encode())
			return err
		},
	}
	cmd.Flags().DurationVar(&notice, "notice", 0, "how long load balancers may take to see that the node drains")

	return cmd
}

func shareCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "share PERCENT",
		Short: "have an edge give this node and its like a part of their role's visitors; 0: as much as others",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{"percent": args}

			_, err := ask(cmd.Context(), http.MethodPost, "/share?"+query.Encode())
			return err
		},
	}
}

const forgetDescription = "Says what goes, asks, and declares the node gone with its data: " +
	"nobody waits for it any more. Refuses a node that is alive, and one that has more\n" +
	"of the data than any other is known to have."

func forgetCommand(stdin io.Reader, stdout io.Writer) *cobra.Command {
	var yes, force bool
	command := &cobra.Command{
		Use:   "forget NODE",
		Short: "declare a node gone for good: out of consensus, the peer set and its leases",
		Args:  cobra.ExactArgs(1),
		Long:  forgetDescription,
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{"name": args}
			if force {
				query.Set("force", "")
			}

			// GET only tells what would go: that is what the question is about.
			what, _, err := askSoon(cmd.Context(), "/forget?"+query.Encode())
			if err != nil {
				return err
			}

			fmt.Fprintf(stdout, "gone for good will be %s\n", strings.TrimSpace(string(what)))

			if !yes && !agreed(stdin, stdout, "Type yes to declare so: ") {
				return errNotAgreed
			}

			_, err = ask(cmd.Context(), http.MethodPost, "/forget?"+query.Encode())

			return err
		},
	}
	command.Flags().BoolVar(&yes, "yes", false, "do not ask")
	command.Flags().BoolVar(&force, "force", false, "although it is alive, or has the most of the data")

	return command
}
