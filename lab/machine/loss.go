package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/hornero/hornero/internal/command"
)

// Loss is packets that get lost on the way from some Droplets to others. No Droplets mean any, and all else in
// the networks.
type Loss struct {
	From, To []int
	Network  string // public, vpc, or empty for both
	Percent  int
}

// lossTable names the nftables table of the fabric in which packets get lost. It is not there when none do.
const lossTable = "hornero_loss"

// lossPriority is before anything else of the lab looks at a frame.
const lossPriority = -400

// SetLosses makes packets get lost as told, and no others, from the next packet on.
func (h *Host) SetLosses(ctx context.Context, losses []Loss) error {
	h.net.Lock()
	defer h.net.Unlock()

	err := within(h.fabric(), func() error {
		_, err := command.Run(ctx, command.Command{
			Args:  []string{"nft", "-f", "-"},
			Input: lossRules(losses),
		})

		return err
	})
	if errors.Is(err, fs.ErrNotExist) && len(losses) == 0 {
		return nil // no network, no losses
	}

	if err != nil {
		return fmt.Errorf("lose packets: %w", err)
	}

	return nil
}

// lossRules is the whole table, put in force in one transaction.
func lossRules(losses []Loss) string {
	text := fmt.Sprintf("table bridge %[1]s\ndelete table bridge %[1]s\n", lossTable)
	if len(losses) == 0 {
		return text
	}

	chains := map[string]*strings.Builder{
		"forward": {},
		"input":   {},
		"output":  {},
	}

	for _, loss := range losses {
		from := match("iifname", loss.From, loss.Network)
		to := match("oifname", loss.To, loss.Network)

		verdict := "drop"
		if loss.Percent < 100 {
			verdict = fmt.Sprintf("numgen random mod 100 < %d drop", loss.Percent)
		}

		// A frame between two ports passes forward; one for or from the fabric's own stack passes input or output.
		fmt.Fprintf(chains["forward"], "\t\t%s%s%s\n", from, to, verdict)

		if to == "" {
			// to the fabric itself: gateway, metadata
			fmt.Fprintf(chains["input"], "\t\t%s%s\n", from, verdict)
		}

		if from == "" {
			fmt.Fprintf(chains["output"], "\t\t%s%s\n", to, verdict)
		}
	}

	text += "table bridge " + lossTable + " {\n"

	for _, name := range []string{"forward", "input", "output"} {
		text += fmt.Sprintf(
			"\tchain %s {\n\t\ttype filter hook %s priority %d;\n%s\t}\n",
			name,
			name,
			lossPriority,
			chains[name],
		)
	}

	return text + "}\n"
}

// match names the ports of Droplets in one of the networks or both; it is empty for any port.
func match(side string, droplets []int, network string) string {
	if len(droplets) == 0 {
		return ""
	}

	ports := []string{}

	for _, id := range droplets {
		if network != "vpc" {
			ports = append(ports, fmt.Sprintf("%q", publicPort(number(id))))
		}
		if network != "public" {
			ports = append(ports, fmt.Sprintf("%q", privatePort(number(id))))
		}
	}

	return side + " { " + strings.Join(ports, ", ") + " } "
}
