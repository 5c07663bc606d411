package haproxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Socket is a running HAProxy, reached through its sockets (management guide, "Unix Socket commands", "Master CLI").
type Socket struct {
	Path   string // of the process that accepts connections: "stats socket" in its configuration
	Master string // of the master process, -S on its command line
}

// Admin states of a server that are not inherited (haproxy, server-t.h: SRV_ADMF_FMAINT, SRV_ADMF_CMAINT).
const (
	forcedMaintenance     = 0x01
	configuredMaintenance = 0x04
)

const (
	operationStopped = 0 // SRV_ST_STOPPED
	resultPassed     = 3 // CHK_RES_PASSED
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

// Tell gives the process one command.
func (s Socket) Tell(ctx context.Context, command string) (string, error) { return ask(ctx, s.Path, command) }

// Sessions counts the connections of clients.
func (s Socket) Sessions(ctx context.Context) (int, error) {
	text, err := ask(ctx, s.Path, "show stat -1 1 -1") // every frontend
	if err != nil {
		return 0, err
	}
	rows, err := table(text)
	total := 0
	for _, row := range rows {
		if name := row["pxname"]; name == writerBackend || name == readersBackend {
			count, _ := strconv.Atoi(row["scur"])
			total += count
		}
	}
	return total, err
}

// TellOld gives commands to each process that a reload left behind.
func (s Socket) TellOld(ctx context.Context, commands []string) (int, error) {
	text, err := ask(ctx, s.Master, "show proc")
	if err != nil {
		return 0, err
	}
	old := oldProcesses(text)
	var errs []error
	for _, pid := range old {
		for _, command := range commands {
			if _, err := ask(ctx, s.Master, fmt.Sprintf("@!%d %s", pid, command)); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return len(old), errors.Join(errs...)
}

// ask sends one command and returns the answer. HAProxy closes the connection after it.
func ask(ctx context.Context, path, command string) (string, error) {
	connection, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	stop := context.AfterFunc(ctx, func() { connection.SetDeadline(time.Now()) })
	defer stop()
	if _, err := io.WriteString(connection, command+"\n"); err != nil {
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
			servers = append(servers, server)
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
	result, err3 := strconv.Atoi(row["srv_check_result"])
	if err := errors.Join(err1, err2, err3); err != nil {
		return Server{}, fmt.Errorf("%w: %w", errUnexpected, err)
	}
	return Server{
		Backend: row["be_name"], Name: row["srv_name"], Address: row["srv_addr"],
		Maintenance: admin&(forcedMaintenance|configuredMaintenance) != 0,
		Up:          operation != operationStopped,
		Passed:      result == resultPassed,
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
