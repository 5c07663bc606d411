package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/stack"
)

// horneroWith runs the command line with something on standard input.
func horneroWith(t *testing.T, input string, arguments ...string) said {
	t.Helper()

	path := filepath.Join(t.TempDir(), "stdin")
	require.NoError(t, os.WriteFile(path, []byte(input), 0o600))

	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()

	before := os.Stdin
	os.Stdin = file

	defer func() { os.Stdin = before }()

	return hornero(t, arguments...)
}

// secretsStack is the stack of `hornero init`, with its secrets.
func secretsStack(t *testing.T) string {
	t.Helper()

	folder := emptyFolder(t)
	require.Zero(t, hornero(t, "init").code)

	return folder
}

// value is a secret as it is in the file.
func value(t *testing.T, name string) string {
	t.Helper()

	shown := hornero(t, "secrets", "show", name)
	require.Zero(t, shown.code, shown.stderr)

	return strings.TrimSuffix(shown.stdout, "\n")
}

// A terminal says nothing until a person does, who may press Ctrl-C instead.
func TestCtrlCEndsAReadOfTheTerminal(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	terminal, typed := io.Pipe()
	defer typed.Close()

	interrupt()

	_, err := readAll(ctx, terminal)
	require.ErrorIs(t, err, context.Canceled)
}

func TestASecretThatNobodyAsksForIsRefused(t *testing.T) {
	secretsStack(t)

	before, err := os.ReadFile("secrets.age")
	require.NoError(t, err)

	for _, verb := range []string{"set", "show", "rotate"} {
		got := horneroWith(t, "typed", "secrets", verb, "wordpress.slat")
		require.Equal(t, 1, got.code, verb)
		require.Contains(t, got.stderr, `did you mean "wordpress.salt"?`, verb)

		got = horneroWith(t, "typed", "secrets", verb, "xylophone")
		require.Equal(t, 1, got.code, verb)
		require.Contains(t, got.stderr, "`hornero secrets list --long` tells what is asked for", verb)
	}

	for verb, name := range map[string]string{"set": stack.CAKey, "rotate": stack.PlanKey} {
		got := horneroWith(t, "typed", "secrets", verb, name)
		require.Equal(t, 1, got.code, verb)
		require.Contains(t, got.stderr, stack.ErrFixed.Error(), verb)
	}

	after, err := os.ReadFile("secrets.age")
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestAChangedSecretNamesTheNodesToReplace(t *testing.T) {
	secretsStack(t)

	got := horneroWith(t, "pa55 word\n", "secrets", "set", "wordpress.db_password")
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, "pa55 word", value(t, "wordpress.db_password"))
	require.NotContains(t, got.stderr, "pa55")
	require.Contains(t, got.stderr, "changed in secrets.age: wordpress.db_password, "+
		"wordpress.db_password.previous\n")
	require.Contains(t, got.stderr, "in this order:\n  db-1 db-2 db-3 web-1 web-2\n")
	require.Contains(t, got.stderr, "until `hornero secrets retire wordpress.db_password`")

	got = horneroWith(t, "pa55 word\n", "secrets", "set", "wordpress.db_password")
	require.Contains(t, got.stderr, "nothing is changed in secrets.age\n")

	got = hornero(t, "secrets", "rotate", "proxy.stats_password")
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stderr, "in this order:\n"+
		"  proxy-1 proxy-2\n`hornero plan`")

	got = horneroWith(t, "no PEM", "secrets", "set", stack.SiteCertificate)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "site.certificate: it is no certificate in PEM")
}

func TestSecretsAreListedWithWhatTheyAreFor(t *testing.T) {
	folder := secretsStack(t)

	names := strings.Fields(hornero(t, "secrets", "list").stdout)
	require.Contains(t, names, "wordpress.salt")

	long := hornero(t, "secrets", "list", "--long").stdout
	require.Regexp(t, `(?m)^wordpress.db_password +held +db,web +of the database's user$`, long)

	var read struct {
		Stack   string
		Secrets []SecretLine
	}

	// One who looks makes nothing.
	require.NoError(t, os.Remove(filepath.Join(folder, "secrets.age")))

	listed := hornero(t, "secrets", "list", "--json")
	require.Zero(t, listed.code, listed.stderr)
	require.NoError(t, json.Unmarshal([]byte(listed.stdout), &read))
	require.Equal(t, "hornero", read.Stack)
	require.Len(t, read.Secrets, len(names))

	for i, line := range read.Secrets {
		require.Equal(t, names[i], line.Name)
		require.Equal(t, secretUnmade, line.State)
	}

	require.NoFileExists(t, filepath.Join(folder, "secrets.age"))

	got := hornero(t, "secrets", "show", "wordpress.salt")
	require.Contains(t, got.stderr, "wordpress.salt is not made yet; `hornero up` or `hornero secrets make` makes it\n")

	got = hornero(t, "secrets", "make")
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stderr, "made the secret wordpress.salt (secrets.age)\n")
	require.Equal(t, names, strings.Fields(hornero(t, "secrets", "list").stdout))
	require.Equal(t, "nothing is missing in secrets.age\n", hornero(t, "secrets", "make").stderr)
}

func TestNamesOfSecretsAreCompleted(t *testing.T) {
	secretsStack(t)

	for _, verb := range []string{"show", "set", "rotate"} {
		offered := hornero(t, "__complete", "secrets", verb, "").stdout
		require.Contains(t, offered, "wordpress.db_password\tof the database's user\n", verb)
		require.Equal(t, verb == "show", strings.Contains(offered, stack.CAKey), verb)
		require.Equal(t, verb == "rotate", strings.Contains(offered, "galera.ca\t"), verb)
	}
}

func TestRecipientsOfTheSecretsFile(t *testing.T) {
	folder := secretsStack(t)
	mine := os.Getenv(stack.KeyVariable)

	// A colleague has nothing but the program.
	t.Setenv(stack.KeyVariable, filepath.Join(folder, "keys", "ben.key"))
	made := hornero(t, "-f", "none.yaml", "secrets", "recipients", "key")
	require.Zero(t, made.code, made.stderr)
	require.Contains(t, made.stderr, "made the age key")

	key := strings.TrimSpace(made.stdout)
	require.Equal(t, made.stdout, hornero(t, "secrets", "recipients", "key").stdout)
	require.Contains(t, hornero(t, "secrets", "list").stderr, "`hornero secrets recipients key` prints it")

	t.Setenv(stack.KeyVariable, mine)
	require.Contains(t, hornero(t, "secrets", "recipients", "list").stdout, "can open the secrets; this computer's key")

	added := hornero(t, "secrets", "recipients", "add", "ben", key)
	require.Zero(t, added.code, added.stderr)
	require.Contains(t, added.stderr, "ben can open the secrets; commit secrets.age and secrets.recipients\n")
	require.Contains(t, hornero(t, "__complete", "secrets", "recipients", "remove", "").stdout, "ben\t"+key)

	text, err := os.ReadFile(filepath.Join(folder, "keys", "ben.key"))
	require.NoError(t, err)
	t.Setenv(stack.KeyTextVariable, string(text))

	var read []recipientLine
	listed := hornero(t, "secrets", "recipients", "list", "--json")
	require.NoError(t, json.Unmarshal([]byte(listed.stdout), &read), listed.stderr)
	require.Len(t, read, 2)
	require.Equal(t, recipientLine{Name: "ben", Key: key, Listed: true, Sealed: true, Own: true}, read[1])

	t.Setenv(stack.KeyTextVariable, "")
	removed := hornero(t, "secrets", "recipients", "remove", "ben")
	require.Zero(t, removed.code, removed.stderr)
	require.Contains(t, removed.stderr, "`hornero secrets rotate NAME` makes others")
}

// While a password is rotated the file holds the one before, which nobody changes by hand.
func TestThePasswordBeforeARotationIsLeftAlone(t *testing.T) {
	folder := secretsStack(t)

	const name = "wordpress.db_password"

	first := value(t, name)
	editor(t, folder, `sed -i "s/^`+name+`: .*/`+name+`: second/" "$1"`)

	edited := hornero(t, "secrets", "edit")
	require.Zero(t, edited.code, edited.stderr)
	require.Contains(t, edited.stderr, "until `hornero secrets retire wordpress.db_password`")
	require.Equal(t, first, value(t, name+".previous"), "nodes that run still have it")

	for _, verb := range []string{"set", "rotate"} {
		got := horneroWith(t, "typed", "secrets", verb, name+".previous")
		require.Contains(t, got.stderr, "comes and goes with the rotation of another secret", verb)
	}

	// The text of an editor has no line for it; and a third value is one too many.
	editor(t, folder, `! grep -q '^`+name+`.previous' "$1"
sed -i "s/^`+name+`: .*/`+name+`: third/" "$1"`)
	edited = hornero(t, "secrets", "edit")
	require.Contains(t, edited.stderr, "`hornero secrets retire wordpress.db_password` ends that")

	imported := horneroWith(t, "vault_wp_db_pass: third\n", "secrets", "import", "--from-ansible", "-")
	require.Contains(t, imported.stderr, "`hornero secrets retire wordpress.db_password` ends that")
	require.Equal(t, "second", value(t, name))

	require.Zero(t, hornero(t, "secrets", "retire", name).code)
	require.Zero(t, horneroWith(t, "vault_wp_db_pass: third\n", "secrets", "import", "--from-ansible", "-").code)
	require.Equal(t, "third", value(t, name))
	require.Equal(t, "second", value(t, name+".previous"))
}
