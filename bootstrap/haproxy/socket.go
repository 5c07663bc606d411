package haproxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

const socketTimeout = 2 * time.Second

// Socket is HAProxy's run-time API.
type Socket struct{ Path string }

// Servers reads the state of every server.
func (s Socket) Servers(ctx context.Context) ([]Server, error) {
	text, err := s.ask(ctx, "show servers state")
	if err != nil {
		return nil, err
	}
	return parseServers(text)
}

// Do sends commands, in order, and stops at the first that HAProxy does not take.
func (s Socket) Do(ctx context.Context, commands []string) error {
	for _, command := range commands {
		said, err := s.ask(ctx, command)
		if err != nil {
			return err
		}
		if said = strings.TrimSpace(said); said != "" && !harmless(said) {
			return fmt.Errorf("tell HAProxy %q: %s", command, said)
		}
	}
	return nil
}

// harmless tells HAProxy's notes on what it did ("IP changed from ...", "no need to change ...") from refusals.
func harmless(said string) bool {
	return strings.Contains(said, "changed from") || strings.Contains(said, "no need to change")
}

func (s Socket) ask(ctx context.Context, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, socketTimeout)
	defer cancel()
	connection, err := (&net.Dialer{}).DialContext(ctx, "unix", s.Path)
	if err != nil {
		return "", fmt.Errorf("ask HAProxy: %w", err)
	}
	defer connection.Close()
	deadline, _ := ctx.Deadline()
	if err := connection.SetDeadline(deadline); err != nil {
		return "", err
	}
	if _, err := io.WriteString(connection, command+"\n"); err != nil {
		return "", fmt.Errorf("ask HAProxy: %w", err)
	}
	said, err := io.ReadAll(connection)
	if err != nil {
		return "", fmt.Errorf("ask HAProxy %q: %w", command, err)
	}
	return string(said), nil
}

// parseServers reads the table of "show servers state" by the names in its header.
func parseServers(text string) ([]Server, error) {
	var header []string
	var servers []Server
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] == "#" {
			header = fields[1:]
			continue
		}
		if len(header) == 0 || len(fields) < len(header) {
			continue
		}
		server, err := parseServer(header, fields)
		if err != nil {
			return nil, err
		}
		servers = append(servers, server)
	}
	if len(header) == 0 {
		return nil, fmt.Errorf("read servers from HAProxy: no header in %.100q", text)
	}
	return servers, nil
}

func parseServer(header, fields []string) (Server, error) {
	column := func(name string) string {
		if i := slices.Index(header, name); i >= 0 {
			return fields[i]
		}
		return ""
	}
	op, err := strconv.Atoi(column("srv_op_state"))
	if err != nil {
		return Server{}, fmt.Errorf("read servers from HAProxy: %w", err)
	}
	admin, err := strconv.Atoi(column("srv_admin_state"))
	if err != nil {
		return Server{}, fmt.Errorf("read servers from HAProxy: %w", err)
	}
	return Server{Backend: column("be_name"), Name: column("srv_name"), Address: column("srv_addr"), Op: op, Admin: admin}, nil
}
