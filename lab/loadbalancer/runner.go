package loadbalancer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/lab/machine"
)

// applyTimeout is how long HAProxy may take until it answers with the configuration that it was given.
const applyTimeout = 20 * time.Second

// Places is where load balancers run: a machine.Host.
type Places interface {
	Attach(name string, at machine.Attachment) error
	Detach(ctx context.Context, name string, at machine.Attachment) error
	Run(name string, args []string, log string) error
	Processes(name string) []int
	Forward(ctx context.Context, name, chains string, targets []netip.Addr) error
}

// Runner runs a lab's load balancers.
type Runner struct {
	places    Places
	folder    string
	logger    *slog.Logger
	mutex     sync.Mutex // one change at a time
	published *Publisher
	watches   map[string]*watch // by id: the load balancers with rules for datagrams
}

// New makes a Runner, which keeps its files in folder. Load balancers that run already are found again.
func New(places Places, folder string, logger *slog.Logger) *Runner {
	if logger == nil {
		logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}

	return &Runner{
		places:    places,
		folder:    folder,
		logger:    logger,
		published: NewPublisher(logger),
		watches:   map[string]*watch{},
	}
}

func station(id string) string { return "lb-" + id }

func (r *Runner) path(id, name string) string {
	return filepath.Join(r.folder, id, name)
}

// Apply makes a load balancer what is given: starts it, or changes it without losing a connection, or does nothing
// when it is so already. Afterwards the ports of one with a public address are on loopback, too.
func (r *Runner) Apply(ctx context.Context, balancer Balancer) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	if err := r.apply(ctx, balancer); err != nil {
		return fmt.Errorf("load balancer %s: %w", balancer.ID, err)
	}

	return nil
}

func (r *Runner) apply(ctx context.Context, balancer Balancer) error {
	text, digest, err := Config(balancer)
	if err != nil {
		return err
	}

	balancer = balancer.withDefaults()

	// HAProxy can bind its address only once the place in the networks is there.
	if err := r.places.Attach(station(balancer.ID), balancer.At); err != nil {
		return err
	}

	// HAProxy itself says what it runs with: a record on disk could be older or newer than the process.
	if r.configured(balancer.ID) != digest {
		if err := r.write(ctx, balancer, text); err != nil {
			return err
		}

		if err := r.load(ctx, balancer.ID, digest); err != nil {
			return err
		}

		r.logger.Info("load balancer configured",
			"balancer", balancer.ID,
			"address", balancer.front(),
			"targets", len(balancer.Targets),
		)
	}

	// After HAProxy has its new configuration, because its checks say who is healthy.
	if err := r.followDatagrams(ctx, balancer); err != nil {
		return err
	}

	return r.publish(balancer)
}

// publish puts the ports on loopback, but for datagrams. What is internal is reached from its VPC only, and not
// from here.
func (r *Runner) publish(balancer Balancer) error {
	if !balancer.At.Public.IsValid() {
		return nil
	}

	// TCP is relayed by this process; datagrams would need a table of clients.
	ports := []int{}

	for _, rule := range balancer.Rules {
		if rule.EntryProtocol != UDP {
			ports = append(ports, rule.EntryPort)
		}
	}

	return r.published.Publish(balancer.At.Public, ports)
}

// write puts all files in place, and has HAProxy look at them before the one that runs does.
func (r *Runner) write(ctx context.Context, balancer Balancer, text string) error {
	running, _ := r.ask(balancer.ID, showHealth) // none runs: all targets are new
	attachment, err := json.Marshal(balancer.At)
	if err != nil {
		return err
	}

	// HAProxy reads the state file when it starts anew: targets that are healthy stay so over a reload.
	files := map[string]string{
		configFile:        text,
		stateFile:         serverStates(balancer, running),
		"attachment.json": string(attachment),
	}

	for _, rule := range balancer.Rules {
		if rule.encrypted() {
			files[certificateFile(rule.Certificate)] = rule.Certificate
		}
	}

	for name, data := range files {
		if _, err := file.Write(
			r.path(balancer.ID, name),
			[]byte(data),
			file.Options{},
		); err != nil {
			return err
		}
	}

	// A reload with a bad file would leave the old configuration in force without an answer to anybody.
	folder := r.path(balancer.ID, "")
	_, err = command.Run(ctx,
		command.Command{Args: []string{"haproxy", "-c", "-C", folder, "-f", configFile}},
	)

	return err
}

// reloadAgain is how long HAProxy may take until it gets the signal to reload once more. Its master starts anew after
// each reload, and loses a signal that comes at that moment.
const reloadAgain = time.Second

// reload makes HAProxy start, or read its files again.
func (r *Runner) reload(id string) error {
	// SIGUSR2 makes the master read its files and start new workers; the old ones finish their connections.
	if pid, ok := r.master(id); ok {
		if err := syscall.Kill(pid, syscall.SIGUSR2); err != nil {
			return fmt.Errorf("reload HAProxy: %w", err)
		}

		return nil
	}

	// -W runs a master, which outlives each reload of its workers.
	args := []string{
		"haproxy",
		"-W",
		"-C",
		r.path(id, ""),
		"-p",
		r.path(id, pidFile),
		"-f",
		configFile,
	}

	return r.places.Run(
		station(id),
		args,
		r.path(id, logFile),
	)
}

// load makes HAProxy take the files, and waits until it says that it has.
func (r *Runner) load(ctx context.Context, id, digest string) error {
	if err := r.reload(id); err != nil {
		return err
	}

	ctx, cancel := context.WithTimeoutCause(ctx,
		applyTimeout,
		fmt.Errorf("HAProxy does not answer with its new configuration: see %s", r.path(id, logFile)),
	)
	defer cancel()

	ticker, again := time.NewTicker(20*time.Millisecond), time.NewTicker(reloadAgain)
	defer ticker.Stop()
	defer again.Stop()

	for r.configured(id) != digest {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)

		case <-again.C:
			if pid, ok := r.master(id); ok {
				syscall.Kill(pid, syscall.SIGUSR2) // one that is gone is seen by the time-out
			}

		case <-ticker.C:
		}
	}

	return nil
}

// master finds HAProxy's master process among what runs in the load balancer's place.
func (r *Runner) master(id string) (int, bool) {
	// The pid file may be of a process that ended, whose number is somebody else's by now.
	running := r.places.Processes(station(id))
	text, err := os.ReadFile(r.path(id, pidFile))
	if err != nil {
		return 0, false
	}

	wanted, err := strconv.Atoi(strings.TrimSpace(string(text)))

	for _, pid := range running {
		if err == nil && pid == wanted {
			return pid, true
		}
	}

	return 0, false
}

// configured returns the digest of the configuration that HAProxy runs with; empty when none runs.
func (r *Runner) configured(id string) string {
	answer, err := r.ask(id, "show info")
	if err != nil {
		return ""
	}

	for line := range strings.Lines(answer) {
		if digest, ok := strings.CutPrefix(line, "description:"); ok {
			return strings.TrimSpace(digest)
		}
	}

	return ""
}

// ask sends a command to HAProxy's socket. The folder's path may be longer than a socket's can be: it is reached
// through the open folder.
func (r *Runner) ask(id, command string) (string, error) {
	folder, err := os.Open(r.path(id, ""))
	if err != nil {
		return "", err
	}
	defer folder.Close()

	connection, err := net.DialTimeout(
		"unix",
		fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), socketFile),
		time.Second,
	)
	if err != nil {
		return "", err
	}
	defer connection.Close()

	// HAProxy may be stopped, or between two workers: nobody waits for ever for its answer.
	connection.SetDeadline(time.Now().Add(5 * time.Second))

	if _, err := io.WriteString(connection, command+"\n"); err != nil {
		return "", err
	}

	answer, err := io.ReadAll(connection)

	return string(answer), err
}

// Remove ends a load balancer and removes all of it; nil when there is none.
func (r *Runner) Remove(ctx context.Context, id string) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	var at machine.Attachment
	text, err := os.ReadFile(r.path(id, "attachment.json"))
	if err == nil {
		err = json.Unmarshal(text, &at)
	}

	// Without the file it was never started completely, but its place may be there.
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove load balancer %s: %w", id, err)
	}

	// New connections from here end first.
	if at.Public.IsValid() {
		r.published.Withdraw(at.Public)
	}

	// The watch would put chains in force in a place that is going away.
	r.unwatch(id)

	if err := r.places.Detach(ctx, station(id), at); err != nil {
		return fmt.Errorf("remove load balancer %s: %w", id, err)
	}

	// The folder goes last: until then List names the load balancer, and Remove can be called again.
	return os.RemoveAll(r.path(id, ""))
}

// List names the load balancers that there are.
func (r *Runner) List() ([]string, error) {
	entries, err := os.ReadDir(r.folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list load balancers: %w", err)
	}

	names := make([]string, len(entries))

	for i, entry := range entries {
		names[i] = entry.Name()
	}

	return names, nil
}

// Published tells on which address of loopback a load balancer's address is reached; false when it is not.
func (r *Runner) Published(address netip.Addr) (netip.Addr, bool) {
	return r.published.Published(address)
}

// Close takes the load balancers off loopback. They themselves run on.
func (r *Runner) Close() {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	for id := range r.watches {
		r.unwatch(id)
	}

	r.published.Close()
}
