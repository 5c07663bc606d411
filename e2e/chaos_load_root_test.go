//go:build root && (chaos || bench)

package e2e_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

const (
	accounts   = 8
	balance    = 1000
	askTimeout = 4 * time.Second
	pause      = 20 * time.Millisecond // of each client, between two requests
)

// load is clients of the database, through the proxies: one that writes rows with keys of their own, one that
// moves money between accounts, and some that read and write one register.
type load struct {
	site    *stack
	proxies []*sql.DB
	mutex   sync.Mutex
	rows    []acknowledged
	asked   atomic.Int64
	moved   atomic.Int64
	wrong   atomic.Pointer[string]
	history []porcupine.Operation

	outcomes []outcome
	epochs   []tenure // who was the writer, as far as the peer set told
	judged   int      // how many rows were held against them
	epoch    int      // in which of them the last of these rows was taken
}

// acknowledged is a row that the database said it has.
type acknowledged struct {
	id         string
	host       string // which database node took it
	begun, end time.Time
}

// newLoad connects and makes its tables.
func newLoad(t *testing.T, s *stack) *load {
	l := &load{
		site:    s,
		proxies: s.through("writer", map[string]string{"wsrep_sync_wait": "1"}),
	}

	for _, statement := range []string{
		"create table chaos_rows (id varchar(60) primary key, host varchar(60) not null) engine=InnoDB",
		"create table chaos_accounts (id int primary key, balance int not null) engine=InnoDB",
		"create table chaos_registers (id int primary key, value int not null) engine=InnoDB",
	} {
		_, err := l.proxies[0].ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}

	for id := range accounts {
		_, err := l.proxies[0].ExecContext(t.Context(), "insert into chaos_accounts values (?, ?)", id, balance)
		require.NoError(t, err)
	}

	return l
}

// round lets the clients work until stop is called, and returns what was acknowledged meanwhile.
func (l *load) round(number int) (stop func() result) {
	ctx, cancel := context.WithCancel(context.Background())
	first := len(l.rows)
	l.history = nil

	_, err := l.proxies[0].ExecContext(ctx, "insert into chaos_registers values (?, 0)", number)
	if err != nil {
		l.found("register of round %d: %v", number, err)
	}

	begun := time.Now()
	var group sync.WaitGroup
	group.Go(func() { l.write(ctx) })
	group.Go(func() { l.transfer(ctx) })

	for client := range 3 {
		group.Go(func() {
			l.register(ctx, number, client, begun)
		})
	}

	return func() result {
		cancel()
		group.Wait()
		return l.judge(first, begun)
	}
}

// found keeps something that must never be; the round ends before it is reported.
func (l *load) found(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	l.wrong.Store(&message)
}

// write adds rows with keys that nobody else has, over the other proxy after each failure.
func (l *load) write(ctx context.Context) {
	for proxy := 0; ctx.Err() == nil; {
		id := fmt.Sprintf("%d", l.asked.Add(1))
		row, err := l.add(ctx, l.proxies[proxy], id)
		if err == nil {
			l.mutex.Lock()
			l.rows = append(l.rows, row)
			l.mutex.Unlock()
		} else {
			proxy = 1 - proxy
		}

		time.Sleep(pause)
	}
}

// add is one row; the node that took it is asked for in the same transaction.
func (l *load) add(ctx context.Context, db *sql.DB, id string) (acknowledged, error) {
	row := acknowledged{
		id:    id,
		begun: time.Now(),
	}

	// The end of a round ends no transaction.
	tx, err := db.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return row, err
	}
	defer tx.Rollback()

	if err := tx.QueryRow("select @@wsrep_node_name").Scan(&row.host); err != nil {
		return row, err
	}

	_, err = tx.Exec("insert into chaos_rows values (?, ?)", id, row.host)
	if err != nil {
		return row, err
	}

	err = tx.Commit()
	row.end = time.Now()

	return row, err
}

// transfer moves money, and looks now and then whether any was lost or made.
func (l *load) transfer(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		db := l.proxies[n/50%2]

		from := rand.IntN(accounts)
		to := rand.IntN(accounts)

		err := move(db, from, to, rand.IntN(20))
		if err == nil {
			l.moved.Add(1)
		}

		if n%10 == 0 {
			l.count(db)
		}

		time.Sleep(pause)
	}
}

// count adds the money up. A database that does not answer is no finding here.
func (l *load) count(db *sql.DB) {
	var sum int
	err := db.QueryRow("select sum(balance) from chaos_accounts").Scan(&sum)
	if err == nil && sum != accounts*balance {
		l.found("the accounts hold %d, not %d", sum, accounts*balance)
	}
}

var errTooLittle = errors.New("too little in the account")

func move(db *sql.DB, from, to, amount int) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()

	var has int
	row := tx.QueryRow("select balance from chaos_accounts where id = ? for update", from)
	if err := row.Scan(&has); err != nil {
		return err
	}

	if has < amount {
		return errTooLittle
	}

	changes := map[int]int{
		from: -amount,
		to:   amount,
	}
	for id, by := range changes {
		if from == to {
			by = 0
		}

		_, err := tx.Exec("update chaos_accounts set balance = balance + ? where id = ?", by, id)
		if err != nil {
			return err
		}
	}

	return tx.Commit()
}

// access is what a client does to a register.
type access struct {
	write bool
	value int
}

// register reads and writes one register in turn, and remembers what it was told and when.
func (l *load) register(ctx context.Context, key, client int, begun time.Time) {
	for n := 0; ctx.Err() == nil; n++ {
		db := l.proxies[(client+n/20)%2]
		asked := access{}
		if n%2 == 0 {
			asked = access{
				write: true,
				value: client + 3*n + 1,
			}
		}

		op := porcupine.Operation{
			ClientId: client,
			Input:    asked,
			Call:     time.Since(begun).Nanoseconds(),
		}
		read, err := asked.of(db, key)
		op.Output = read
		op.Return = time.Since(begun).Nanoseconds()

		// A write without an answer may happen at any time after it was asked for.
		if err != nil && asked.write {
			op.Return = time.Hour.Nanoseconds()
		}

		if err == nil || asked.write {
			l.mutex.Lock()
			l.history = append(l.history, op)
			l.mutex.Unlock()
		}

		if err != nil {
			client += 3 // as one more client: the old one's request may still be under way
		}

		time.Sleep(2 * pause)
	}
}

// of accesses a register, and returns what was read.
func (a access) of(db *sql.DB, key int) (read int, err error) {
	if a.write {
		_, err = db.Exec("update chaos_registers set value = ? where id = ?", a.value, key)
	} else {
		err = db.QueryRow("select value from chaos_registers where id = ?", key).Scan(&read)
	}

	return read, err
}

// result is what a round showed.
type result struct {
	rows         int
	gap          time.Duration // the longest without an acknowledged row
	writers      int           // how often another node took the rows
	linearizable porcupine.CheckResult
}

func (l *load) judge(first int, begun time.Time) result {
	r := result{rows: len(l.rows) - first}
	last := begun
	host := ""

	for _, row := range l.rows[first:] {
		r.gap = max(r.gap, row.end.Sub(last))
		last = row.end

		if host != "" && host != row.host {
			r.writers++
		}

		host = row.host
	}

	r.gap = max(r.gap, time.Since(last))
	r.linearizable = porcupine.CheckOperationsTimeout(registerModel(), l.history, 20*time.Second)

	return r
}

func registerModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return 0 },
		Step: func(state, input, output any) (bool, any) {
			if asked := input.(access); asked.write {
				return true, asked.value
			}

			return output == state, state
		},
	}
}
