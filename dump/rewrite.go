package dump

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrRefused says that a statement is none that an import may run.
var ErrRefused = errors.New("refused")

// Target is where a dump goes.
type Target struct {
	// Database takes all tables, whatever the database was called that they come from.
	Database string
	// User owns what runs with somebody's rights: views, triggers, routines, events. It must be one of the cluster's.
	User string
	// From is the one database of the dump that is taken, when it has several; empty: there may be only one.
	From string
}

// Rewriter makes of a dump's statements those that a cluster keeps whole: tables of InnoDB, collations that both of
// Debian's servers know, no word about logs, accounts and other databases.
type Rewriter struct {
	target  Target
	current string // the dump's database that statements are about; empty when it named none
	changes map[string]int
	unkept  bool // statements are of a database that is not taken
}

// NewRewriter makes a Rewriter.
func NewRewriter(target Target) *Rewriter {
	return &Rewriter{
		target:  target,
		changes: map[string]int{},
	}
}

// Changes is what was changed or left out, a line each, with how often.
func (w *Rewriter) Changes() []string {
	lines := make([]string, 0, len(w.changes))
	for _, what := range slices.Sorted(maps.Keys(w.changes)) {
		lines = append(lines, fmt.Sprintf("%s (%d times)", what, w.changes[what]))
	}

	return lines
}

func (w *Rewriter) changed(format string, args ...any) {
	w.changes[fmt.Sprintf(format, args...)]++
}

// Rewrite is the statement to run; nil for one that is left out. Its errors are ErrRefused.
func (w *Rewriter) Rewrite(statement Statement) ([]byte, error) {
	rewritten, err := w.rewrite(statement.Text)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", statement.Line, err)
	}

	return rewritten, nil
}

func (w *Rewriter) rewrite(statement []byte) ([]byte, error) {
	first := firstTokens(statement, 8)
	if len(first) == 0 {
		return nil, nil
	}

	if first[0].is("use") {
		return nil, w.use(named(first, 1))
	}

	if w.unkept {
		return nil, nil
	}

	switch verb := strings.ToLower(first[0].text); verb {
	case "insert", "replace", "update", "delete", "truncate":
		return w.rows(statement, first)
	case "create", "alter", "drop", "rename":
		return w.definition(statement, first)
	case "set":
		return w.set(statement, first)
	case "lock", "unlock", "start", "begin", "commit", "rollback", "analyze", "optimize":
		// Each statement is a transaction of its own: one of a whole table would be more than a cluster takes at once.
		w.changed("left out: %s", strings.ToUpper(verb))
		return nil, nil
	case "flush", "reset", "purge", "change", "stop":
		w.changed("left out: %s, which is about another server's logs", strings.ToUpper(verb))
		return nil, nil
	case "grant", "revoke":
		w.changed("left out: accounts and their rights, which are the stack's own")
		return nil, nil
	case "select", "show", "do", "delimiter":
		return nil, nil
	default:
		return nil, fmt.Errorf("%w: %s is no statement of a dump", ErrRefused, strings.ToUpper(verb))
	}
}

// named is the name in a list of tokens, without quotes.
func named(list []token, at int) string {
	if at >= len(list) {
		return ""
	}

	return list[at].named()
}

// systemSchemas are the server's own databases. Their tables are no InnoDB, so a cluster does not replicate what is
// written into them: accounts would be left on one node.
var systemSchemas = []string{"mysql", "sys", "information_schema", "performance_schema"}

// IsSystem tells whether a database is the server's own.
func IsSystem(database string) bool {
	return slices.Contains(systemSchemas, strings.ToLower(database))
}

// use turns to another of the dump's databases.
func (w *Rewriter) use(database string) error {
	if w.target.From != "" {
		w.unkept = database != w.target.From
		w.current = database

		return nil
	}

	if IsSystem(database) {
		return fmt.Errorf(
			"%w: the dump goes on with the system database %s, whose rows stay on one node of a cluster; "+
				"name the one database that you want with --from",
			ErrRefused,
			database,
		)
	}

	if w.current != "" && w.current != database {
		return fmt.Errorf(
			"%w: the dump has more than one database: %s and %s; name the one that you want with --from",
			ErrRefused,
			w.current,
			database,
		)
	}

	w.current = database

	return nil
}

// beforeTables are keywords that may stand between a statement about rows and the table's name.
var beforeTables = []string{
	"into",
	"from",
	"ignore",
	"low_priority",
	"delayed",
	"high_priority",
	"table",
}

// rows are statements about rows: only where they go is looked at.
func (w *Rewriter) rows(statement []byte, first []token) ([]byte, error) {
	at := 1
	for at < len(first) && first[at].isOne(beforeTables...) {
		at++
	}

	if at+2 >= len(first) || first[at+1].text != "." {
		return statement, nil
	}

	if err := w.own(first[at].named()); err != nil {
		return nil, err
	}

	return w.unqualified(statement, first[at].text), nil
}

// own refuses a database that is not the one that the dump is about.
func (w *Rewriter) own(database string) error {
	if IsSystem(database) {
		return fmt.Errorf(
			"%w: %s is the server's own database: its rows stay on one node of a cluster",
			ErrRefused,
			database,
		)
	}

	if w.current != "" && database != w.current {
		return fmt.Errorf(
			"%w: the table is in the database %s, and the dump is of %s",
			ErrRefused,
			database,
			w.current,
		)
	}

	w.current = database

	return nil
}

// unqualified takes the first "database." out of a statement.
func (w *Rewriter) unqualified(statement []byte, database string) []byte {
	var out []byte

	for rest := statement; len(rest) > 0; {
		next := firstToken(rest)
		rest = rest[len(next.text):]

		if next.text == database && len(rest) > 0 && rest[0] == '.' {
			return append(append(out, ' '), rest[1:]...)
		}

		out = append(out, next.text...)
	}

	return out
}

// set keeps what a session needs, and leaves out what is about logs and the whole server.
func (w *Rewriter) set(statement []byte, first []token) ([]byte, error) {
	whole := strings.ToLower(string(statement[:min(len(statement), 4096)]))

	for _, about := range []string{"gtid", "sql_log_bin", "wsrep"} {
		if strings.Contains(whole, about) {
			w.changed("left out: settings of another server's logs")
			return nil, nil
		}
	}

	if strings.Contains(whole, "autocommit") {
		w.changed("left out: SET AUTOCOMMIT")
		return nil, nil
	}

	switch {
	case len(first) < 2:
		return nil, nil
	case first[1].is("password"):
		w.changed("left out: accounts and their rights, which are the stack's own")
		return nil, nil
	case first[1].is("global"), strings.Contains(whole, "@@global."):
		w.changed("left out: settings of the whole server")
		return nil, nil
	}

	list := tokens(statement)
	w.collations(list)

	return joined(list), nil
}
