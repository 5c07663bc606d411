package stack_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/stack"
)

// reader is a person or a machine with a key of its own.
type reader struct {
	t      *testing.T
	path   string // of the secrets file
	key    string // the file of its key
	public string
}

// readers share a secrets file.
func readers(t *testing.T, names ...string) []reader {
	t.Helper()

	folder := t.TempDir()

	var all []reader
	for _, name := range names {
		key := filepath.Join(folder, name+".key")
		public, err := stack.PublicKey(stack.Key{File: key}, func(string) {})
		require.NoError(t, err)

		all = append(all, reader{
			t:      t,
			path:   filepath.Join(folder, "stack", "secrets.age"),
			key:    key,
			public: public,
		})
	}

	return all
}

func (r reader) open() (*stack.Secrets, error) {
	return stack.OpenSecrets(r.path, r.key, nil)
}

func (r reader) must() *stack.Secrets {
	r.t.Helper()

	secrets, err := r.open()
	require.NoError(r.t, err)

	return secrets
}

func (r reader) list() string {
	r.t.Helper()

	text, err := os.ReadFile(stack.RecipientsPath(r.path))
	require.NoError(r.t, err)

	return string(text)
}

func (r reader) writeList(text string) {
	r.t.Helper()
	require.NoError(r.t, os.WriteFile(stack.RecipientsPath(r.path), []byte(text), 0o644))
}

func TestSeveralKeysOpenTheSecrets(t *testing.T) {
	people := readers(t, "ann", "ben", "ci")
	ann, ben, ci := people[0], people[1], people[2]

	require.NoError(t, ann.must().Set("a.b", "first"))
	require.NoFileExists(t, stack.RecipientsPath(ann.path), "one key needs no list")

	_, err := ben.open()
	require.ErrorIs(t, err, stack.ErrLocked)
	require.ErrorContains(t, err, "`hornero secrets recipients key`")

	require.NoError(t, ann.must().AddRecipient(stack.Recipient{Name: "ben", Key: ben.public}))
	require.NoError(t, ben.must().AddRecipient(stack.Recipient{Name: "ci", Key: ci.public}))
	require.NoError(t, ci.must().Set("c.d", "second"))

	for _, one := range people {
		value, err := one.must().Get("c.d")
		require.NoError(t, err)
		require.Equal(t, "second", value.Reveal())
	}

	// age's own program seals to the same list.
	file, err := os.Open(stack.RecipientsPath(ann.path))
	require.NoError(t, err)
	defer file.Close()

	parsed, err := age.ParseRecipients(file)
	require.NoError(t, err)
	require.Len(t, parsed, 3)
	require.Contains(t, ann.list(), "# ben\n"+ben.public+"\n# ci\n"+ci.public+"\n")

	states, err := ben.must().Recipients()
	require.NoError(t, err)
	require.Len(t, states, 3)

	for i, state := range states {
		require.True(t, state.Listed && state.Sealed, state.Name)
		require.Equal(t, i == 1, state.Own, state.Name)
	}

	require.NoError(t, ann.must().RemoveRecipient("ben"))
	_, err = ben.open()
	require.ErrorIs(t, err, stack.ErrLocked)
	require.NotContains(t, ann.list(), "ben")
	require.NoError(t, ci.must().Set("c.d", "third"))
}

func TestARecipientIsNeverLostOrLetInUnseen(t *testing.T) {
	people := readers(t, "ann", "ben", "eve")
	ann, ben, eve := people[0], people[1], people[2]
	require.NoError(t, ann.must().Set("a.b", "first"))
	require.NoError(t, ann.must().AddRecipient(stack.Recipient{Name: "ben", Key: ben.public}))

	good := ann.list()

	for name, c := range map[string]struct{ list, want string }{
		"a line is lost, as in a merge": {
			list: strings.Replace(good, "# ben\n"+ben.public+"\n", "", 1),
			want: "ben, who can open the secrets, is not in ",
		},
		"a key is put in by hand": {
			list: good + "# eve\n" + eve.public + "\n",
			want: "lists eve, who cannot open the secrets: `hornero secrets recipients add eve " + eve.public + "`",
		},
		"a key is exchanged": {
			list: strings.Replace(good, ben.public, eve.public, 1),
			want: "`hornero secrets recipients remove " + ben.public + "`",
		},
		"the list is empty": {list: "", want: "ben, who can open the secrets, is not in "},
	} {
		ann.writeList(c.list)

		sealed, err := os.ReadFile(ann.path)
		require.NoError(t, err)

		err = ann.must().Set("a.b", report.Secret("changed "+name))
		require.ErrorIs(t, err, stack.ErrRecipients, name)
		require.ErrorContains(t, err, c.want, name)

		after, err := os.ReadFile(ann.path)
		require.NoError(t, err)
		require.Equal(t, sealed, after, name)
	}

	require.NoError(t, os.Remove(stack.RecipientsPath(ann.path)))
	require.ErrorIs(t, ann.must().Set("a.b", "changed"), stack.ErrRecipients)

	// The list comes back from what the file is sealed to.
	require.NoError(t, ann.must().AddRecipient(stack.Recipient{Name: "ben", Key: ben.public}))
	require.Equal(t, good, ann.list())
	require.NoError(t, ann.must().Set("a.b", "changed"))
}

// Cut off between the list and the file, the same command ends what it began.
func TestAChangeOfRecipientsThatWasCutOffIsEnded(t *testing.T) {
	people := readers(t, "ann", "ben")
	ann, ben := people[0], people[1]
	require.NoError(t, ann.must().Set("a.b", "first"))
	require.NoError(t, ann.must().AddRecipient(stack.Recipient{Name: "ben", Key: ben.public}))

	both := ann.list()
	require.NoError(t, ann.must().RemoveRecipient("ben"))

	alone := ann.list()
	require.Equal(t, "# ben\n"+ben.public+"\n", strings.TrimPrefix(both, alone))

	ann.writeList(both)
	require.ErrorIs(t, ann.must().Set("a.b", "second"), stack.ErrRecipients)
	require.NoError(t, ann.must().AddRecipient(stack.Recipient{Name: "ben", Key: ben.public}))
	require.NoError(t, ben.must().Set("a.b", "second"))

	ann.writeList(alone)
	require.ErrorIs(t, ann.must().Set("a.b", "third"), stack.ErrRecipients)
	require.NoError(t, ann.must().RemoveRecipient("ben"))
	require.NoError(t, ann.must().Set("a.b", "third"))
}

func TestRecipientsThatAreRefused(t *testing.T) {
	people := readers(t, "ann", "ben")
	ann, ben := people[0], people[1]

	require.ErrorContains(t, ann.must().AddRecipient(stack.Recipient{Name: "ben", Key: ben.public}), "no secrets file")
	require.NoError(t, ann.must().Set("a.b", "first"))
	require.NoError(t, ann.must().AddRecipient(stack.Recipient{Name: "ben", Key: ben.public}))

	err := ann.must().AddRecipient(stack.Recipient{Name: "ben", Key: ann.public})
	require.ErrorIs(t, err, stack.ErrRecipientTaken)
	require.Error(t, ann.must().AddRecipient(stack.Recipient{Name: "two words", Key: ben.public}))

	err = ann.must().RemoveRecipient("bem")
	require.ErrorIs(t, err, stack.ErrNoRecipient)
	require.ErrorContains(t, err, `did you mean "ben"?`)
	require.ErrorContains(t, ann.must().RemoveRecipient(ann.public), "this computer's own key")

	// A private key that was taken for the public one is not repeated.
	private, err := os.ReadFile(ben.key)
	require.NoError(t, err)

	secret := strings.TrimSpace(string(private[strings.Index(string(private), "AGE-SECRET"):]))
	err = ann.must().AddRecipient(stack.Recipient{Name: "ben", Key: secret})
	require.ErrorContains(t, err, "no public key of age")
	require.NotContains(t, err.Error(), secret)

	ann.writeList("# ben\n" + secret + "\n")
	_, err = ann.must().Recipients()
	require.ErrorContains(t, err, "secrets.recipients:2:1: error: no public key of age")
	require.NotContains(t, err.Error(), secret)
}

// What is said to be made is in the file.
func TestNothingIsSaidToBeMadeThatCouldNotBeWritten(t *testing.T) {
	people := readers(t, "ann", "ben")
	ann := people[0]
	require.NoError(t, ann.must().Set("a.b", "first"))
	ann.writeList(people[1].public + "\n")

	var told []string
	secrets, err := stack.OpenSecrets(ann.path, ann.key, func(line string) { told = append(told, line) })
	require.NoError(t, err)
	require.ErrorIs(t, secrets.Ensure(loaded(t), manifests(t)), stack.ErrRecipients)
	require.Empty(t, told)
	require.Equal(t, []string{"a.b"}, ann.must().Names())
}

func TestTheKeyOfTheEnvironment(t *testing.T) {
	ann := readers(t, "ann")[0]
	require.NoError(t, ann.must().Set("a.b", "first"))

	text, err := os.ReadFile(ann.key)
	require.NoError(t, err)

	t.Setenv(stack.KeyVariable, filepath.Join(t.TempDir(), "none.key"))
	t.Setenv(stack.KeyTextVariable, string(text))

	key, err := stack.DefaultKey()
	require.NoError(t, err)

	secrets, err := stack.OpenSecretsWith(ann.path, key, nil)
	require.NoError(t, err)
	require.NoError(t, secrets.Set("a.b", "second"))
	require.Equal(t, "the key in HORNERO_AGE_KEY", key.String())

	t.Setenv(stack.KeyTextVariable, ann.key)
	key, err = stack.DefaultKey()
	require.NoError(t, err)

	_, err = stack.OpenSecretsWith(ann.path, key, nil)
	require.EqualError(t, err,
		"read age key HORNERO_AGE_KEY: it is no age identity; it holds the text of a key file, not its name")

	t.Setenv(stack.KeyTextVariable, "")
	key, err = stack.DefaultKey()
	require.NoError(t, err)
	require.Equal(t, os.Getenv(stack.KeyVariable), key.String(), "CI gives an empty one to a stranger's pull request")
}

func TestTwoWritersLoseNothing(t *testing.T) {
	ann := readers(t, "ann")[0]
	require.NoError(t, ann.must().Set("a.b", "first"))

	var group sync.WaitGroup

	for i := range 16 {
		group.Go(func() {
			secrets, err := ann.open()
			if err == nil {
				err = secrets.Set(fmt.Sprintf("name.%d", i), "value")
			}
			if err != nil {
				t.Error(err)
			}
		})
	}

	group.Wait()
	require.Len(t, ann.must().Names(), 17)
}

func TestAChangeThatMetAnotherWritesNothing(t *testing.T) {
	ann := readers(t, "ann")[0]
	require.NoError(t, ann.must().Set("a.b", "first"))
	require.NoError(t, ann.must().Set("c.d", "first"))

	slow := ann.must()
	before := slow.All()
	require.NoError(t, ann.must().Set("a.b", "meanwhile"))

	require.NoError(t, slow.Change(before, map[string]report.Secret{"a.b": "first", "c.d": "mine"}))
	require.ErrorIs(t, slow.Change(before, map[string]report.Secret{"a.b": "mine", "c.d": "first"}), stack.ErrMeanwhile)

	value, err := ann.must().Get("a.b")
	require.NoError(t, err)
	require.Equal(t, "meanwhile", value.Reveal())
}

// writerVariable has the test's program write a secrets file for ever.
const writerVariable = "HORNERO_TEST_WRITES_SECRETS"

func TestAKilledWriterLeavesAWholeFile(t *testing.T) {
	if path := os.Getenv(writerVariable); path != "" {
		for i := 0; ; i++ {
			secrets, err := stack.OpenSecrets(path, filepath.Join(filepath.Dir(path), "..", "ann.key"), nil)
			require.NoError(t, err)
			require.NoError(t, secrets.Set("a.b", report.Secret(fmt.Sprint(i))))
		}
	}

	ann := readers(t, "ann")[0]
	require.NoError(t, ann.must().Set("a.b", "first"))

	for round := range 5 {
		writer := exec.Command(os.Args[0], "-test.run=^TestAKilledWriterLeavesAWholeFile$")
		writer.Env = append(os.Environ(), writerVariable+"="+ann.path)
		require.NoError(t, writer.Start())

		// Begun, and then at another place each time.
		before, err := os.ReadFile(ann.path)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			now, err := os.ReadFile(ann.path)
			return err == nil && string(now) != string(before)
		}, 20*time.Second, time.Millisecond+time.Duration(round)*300*time.Microsecond)

		require.NoError(t, writer.Process.Kill())
		_ = writer.Wait() // it was killed

		require.NoError(t, ann.must().Set("c.d", report.Secret(fmt.Sprint(round))), "the lock went with its holder")
		require.Equal(t, []string{"a.b", "c.d"}, ann.must().Names())
	}
}
