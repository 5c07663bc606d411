package galera

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/hornero/hornero/internal/pause"
)

// errSlow says which side ended a statement.
var errSlow = errors.New("the server did not get it done in time")

// probeTimeout bounds one question to the server; a server that is this late serves nobody.
const probeTimeout = time.Second

// What else the driver's loop has the server do is bounded too: meanwhile the node says nothing new.
const (
	applyTimeout  = 10 * time.Second
	reformTimeout = 5 * time.Second
)

// Server talks to the local server as root through its unix socket, over one connection that is kept.
type Server struct {
	socket  string
	db      *sql.DB
	process *process
	touched pause.Bell // it changed
}

// Dial prepares the connection; nothing is opened before the first question.
func Dial(socket string) (*Server, error) {
	process := &process{ended: make(chan string)}

	db, err := open(socket, false, process.dial)
	if err != nil {
		return nil, err
	}

	// The one connection also tells which process is the server.
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)

	return &Server{
		socket:  socket,
		db:      db,
		process: process,
		touched: pause.NewBell(),
	}, nil
}

// open prepares connections; dial makes them, nil for the usual way.
func open(
	socket string,
	statements bool,
	dial func(ctx context.Context, network, address string) (net.Conn, error),
) (*sql.DB, error) {
	config := mysql.NewConfig()
	config.User = "root"
	config.Net = "unix"
	config.Addr = socket
	config.MultiStatements = statements
	config.DialFunc = dial
	config.Timeout = probeTimeout
	config.ReadTimeout = 0
	config.Logger = silent{}

	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", socket, err)
	}

	return sql.OpenDB(connector), nil
}

type silent struct{}

func (silent) Print(...any) {}

// Close ends the connection.
func (s *Server) Close() error {
	return s.db.Close()
}

const probe = `SHOW GLOBAL STATUS WHERE Variable_name IN (
 'wsrep_cluster_status', 'wsrep_cluster_size', 'wsrep_cluster_conf_id', 'wsrep_ready', 'wsrep_last_committed',
 'wsrep_local_state', 'wsrep_local_state_uuid', 'wsrep_gcomm_uuid', 'wsrep_evs_evict_list', 'wsrep_incoming_addresses',
 'wsrep_flow_control_paused_ns', 'wsrep_flow_control_sent')`

// Probe asks the server for its own view.
func (s *Server) Probe(ctx context.Context) (Wsrep, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()

	rows, err := s.db.QueryContext(ctx, probe)
	if err != nil {
		return Wsrep{}, fmt.Errorf("ask for wsrep status: %w", err)
	}
	defer rows.Close()

	status := map[string]string{}

	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return Wsrep{}, fmt.Errorf("read wsrep status: %w", err)
		}

		status[name] = value
	}

	if err := rows.Err(); err != nil {
		return Wsrep{}, fmt.Errorf("read wsrep status: %w", err)
	}

	// Once the server has ended it cannot be asked any more which member it was.
	w := parseStatus(status)
	s.process.setMember(w.Member)

	return w, nil
}

// Ended tells of a server that answered a probe and has ended since: the member of Galera's view that it was.
func (s *Server) Ended() <-chan string {
	return s.process.ended
}

func parseStatus(status map[string]string) Wsrep {
	w := Wsrep{
		ClusterStatus: status["wsrep_cluster_status"],
		Ready:         status["wsrep_ready"] == "ON",
		UUID:          status["wsrep_local_state_uuid"],
		Member:        status["wsrep_gcomm_uuid"],
		Evicted:       status["wsrep_evs_evict_list"] != "",
		Seqno:         UnknownSeqno,
	}

	// What is missing, or no number, reads as 0: no state or size of a server that serves.
	w.LocalState, _ = strconv.Atoi(status["wsrep_local_state"])
	w.Size, _ = strconv.Atoi(status["wsrep_cluster_size"])
	w.Views, _ = strconv.ParseInt(status["wsrep_cluster_conf_id"], 10, 64)
	w.Paused, _ = strconv.ParseInt(status["wsrep_flow_control_paused_ns"], 10, 64)
	w.PausesAsked, _ = strconv.ParseInt(status["wsrep_flow_control_sent"], 10, 64)

	if seqno, err := strconv.ParseInt(status["wsrep_last_committed"], 10, 64); err == nil {
		w.Seqno = seqno
	}

	for address := range strings.SplitSeq(status["wsrep_incoming_addresses"], ",") {
		host, _, err := net.SplitHostPort(address)

		switch {
		case err == nil:
			w.Incoming = append(w.Incoming, host)

		// An arbitrator takes no clients, so its place in the list is empty.
		case strings.TrimSpace(address) == "" && w.Size > 0:
			w.Arbiters++
		}
	}

	return w
}

// Apply runs a file of statements. Its secrets travel through the socket only, and an error keeps the server's number
// but not its words, which quote the statement.
func (s *Server) Apply(ctx context.Context, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("apply %s: %w", path, err)
	}

	// The file has many statements, and the kept connection takes one at a time.
	db, err := open(s.socket, true, nil)
	if err != nil {
		return fmt.Errorf("apply %s: %w", path, err)
	}
	defer db.Close()

	ctx, cancel := context.WithTimeoutCause(ctx, applyTimeout, errSlow)
	defer cancel()

	if _, err := db.ExecContext(ctx, string(text)); err != nil {
		return fmt.Errorf("apply %s: %w", path, withoutWords(cmp.Or(context.Cause(ctx), err)))
	}

	return nil
}

// withoutWords keeps the server's words, which quote secrets, out of an error.
func withoutWords(err error) error {
	var refused *mysql.MySQLError
	if !errors.As(err, &refused) {
		return err
	}

	state := string(refused.SQLState[:])

	return fmt.Errorf("the server refused a statement: number %d, state %s", refused.Number, state)
}

// refusedWith tells whether the server refused a statement with a number.
func refusedWith(err error, number uint16) bool {
	var refused *mysql.MySQLError
	return errors.As(err, &refused) && refused.Number == number
}

// session is a client's, over TCP.
type session struct {
	id   int64
	busy bool // it is in a transaction
	idle bool // it is between two: it has none, and asks for nothing
}

// clients are the sessions over TCP, whether each is in a transaction, and whether it is between two (MariaDB knowledge
// base, Information Schema PROCESSLIST and INNODB_TRX).
const clients = `SELECT p.id, t.trx_id IS NOT NULL, p.command = 'Sleep' AND t.trx_id IS NULL
 FROM information_schema.processlist p
 LEFT JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id WHERE p.host LIKE '%:%'`

// sessions are the clients'. The kept connection is free for other statements when they are read.
func (s *Server) sessions(ctx context.Context) ([]session, error) {
	rows, err := s.db.QueryContext(ctx, clients)
	if err != nil {
		return nil, fmt.Errorf("look for clients: %w", err)
	}
	defer rows.Close()

	var all []session

	for rows.Next() {
		var one session
		if err := rows.Scan(&one.id, &one.busy, &one.idle); err != nil {
			return nil, fmt.Errorf("look for clients: %w", err)
		}

		all = append(all, one)
	}

	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look for clients: %w", err)
	}

	return all, nil
}

// unknownThread is the server's number for a session that is gone (MariaDB error codes, 1094).
const unknownThread = 1094

// Disconnect ends the sessions of clients that are in no transaction, and returns how many are left.
func (s *Server) Disconnect(ctx context.Context) (left int, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()

	all, err := s.sessions(ctx)
	if err != nil {
		return 0, err
	}

	for _, one := range all {
		if !one.idle {
			continue
		}

		if err := s.end(ctx, one.id); err != nil {
			return len(all), err
		}
	}

	return len(all), nil
}

// end ends a client's session, which may have gone by itself meanwhile.
func (s *Server) end(ctx context.Context, session int64) error {
	_, err := s.db.ExecContext(ctx, fmt.Sprintf("KILL CONNECTION %d", session))
	if err != nil && !refusedWith(err, unknownThread) {
		return fmt.Errorf("end a client's session: %w", err)
	}

	return nil
}

// unknownVariable is the server's number for a variable that it does not have (MariaDB error codes, 1193).
const unknownVariable = 1193

// Reform makes the running component primary.
func (s *Server) Reform(ctx context.Context) error {
	err := s.setOption(ctx, reformTimeout, "wsrep_provider_pc_bootstrap=ON", "pc.bootstrap=YES")
	if err != nil {
		return fmt.Errorf("form the primary component again: %w", err)
	}

	return nil
}

// Evict takes a member out of Galera's view at once, by its UUID, and "" forgets all who were evicted (Galera
// documentation, evs.evict). The next server on its node is another member.
func (s *Server) Evict(ctx context.Context, member string) error {
	variable := "wsrep_provider_evs_evict='" + member + "'"
	option := "evs.evict=" + member

	if err := s.setOption(ctx, probeTimeout, variable, option); err != nil {
		return fmt.Errorf("evict member %s: %w", member, err)
	}

	return nil
}

// setOption sets an option of the running provider. MariaDB 11.4 and later have a variable for each and refuse the old
// way while they do.
func (s *Server) setOption(ctx context.Context, patience time.Duration, variable, option string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
	defer cancel()

	_, err := s.db.ExecContext(ctx, "SET GLOBAL "+variable)
	if refusedWith(err, unknownVariable) {
		_, err = s.db.ExecContext(ctx, "SET GLOBAL wsrep_provider_options='"+option+"'")
	}

	if err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}

	return nil
}
