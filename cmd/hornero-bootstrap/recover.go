package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/peers"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/internal/systemd"
)

const (
	// rebuiltWithin is how long a rebuilt peer set may take to have a quorum: one member's election, and an agent's
	// start.
	rebuiltWithin = time.Minute
	// awaitEvery is how often it is asked whether it has one.
	awaitEvery = 200 * time.Millisecond
	// lookAgainAfter is between the two looks that must find the majority lost: a voter that is only busy answers
	// one of them.
	lookAgainAfter = 3 * time.Second
	// lockEvery is how often a recovery looks whether another one is over.
	lockEvery = 100 * time.Millisecond
)

const recoverDescription = "Makes this node the only member of the peer set, with all that it holds of it; " +
	"the others join anew by themselves. Refuses while the peer set\n" +
	"has a quorum, or a majority of its voters answers. " +
	"The databases' data is not touched, and traffic goes on.\n\n" +
	"Run it on the survivor with the most advanced term and index: `hornero recover` finds it, and does this."

const recoverQuestion = "Are the voters that do not answer lost for good? " +
	"Type yes to rebuild the peer set without them: "

var (
	errNothingToRecover = errors.New("nothing was done")
	errNotAgreed        = errors.New("nothing was done: say yes, or give --yes")
)

// recoverer is where things are on a node. A test has its own places.
type recoverer struct {
	dir    string // dqlite's
	pki    string
	status func(context.Context) (status.Status, error) // of this node's agent
	ctl    systemd.Ctl
	stdin  io.Reader
	stdout io.Writer
	within time.Duration
	pause  time.Duration // between the two looks
}

func recoverCommand(stdin io.Reader, stdout io.Writer) *cobra.Command {
	var asJSON, dry, yes bool

	r := recoverer{
		dir:    filepath.Join(stateDir, "dqlite"),
		pki:    bootstrap.DefaultPKI,
		status: askStatus,
		ctl:    systemd.Systemctl,
		stdin:  stdin,
		stdout: stdout,
		within: rebuiltWithin,
		pause:  lookAgainAfter,
	}

	command := &cobra.Command{
		Use:   "recover",
		Short: "rebuild the peer set from this node, when the majority of its voters is lost for good",
		Args:  cobra.NoArgs,
		Long:  recoverDescription,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.run(cmd.Context(), asJSON, dry, yes)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	command.Flags().BoolVar(&dry, "dry-run", false, "only say what would be done")
	command.Flags().BoolVar(&yes, "yes", false, "do not ask")

	return command
}

func askStatus(ctx context.Context) (status.Status, error) {
	var said status.Status

	body, _, err := askSoon(ctx, "/status")
	if err == nil {
		err = json.Unmarshal(body, &said)
	}

	return said, err
}

func (r recoverer) run(ctx context.Context, asJSON, dry, yes bool) error {
	plan, err := r.plan(ctx)
	if err != nil {
		return err
	}

	if err := printRecovery(r.stdout, plan, asJSON); err != nil || dry {
		return err
	}

	if plan.Refused != "" {
		return fmt.Errorf("%w: %s", errNothingToRecover, plan.Refused)
	}

	if !yes && !agreed(r.stdin, r.stdout, recoverQuestion) {
		return errNotAgreed
	}

	// Nothing was changed so far, so the question could wait without the lock.
	done, err := r.alone(ctx)
	if err != nil {
		return err
	}
	defer done()

	// The person took time to answer, and a busy voter may answer by now.
	if err := r.stillLost(ctx); err != nil {
		return err
	}

	if _, err := peers.Rebuild(ctx, r.dir); err != nil {
		return err
	}

	// The agent puts the rebuilt copy in place when it starts: it has the old one open.
	if _, err := r.ctl(ctx, "restart", agentUnit); err != nil {
		return fmt.Errorf("restart %s (the rebuilt peer set takes its place at its next start): %w", agentUnit, err)
	}

	// A restart alone proves nothing: done is when there is a quorum in the new era.
	if err := r.await(ctx, plan.Era+1); err != nil {
		return err
	}

	if !asJSON {
		fmt.Fprintf(r.stdout, "the peer set is rebuilt from %s; the other members join anew within seconds, "+
			"lost nodes with `hornero replace NODE`\n", plan.Node)
	}

	return nil
}

// alone waits for another recovery of this node to end: two would prepare the same folder at once.
func (r recoverer) alone(ctx context.Context) (done func(), err error) {
	// The state folder itself is locked: a lock file could be left behind.
	folder, err := os.Open(filepath.Dir(r.dir))
	if err != nil {
		return nil, err
	}

	for {
		err := unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			// Closing the folder gives the lock back.
			return func() { folder.Close() }, nil
		}

		if !errors.Is(err, unix.EWOULDBLOCK) || !pause.For(ctx, lockEvery) {
			err = fmt.Errorf("wait for another recovery of this node: %w", cmp.Or(ctx.Err(), err))
			return nil, errors.Join(err, folder.Close())
		}
	}
}

// stillLost looks once more before anything is done.
func (r recoverer) stillLost(ctx context.Context) error {
	if !pause.For(ctx, r.pause) {
		return ctx.Err()
	}

	plan, err := r.plan(ctx)
	if err == nil && plan.Refused != "" {
		err = fmt.Errorf("%w: %s", errNothingToRecover, plan.Refused)
	}

	return err
}

// plan looks at what there is, and changes nothing.
func (r recoverer) plan(ctx context.Context) (status.Recovery, error) {
	config, name, err := r.identity()
	if err != nil {
		return status.Recovery{}, err
	}

	said, statusErr := r.status(ctx)

	quorum := statusErr == nil && said.PeerSet.Quorum

	// A client never held any of it. Its role in the stack alone does not tell: nodes of a role may be both.
	if peerset.MemberOnly(name.Kind, name.Role) != nil {
		return ofClient(name.Node, quorum), nil
	}

	survivor, err := peers.ReadFolder(r.dir)
	if err != nil {
		return status.Recovery{}, err
	}

	if statusErr == nil && len(said.PeerSet.Voters) > 0 {
		// The agent asks for the voters more often than dqlite writes them down.
		survivor.Voters = said.PeerSet.Voters
	}

	plan := status.Recovery{
		Node:      name.Node,
		Era:       survivor.Era,
		Term:      survivor.Term,
		Index:     survivor.Index,
		Role:      survivor.Role,
		Voters:    survivor.Voters,
		Quorum:    quorum,
		Answering: survivor.Answering(ctx, config),
		Steps:     []string{},
	}

	plan.Refused = refusal(plan)
	if plan.Refused == "" {
		plan.Steps = r.steps(plan)
	}

	return plan, nil
}

// ofClient is what a node says that is a client of the peer set.
func ofClient(node string, quorum bool) status.Recovery {
	plan := status.Recovery{
		Node:      node,
		Role:      peerset.KindClient,
		Quorum:    quorum,
		Voters:    []string{},
		Answering: []string{},
		Steps:     []string{},
	}
	plan.Refused = refusal(plan)

	return plan
}

// refusal is why nothing may be done; "" when it may.
func refusal(plan status.Recovery) string {
	majority := len(plan.Voters)/2 + 1

	switch {
	case plan.Quorum:
		return "the peer set has a quorum"
	case plan.Index == 0:
		// A client and a spare of dqlite keep no copy of the store.
		return "this node, a " + plan.Role + ", holds no copy of the peer set; rebuild it from another"
	case len(plan.Answering) >= majority:
		return fmt.Sprintf("%d of %d voters answer (%s), which is a majority: they find a quorum by "+
			"themselves; `journalctl -u %s` on them says what they wait for",
			len(plan.Answering),
			len(plan.Voters),
			strings.Join(plan.Answering, ", "),
			agentUnit,
		)
	}

	return ""
}

// steps are what would be done.
func (r recoverer) steps(plan status.Recovery) []string {
	return []string{
		fmt.Sprintf("copy %s, and make %s its only member, in era %d", r.dir, plan.Node, plan.Era+1),
		fmt.Sprintf("restart %s, which puts the copy in place; the old folder stays as %s.lost", agentUnit, r.dir),
		"members of before that still live, or come back, find the new peer set within seconds and join it anew",
		"no database, no file of a service and no proxy is touched",
	}
}

// identity is the node's own, as its agent left it for services.
func (r recoverer) identity() (*tls.Config, pki.Name, error) {
	texts := map[string]string{}
	for _, file := range []string{"ca.pem", "node.pem", "node.key"} {
		text, err := os.ReadFile(filepath.Join(r.pki, file))
		if err != nil {
			return nil, pki.Name{}, fmt.Errorf("read this node's identity: %w", err)
		}

		texts[file] = string(text)
	}

	certificate, err := pki.ParseCertificate(texts["node.pem"])
	if err != nil {
		return nil, pki.Name{}, err
	}

	name, err := pki.NameOf(certificate)
	if err != nil {
		return nil, pki.Name{}, err
	}

	// Only a member's certificate may answer for a voter.
	member := func(name pki.Name) error {
		return peerset.MemberOnly(name.Kind, name.Role)
	}
	pair := pki.Pair{
		Certificate: texts["node.pem"],
		Key:         report.Secret(texts["node.key"]),
	}

	config, err := pki.PeerTLS(texts["ca.pem"], pair, name.Stack, member)

	return config, name, err
}

// await reads the result back: done is when the agent says so.
func (r recoverer) await(ctx context.Context, era int) error {
	ctx, cancel := context.WithTimeout(ctx, r.within)
	defer cancel()

	for {
		said, err := r.status(ctx)

		// An answer from before the restart still has the old era.
		if err == nil && said.PeerSet.Quorum && said.PeerSet.Era >= era {
			return nil
		}

		if !pause.For(ctx, awaitEvery) {
			return fmt.Errorf("wait for the rebuilt peer set: no quorum after %s; `journalctl -u %s` says why: %w",
				r.within,
				agentUnit,
				errors.Join(ctx.Err(), err),
			)
		}
	}
}

// agreed asks a person, who must type the whole word.
func agreed(stdin io.Reader, stdout io.Writer, question string) bool {
	fmt.Fprint(stdout, question)
	line, err := bufio.NewReader(stdin).ReadString('\n')

	// A "y" may be a slip: only the whole word counts.
	return err == nil && strings.TrimSpace(line) == "yes"
}

func printRecovery(w io.Writer, plan status.Recovery, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(plan)
	}

	var out strings.Builder
	fmt.Fprintf(&out, "%s is a %s of the peer set of era %d, at term %d, index %d\n",
		plan.Node,
		plan.Role,
		plan.Era,
		plan.Term,
		plan.Index,
	)
	fmt.Fprintf(&out, "%d of %d voters answer: %s\n",
		len(plan.Answering),
		len(plan.Voters),
		strings.Join(plan.Answering, ", "),
	)

	if plan.Refused != "" {
		fmt.Fprintf(&out, "nothing to do: %s\n", plan.Refused)
	}

	for at, step := range plan.Steps {
		fmt.Fprintf(&out, "%d. %s\n", at+1, step)
	}

	_, err := io.WriteString(w, out.String())

	return err
}
