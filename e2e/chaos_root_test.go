//go:build root && (chaos || bench)

package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

const (
	// healsWithin is how long the stack may take to be whole again, with nobody's help, after the worst that
	// happens here.
	healsWithin = 4 * time.Minute
	// pairs of faults: one round in three.
	pairsIn = 3
)

const roundLine = "%-5v %-60s %6v %8s %8s %8v  %v\n"

// TestChaos breaks things at random under load, singly and in pairs, and looks after each whether the stack is
// whole again by itself; in the end every acknowledged row must be on every node and no money lost.
// CHAOS_FAULTS says how many faults (200), CHAOS_SEED repeats the draws of an earlier run.
func TestChaos(t *testing.T) {
	count := number(t, "CHAOS_FAULTS", 200)
	seed := number(t, "CHAOS_SEED", time.Now().UnixNano())
	fmt.Printf("CHAOS_SEED=%d CHAOS_FAULTS=%d\n", seed, count)

	dice := rand.New(rand.NewPCG(uint64(seed), 0))
	s := launch(t)
	s.untilHealthy()

	l := newLoad(t, s)
	t.Cleanup(func() { fmt.Print(tally(l)) })
	fmt.Printf(roundLine, "round", "fault", "rows", "gap", "heals", "writers", "register")

	for round := 1; count > 0; round++ {
		drawn := drawFaults(dice)
		count -= int64(len(drawn))
		s.oneRound(l, round, drawn, dice)

		if round%10 == 0 {
			s.keeps(l)
		}
	}

	s.keeps(l)
}

// drawFaults draws one fault, and now and then two.
func drawFaults(dice *rand.Rand) []fault {
	drawn := []fault{faults[dice.IntN(len(faults))]}
	if dice.IntN(pairsIn) == 0 {
		drawn = append(drawn, faults[dice.IntN(len(faults))])
	}

	return drawn
}

// oneRound strikes, and judges what the clients saw.
func (s *stack) oneRound(l *load, round int, drawn []fault, dice *rand.Rand) {
	s.t.Helper()
	r, heals, what := s.strike(l, round, drawn, dice)
	l.outcomes = append(l.outcomes, outcome{
		kind:  kind(drawn),
		gap:   r.gap,
		heals: heals,
	})
	fmt.Printf(
		roundLine,
		round,
		what,
		r.rows,
		seconds(r.gap),
		seconds(heals),
		r.writers,
		r.linearizable,
	)

	const impossible = "the register's history is not one that a single copy could have"
	require.NotEqual(s.t, porcupine.Illegal, r.linearizable, impossible)
	s.oneWriterAnEpoch(l)

	if wrong := l.wrong.Load(); wrong != nil {
		s.t.Fatal(*wrong)
	}
}

func seconds(d time.Duration) string {
	return fmt.Sprintf("%.1fs", d.Seconds())
}

func number(t *testing.T, name string, otherwise int64) int64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}

	n, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err, name)

	return n
}

// strike breaks what was drawn under load, mends it after a few seconds, and waits until the stack is whole.
func (s *stack) strike(l *load, round int, drawn []fault, dice *rand.Rand) (
	r result, heals time.Duration, what string,
) {
	stop := l.round(round)
	time.Sleep(time.Second) // of a load that nothing disturbs

	names := []string{}
	mends := []func(){}
	d := &draw{dice, map[string]bool{}}

	for _, one := range drawn {
		on, mended := one.strike(s, d)
		names = append(names, one.name+" "+on)
		mends = append(mends, mended)
		time.Sleep(time.Duration(dice.IntN(1500)) * time.Millisecond)
	}

	// Long enough for the peer set and Galera to act on what they miss.
	time.Sleep(time.Duration(3+dice.IntN(6)) * time.Second)

	for _, mended := range mends {
		mended()
	}

	mended := time.Now()
	struck := strings.Join(names, " and ")
	require.Eventually(s.t, s.whole, healsWithin, 500*time.Millisecond, "whole again by itself after %s", struck)

	heals = time.Since(mended)
	time.Sleep(time.Second) // of a load on a stack that is whole

	return stop(), heals, strings.Join(names, ", ")
}

// keeps looks on every database node for every acknowledged row, and counts the money.
func (s *stack) keeps(l *load) {
	s.t.Helper()

	rows := make([]string, len(l.rows))
	for i, row := range l.rows {
		rows[i] = row.id
	}

	for _, db := range databases {
		s.hasAll(db, s.tells(db, "select id from chaos_rows"), rows)

		sum := s.tells(db, "select sum(balance) from chaos_accounts")
		require.Equal(s.t, strconv.Itoa(accounts*balance), sum, db)
	}
}

// tells asks a database node for what is in it when all that was written before is. A server that was frozen
// finds a second or two after it thawed that it was shut out, and answers nothing then until it is synced
// again.
func (s *stack) tells(db, question string) (answer string) {
	s.t.Helper()

	require.Eventually(s.t, func() bool {
		out, err := s.tryOn(db, "mariadb -N wordpress -e 'set session wsrep_sync_wait=1; "+question+"'")
		answer = strings.TrimSpace(out)

		if err != nil {
			s.t.Logf("%s: %v %s", db, err, out)
		}

		return err == nil
	}, healsWithin, time.Second, "%s answers", db)

	return answer
}
