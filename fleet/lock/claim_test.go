package lock_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet/lock"
)

var someday = time.Unix(1_800_000_000, 0)

func someClaim() lock.Claim {
	return lock.Claim{
		Nonce: "3f9a1c2b",
		By:    "tom@laptop",
		Process: lock.Process{
			Machine: "abcdEFG-",
			PID:     42,
			Start:   "7788",
		},
		Command: "replace db-2",
		Step:    "db-2: drains",
		Since:   someday,
		Until:   someday.Add(time.Minute),
	}
}

// look reads a text as a lock.
func look(t *testing.T, text string) lock.Sight {
	t.Helper()

	one := lock.Locker{
		Register: &register{text: text},
		Times:    lock.DefaultTimes,
	}

	sight, err := one.Look(t.Context())
	require.NoError(t, err)

	return sight
}

func TestAClaimIsReadAsItWasWritten(t *testing.T) {
	require.Equal(t,
		"hornero:lock:1 nonce=3f9a1c2b by=tom@laptop process=abcdEFG-.42.7788 command=replace%20db-2 "+
			"since=1800000000 until=1800000060 step=db-2:%20drains",
		someClaim().String(),
	)

	leaving := someClaim()
	leaving.Leaving = true
	leaving.Process = lock.Process{}
	leaving.Step = ""

	odd := someClaim()
	odd.By = "Jürgen|%20 x=y@höst"
	odd.Command = "\x00\n=|%"

	for _, claim := range []lock.Claim{someClaim(), leaving, odd} {
		require.Equal(t, claim, look(t, claim.String()).Claim)
	}
}

func TestAClaimFitsInADescription(t *testing.T) {
	claim := someClaim()
	claim.By = strings.Repeat("ü ", 200)
	claim.Command = strings.Repeat("%", 200)
	claim.Step = strings.Repeat("ab ", 200)
	claim.Process.PID = 4_194_304
	claim.Process.Start = "123456789012"
	claim.Leaving = true
	require.LessOrEqual(t, len(claim.String()), lock.MaxText)

	read := look(t, claim.String())
	require.NotEqual(t, lock.Unreadable, read.State)
	require.NotEmpty(t, read.Claim.By)
	require.Contains(t, claim.By, read.Claim.By, "cut, and not within a letter")
	require.Contains(t, claim.Command, read.Claim.Command)
}

func TestWhatIsNoClaimOfThisVersionIsTold(t *testing.T) {
	good := someClaim().String()

	but := func(part, other string) string {
		return strings.Replace(good, part, other, 1)
	}

	for text, state := range map[string]string{
		"":                              lock.Free,
		"the shop's network":            lock.Free,
		"hornero:lock:1 free":           lock.Free,
		"hornero:lock:1 free, and more": lock.Free,
		good:                            lock.Taken,
		good + " | the shop's network":  lock.Taken,

		but(":1 ", ":2 "):                  lock.Unreadable,
		"hornero:lock:1":                   lock.Unreadable,
		good + " more=1":                   lock.Unreadable,
		good + " nonce=3f9a1c2b":           lock.Unreadable,
		good + " leaving=yes":              lock.Unreadable,
		good + "%zz":                       lock.Unreadable,
		good + " ":                         lock.Unreadable,
		but("nonce=3f9a1c2b ", ""):         lock.Unreadable,
		but("by=tom@laptop", "by="):        lock.Unreadable,
		but("1800000060", "tomorrow"):      lock.Unreadable,
		but("abcdEFG-.42.", "abcdEFG-."):   lock.Unreadable,
		but("abcdEFG-.42.", "abcdEFG-.-1"): lock.Unreadable,
	} {
		require.Equal(t, state, look(t, text).State, text)
	}
}

func TestAnUnreadableLockIsHeldUntilItIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &register{text: "hornero:lock:2 something new"}
		tom := newRun(t, r, "tom@laptop")

		held := tom.take("up")
		err := held.Wait(t.Context())
		require.ErrorIs(t, err, lock.ErrLocked)
		require.NoError(t, held.Release(t.Context()))

		sight, lookErr := tom.Look(t.Context())
		require.NoError(t, lookErr)
		require.ErrorContains(t, err, "hornero lock break "+sight.Claim.Nonce)
		require.NoError(t, tom.Break(t.Context(), sight.Claim.Nonce))
		require.Equal(t, "hornero:lock:1 free", r.get())
		require.NoError(t, tom.Break(t.Context(), sight.Claim.Nonce), "done already")
	})
}

// A description that somebody wrote stays beside the claim, and is alone again afterwards.
func TestSomebodyElsesTextIsPutBack(t *testing.T) {
	long := strings.Repeat("the shop's network ", 12)

	for _, text := range []string{"the shop's network | in Frankfurt", long, "hornero:lock:1 free"} {
		synctest.Test(t, func(t *testing.T) {
			r := &register{text: text}
			tom := newRun(t, r, "tom@laptop")
			held := tom.take("up")
			require.NoError(t, held.Wait(t.Context()))
			held.Step(strings.Repeat("step ", 20))
			time.Sleep(2 * lock.DefaultTerm)
			require.LessOrEqual(t, len(r.get()), lock.MaxText)

			if text == long {
				require.Contains(t, tom.said.String(), "no room beside the lock")
			} else {
				require.NotContains(t, tom.said.String(), "no room")
			}

			require.NoError(t, held.Release(t.Context()))
			require.Equal(t, text, r.get())
		})
	}
}

func TestSomebodyElsesTextOutlivesAKilledRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &register{}
		r.kill(time.Now(), lock.Process{}, false)
		r.text += " | the shop's network"

		time.Sleep(2 * lock.DefaultTerm)
		held := newRun(t, r, "tom@laptop").take("up")
		require.NoError(t, held.Wait(t.Context()))
		require.Contains(t, r.get(), " | the shop's network")
		require.NoError(t, held.Release(t.Context()))
		require.Equal(t, "the shop's network", r.get())
	})
}

// process starts a process, and returns it and what kills it.
func process(t *testing.T) (lock.Process, func()) {
	command := exec.Command("sleep", "60")
	require.NoError(t, command.Start())

	kill := func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	}
	t.Cleanup(kill)

	return lock.ProcessOf(command.Process.Pid), kill
}

func TestADeadRunOfThisMachineIsKnown(t *testing.T) {
	p, kill := process(t)
	require.NotZero(t, p)
	require.False(t, p.Dead())

	kill()
	require.True(t, p.Dead())

	// Another process may have got its number.
	self := lock.ProcessOf(os.Getpid())
	require.False(t, self.Dead())

	self.Start = "1"
	require.True(t, self.Dead())

	elsewhere := p
	elsewhere.Machine = "elsewhere"
	require.False(t, elsewhere.Dead(), "nobody here can tell")
	require.False(t, lock.Process{}.Dead())
}

func TestAZombieIsDead(t *testing.T) {
	command := exec.Command("sleep", "60")
	require.NoError(t, command.Start())

	p := lock.ProcessOf(command.Process.Pid)
	require.NoError(t, command.Process.Kill())
	require.Eventually(t, p.Dead, 10*time.Second, 10*time.Millisecond)
	_ = command.Wait()
}

func TestTheLockOfADeadRunIsTakenOverAtOnce(t *testing.T) {
	p, kill := process(t)
	kill()

	cases := []struct {
		name    string
		left    bool // by a destroy
		request bool // a destroy
		taken   bool
	}{
		{
			name:  "up after up",
			taken: true,
		},
		{
			name:    "destroy after up",
			request: true,
			taken:   true,
		},
		{
			name:    "destroy after destroy",
			left:    true,
			request: true,
			taken:   true,
		},
		{
			name: "up after destroy",
			left: true,
		},
	}

	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			r := &register{}
			r.kill(time.Now(), p, c.left)
			tom := newRun(t, r, "tom@laptop")

			held := tom.Take(tom.ctx, lock.Request{Leaving: c.request})
			err := held.Wait(t.Context())
			require.NoError(t, held.Release(t.Context()))

			if c.taken {
				require.NoError(t, err, c.name)
				require.Contains(t, tom.said.String(), "takes over the lock of tom@laptop")
			} else {
				require.ErrorIs(t, err, lock.ErrLocked, c.name)
				require.ErrorContains(t, err, "which removes the stack")
			}
		})
	}
}
