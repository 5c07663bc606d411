package haproxy

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/pause"
)

// Socket is a running HAProxy, reached through its sockets (management guide, "Unix Socket commands", "Master CLI").
type Socket struct {
	Path   string // of the process that accepts connections: "stats socket" in its configuration
	Master string // of the master process, -S on its command line
}

// From HAProxy's management guide, "show servers state".
const (
	forcedMaintenance = 0x01 // in srv_admin_state, by command or by "disabled"; inherited states have other bits
	operationStopped  = 0    // srv_op_state
	// srv_check_health of a server that counts as up without having been checked is its "rise", 1 in our
	// configuration; each pass lifts it to rise+fall-1 and each failure takes one. srv_check_result would tell
	// nothing while a check runs.
	healthUnchecked = 1
)

var errUnexpected = errors.New("HAProxy answers what this bootstrap does not understand")

// State reads the servers of the process.
func (s Socket) State(ctx context.Context) ([]Server, error) {
	text, err := ask(ctx, s.Path, "show servers state")
	if err != nil {
		return nil, err
	}

	return parseState(text)
}

// Tell gives the process commands in one line, which it works off without a pause.
func (s Socket) Tell(ctx context.Context, commands []string) (string, error) {
	return ask(ctx, s.Path, strings.Join(commands, "; "))
}

// Current lists the sessions of the process.
func (s Socket) Current(ctx context.Context) ([]Session, error) {
	text, err := ask(ctx, s.Path, "show sess")
	return parseSessions(0, text), err
}

// Sessions counts the connections of clients.
func (s Socket) Sessions(ctx context.Context) (int, error) {
	// All proxies (-1), frontends only (1), all servers (-1).
	text, err := ask(ctx, s.Path, "show stat -1 1 -1")
	if err != nil {
		return 0, err
	}

	rows, err := table(text)
	total := 0

	for _, row := range rows {
		if name := row["pxname"]; name == writerBackend || name == readersBackend || name == sitesFrontend {
			count, _ := strconv.Atoi(row["scur"])
			total += count
		}
	}

	return total, err
}

// Left lists the sessions in processes that a reload left behind. Those obey no command about their servers any more
// ("Proxy is disabled"), only about single sessions.
func (s Socket) Left(ctx context.Context) ([]Session, error) {
	text, err := ask(ctx, s.Master, "show proc")
	if errors.Is(err, fs.ErrNotExist) {
		// There is no master to ask: before HAProxy 1.9, hard-stop-after ends the old processes.
		return nil, nil
	}

	if err != nil {
		return nil, err
	}

	var left []Session
	var errs []error

	for _, pid := range oldProcesses(text) {
		text, err := ask(ctx, s.Master, fmt.Sprintf("@!%d show sess", pid))

		// An old process may end while it is asked: the others still answer.
		errs = append(errs, err)
		left = append(left, parseSessions(pid, text)...)
	}

	return left, errors.Join(errs...)
}

// Ended returns a channel that gets word when the master process ends, or starts itself anew for a reload: its
// connections end with it. It gets word every second while there is no master to wait for. Word that nobody
// took yet is given once.
func (s Socket) Ended(ctx context.Context) <-chan struct{} {
	ended := pause.NewBell()

	go func() {
		for ctx.Err() == nil {
			s.untilEnded(ctx)
			ended.Ring()
			pause.For(ctx, time.Second)
		}
	}()

	return ended
}

// untilEnded waits until the master ends a connection.
func (s Socket) untilEnded(ctx context.Context) {
	connection, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: s.Master, Net: "unix"})
	if err != nil {
		return
	}
	defer connection.Close()
	defer context.AfterFunc(ctx, func() { connection.Close() })()

	// The master says nothing unless it is asked, so this returns when the connection ends.
	_, _ = io.Copy(io.Discard, connection)
}

// mostEnds is how many sessions are ended with one line: HAProxy reads at most 16 KiB of one (tune.bufsize).
const mostEnds = 100

// End ends sessions: those of the process many at a time, those of an old one singly, as the master takes them.
func (s Socket) End(ctx context.Context, sessions []Session) error {
	var errs []error
	var current []string

	for _, session := range sessions {
		command := "shutdown session " + session.ID
		if session.PID == 0 {
			current = append(current, command)
			continue
		}

		// The master passes one command at a time to an old process.
		_, err := ask(ctx, s.Master, fmt.Sprintf("@!%d %s", session.PID, command))
		errs = append(errs, err)
	}

	for commands := range slices.Chunk(current, mostEnds) {
		_, err := s.Tell(ctx, commands)
		errs = append(errs, err)
	}

	return errors.Join(errs...)
}

// ask sends one command and returns the answer. The process closes the connection after it; the master does so
// only when nothing more can come.
func ask(ctx context.Context, path, command string) (string, error) {
	connection, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return "", err
	}
	defer connection.Close()

	// A read does not heed ctx: a deadline in the past ends it.
	stop := context.AfterFunc(ctx, func() { connection.SetDeadline(time.Now()) })
	defer stop()

	if _, err := io.WriteString(connection, command+"\n"); err != nil {
		return "", fmt.Errorf("ask HAProxy: %w", err)
	}

	// The master closes the connection only when no further command can come.
	if err := connection.CloseWrite(); err != nil {
		return "", fmt.Errorf("ask HAProxy: %w", err)
	}

	answer, err := io.ReadAll(connection)
	if err != nil {
		return "", fmt.Errorf("ask HAProxy: %w", err)
	}

	return strings.TrimSpace(string(answer)), nil
}

// parseState reads "show servers state": a version, a header after "#", a server a line.
func parseState(text string) ([]Server, error) {
	scanner := bufio.NewScanner(strings.NewReader(text))
	var header []string
	var servers []Server

	for scanner.Scan() {
		line, isHeader := strings.CutPrefix(scanner.Text(), "# ")
		fields := strings.Fields(line)

		switch {
		case isHeader:
			header = fields

		case len(fields) > 1 && len(fields) >= len(header) && header != nil:
			server, err := parseServer(header, fields)
			if err != nil {
				return nil, err
			}

			if server.Name != nobody {
				servers = append(servers, server)
			}
		}
	}

	if header == nil {
		return nil, fmt.Errorf("%w: %.200q", errUnexpected, text)
	}

	return servers, scanner.Err()
}

func parseServer(header, fields []string) (Server, error) {
	row := map[string]string{}

	for i, name := range header {
		row[name] = fields[i]
	}

	admin, err1 := strconv.Atoi(row["srv_admin_state"])
	operation, err2 := strconv.Atoi(row["srv_op_state"])
	health, err3 := strconv.Atoi(row["srv_check_health"])
	weight, err4 := strconv.Atoi(row["srv_uweight"])

	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return Server{}, fmt.Errorf("%w: %w", errUnexpected, err)
	}

	return Server{
		Backend:     row["be_name"],
		Name:        row["srv_name"],
		Address:     row["srv_addr"],
		Weight:      weight,
		Maintenance: admin&forcedMaintenance != 0,
		Up:          operation != operationStopped,
		Passed:      health > healthUnchecked,
		Health:      health,
	}, nil
}

// table reads "show stat": CSV with a header after "#". No field that is read here holds a comma or a quote.
func table(text string) ([]map[string]string, error) {
	first, rest, _ := strings.Cut(text, "\n")

	header, ok := strings.CutPrefix(first, "# ")
	if !ok {
		return nil, fmt.Errorf("%w: %.200q", errUnexpected, text)
	}

	columns := strings.Split(header, ",")
	var rows []map[string]string

	for line := range strings.Lines(rest) {
		row := map[string]string{}

		for i, value := range strings.Split(strings.TrimSpace(line), ",") {
			if i < len(columns) {
				row[columns[i]] = value
			}
		}

		rows = append(rows, row)
	}

	return rows, nil
}

// oldProcesses reads the process ids under "# old workers" of the master's "show proc".
func oldProcesses(text string) []int {
	var pids []int
	old := false

	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "# ") {
			old = strings.HasPrefix(line, "# old workers")
			continue
		}

		fields := strings.Fields(line)
		if !old || len(fields) < 2 || fields[1] != "worker" {
			continue
		}

		if pid, err := strconv.Atoi(fields[0]); err == nil {
			pids = append(pids, pid)
		}
	}

	return pids
}

// parseSessions reads "show sess": an identity, a colon, and key=value pairs. Whether the server answered is
// the first number of its side of the session, "scb" or "s1": 8, or 7 before HAProxy 2.0.
func parseSessions(pid int, text string) []Session {
	var sessions []Session

	for line := range strings.Lines(text) {
		id, rest, ok := strings.Cut(line, ": ")
		if !ok || !strings.HasPrefix(id, "0x") {
			continue
		}

		values := map[string]string{}

		for _, field := range strings.Fields(rest) {
			key, value, _ := strings.Cut(field, "=")
			if _, twice := values[key]; !twice {
				values[key] = value
			}
		}

		side := cmp.Or(values["scb"], values["s1"])
		state, _, _ := strings.Cut(strings.TrimPrefix(side, "["), ",")

		if server := values["srv"]; server != "" && server != "<none>" {
			sessions = append(sessions, Session{
				PID:       pid,
				ID:        id,
				Server:    values["be"] + "/" + server,
				Connected: state == "7" || state == "8",
			})
		}
	}

	return sessions
}
