package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/internal/systemd"
)

const (
	agentUnit     = "hornero-bootstrap.service"
	askTimeout    = 5 * time.Second
	userDataUsage = "read this file instead of asking the metadata service, a config drive and the seeds"
)

var errInspect = errors.New("this node has no document that it can be; see above")

// inspection is what `hornero-bootstrap inspect --json` prints.
type inspection struct {
	UserData userData       `json:"user_data"`
	Document map[string]any `json:"document"` // nil when there is none or it is refused
	Problems []string       `json:"problems"` // why the document is refused
	Kept     *keptData      `json:"kept"`     // of the first boot; nil before one
	Agent    agentAnswer    `json:"agent"`
	node     *cloudinit.Node
}

type userData struct {
	Source string              `json:"source"` // empty when no source has any
	Bytes  int                 `json:"bytes"`
	SHA256 string              `json:"sha256"`
	Parts  []cloudinit.Part    `json:"parts"`
	Tried  []cloudinit.Attempt `json:"tried"` // those asked before, and why they had none
}

type keptData struct {
	Source string `json:"source"`
	SHA256 string `json:"sha256"`
	Same   bool   `json:"same"` // as what is found now
}

type agentAnswer struct {
	Unit    string         `json:"unit"` // systemd's word: active, failed, inactive, unknown
	Problem string         `json:"problem,omitempty"`
	Status  *status.Status `json:"status"` // nil when it does not answer
}

// inspector is where to look. A test has its own places.
type inspector struct {
	sources cloudinit.Sources
	state   string
	socket  string
	ctl     systemd.Ctl
}

func inspectCommand(stdout io.Writer) *cobra.Command {
	var asJSON bool

	i := inspector{
		state:  stateDir,
		socket: bootstrap.SocketPath,
		ctl:    systemd.Systemctl,
	}

	command := &cobra.Command{
		Use:   "inspect",
		Short: "print what user-data this node finds and where, its document, and how far the agent is with it",
		Args:  cobra.NoArgs,
		Long: "Asks every source as the agent does, and the agent itself. Secrets are masked. Exits 1 when " +
			"there is no document, or one that is refused.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			seen := i.inspect(cmd.Context())

			if err := seen.print(stdout, asJSON); err != nil {
				return err
			}

			// The result was printed already: the error only sets the exit code.
			if seen.Document == nil {
				return errInspect
			}

			return nil
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	command.Flags().StringVar(&i.sources.File, "user-data", "", userDataUsage)

	return command
}

func (i inspector) inspect(ctx context.Context) inspection {
	found, err := i.sources.Find(ctx)
	seen := inspection{
		UserData: userData{
			Source: found.Source,
			Parts:  []cloudinit.Part{},
			Tried:  append([]cloudinit.Attempt{}, found.Tried...),
		},
		Problems: []string{},
		Agent:    i.agent(ctx),
	}
	if err != nil {
		seen.Problems = []string{err.Error()}
	} else {
		seen.read(found)
	}

	// The agent goes on with what it found first: what differs now has no effect.
	if kept, known := bootstrap.StoredUserData(i.state); known {
		seen.Kept = &keptData{
			Source: kept.Source,
			SHA256: digest(kept.Data),
			Same:   bytes.Equal(kept.Data, found.Data),
		}
	}

	return seen
}

func (s *inspection) read(found cloudinit.Found) {
	s.UserData.Bytes, s.UserData.SHA256 = len(found.Data), digest(found.Data)

	// Decode tells what is wrong with the parts.
	s.UserData.Parts, _ = cloudinit.Parts(found.Data)

	node, err := cloudinit.Decode(found.Source, found.Data)
	if err == nil {
		// The document is masked before anything keeps it: --json prints it whole.
		node = node.Masked()
		s.node = &node
		s.Document, err = node.Fields()
	}

	if err != nil {
		s.Problems = strings.Split(err.Error(), "\n")
	}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// agent asks the agent on its socket, and systemd why it does not answer.
func (i inspector) agent(ctx context.Context) agentAnswer {
	// An agent that hangs must not keep this from printing what it found.
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()

	answer := agentAnswer{Unit: "unknown"}

	// An agent that is down cannot say so: systemd can.
	if state, err := i.ctl.State(ctx, agentUnit); err == nil {
		answer.Unit = state
	}

	body, err := askAt(ctx, i.socket, http.MethodGet, "/status")
	if err == nil {
		answer.Status = &status.Status{}
		err = json.Unmarshal(body, answer.Status)
	}

	// A broken answer is no answer.
	if err != nil {
		answer.Status, answer.Problem = nil, err.Error()
	}

	return answer
}

func (s inspection) print(w io.Writer, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(s)
	}

	// The text is written at once: an error in the middle prints no half of it.
	var out strings.Builder
	s.printUserData(&out)

	if s.node != nil {
		text, err := yaml.Marshal(s.node)
		if err != nil {
			return err
		}

		indented := strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "\n  ")
		fmt.Fprintf(&out, "document\n  %s\n", indented)
	}

	for _, problem := range s.Problems {
		fmt.Fprintf(&out, "problem    %s\n", problem)
	}

	s.Agent.print(&out)

	_, err := io.WriteString(w, out.String())

	return err
}

func (s inspection) printUserData(w io.Writer) {
	for _, attempt := range s.UserData.Tried {
		fmt.Fprintf(w, "not there  %s: %s\n", attempt.Source, attempt.Problem)
	}

	if s.UserData.Source != "" {
		fmt.Fprintf(w, "user-data  %s: %d bytes, sha256 %.12s\n",
			s.UserData.Source,
			s.UserData.Bytes,
			s.UserData.SHA256,
		)
	}

	for _, part := range s.UserData.Parts {
		if part.Path != "" {
			fmt.Fprintf(w, "part       %s: %s, %d bytes\n", part.Path, part.Type, part.Size)
		}
	}

	switch {
	case s.Kept == nil:
	case s.Kept.Same:
		fmt.Fprintf(w, "kept       the same, from %s at the first boot\n", s.Kept.Source)
	default:
		fmt.Fprintf(w, "kept       another, from %s at the first boot, sha256 %.12s; "+
			"the agent goes on with that as long as this is the same Droplet\n",
			s.Kept.Source,
			s.Kept.SHA256,
		)
	}
}

func (a agentAnswer) print(w io.Writer) {
	fmt.Fprintf(w, "agent      %s is %s\n", agentUnit, a.Unit)

	if a.Status == nil {
		fmt.Fprintf(w, "           it does not answer: %s; `journalctl -u %s` tells more\n", a.Problem, agentUnit)

		return
	}

	fmt.Fprintf(w, "           phase %s, state %q, healthy %v\n",
		a.Status.Phase,
		a.Status.State,
		a.Status.Healthy,
	)

	if a.Status.Reason != "" {
		fmt.Fprintf(w, "           because %s\n", a.Status.Reason)
	}
}
