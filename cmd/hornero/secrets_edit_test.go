package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// editor has a script for an editor, and returns the file in which it notes what it was given.
func editor(t *testing.T, folder, script string) string {
	t.Helper()

	notes := filepath.Join(folder, "notes")
	write(t, folder, "editor", "#!/bin/sh\nset -e\necho \"$1\" >>"+notes+"\n"+script+"\n")
	require.NoError(t, os.Chmod(filepath.Join(folder, "editor"), 0o700))
	t.Setenv("VISUAL", "")
	t.Setenv("EDITOR", filepath.Join(folder, "editor"))

	return notes
}

// goneAfter tells that nothing is left of the text that the editor was given, and returns how often it was called.
func goneAfter(t *testing.T, notes string) int {
	t.Helper()

	text, err := os.ReadFile(notes)
	require.NoError(t, err)

	paths := strings.Fields(string(text))
	for _, path := range paths {
		require.NoDirExists(t, filepath.Dir(path))
	}

	require.NoError(t, os.Remove(notes))

	return len(paths)
}

func TestSecretsAreEdited(t *testing.T) {
	folder := secretsStack(t)
	seen := filepath.Join(folder, "seen")
	notes := editor(t, folder, `cp "$1" `+seen+`
stat -c %a "$1" "$(dirname "$1")" >`+seen+`.mode
sed -i "s/^wordpress.salt: .*/wordpress.salt: 'it''s: new # here'/" "$1"`)

	got := hornero(t, "secrets", "edit")
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, "it's: new # here", value(t, "wordpress.salt"))
	require.Contains(t, got.stderr, "changed in secrets.age: wordpress.salt\n")
	require.Contains(t, got.stderr, "in this order:\n  web-1 web-2\n")
	require.NotContains(t, got.stderr, "it's: new")
	require.Equal(t, 1, goneAfter(t, notes))

	text, err := os.ReadFile(seen)
	require.NoError(t, err)
	require.Contains(t, string(text), "# of the database's user (nodes of role db, web)\nwordpress.db_password: \"")
	require.Contains(t, string(text), "site.key: |\n  -----BEGIN")
	require.NotContains(t, string(text), "\nca.key:")

	mode, err := os.ReadFile(seen + ".mode")
	require.NoError(t, err)
	require.Equal(t, "600\n700\n", string(mode))
}

func TestAnEditThatChangesNothingWritesNothing(t *testing.T) {
	folder := secretsStack(t)

	before, err := os.ReadFile("secrets.age")
	require.NoError(t, err)

	for script, want := range map[string]string{
		"true":   "nothing is changed in secrets.age",
		"exit 3": "exit status 3; nothing is written",
		`sed -i 's/^wordpress.salt/wordpress.slat/' "$1"`:            `an unknown name; did you mean "wordpress.salt"?`,
		`sed -i 's/^wordpress.salt.*/wordpress.salt:/' "$1"`:         "wordpress.salt: is empty",
		`sed -i 's/^wordpress.salt.*/wordpress.salt: *hidden/' "$1"`: "no YAML here, or just before",
		`sed -i 's/^wordpress.salt.*//' "$1"`:                        "wordpress.salt: is gone, and the stack needs it",
		`echo 'ca.key: x' >>"$1"`:                                    "ca.key: is not changed here",
		`echo 'wordpress.salt: x' >>"$1"`:                            "wordpress.salt: given twice",
		`sed -i '/^site.key/,$d' "$1"`:                               "site.key: is gone",
		`sed -i 's/^  -----BEGIN PR.*/  nonsense/' "$1"`:             "site.key: it is no private key in PEM",
	} {
		notes := editor(t, folder, script)
		got := hornero(t, "secrets", "edit")
		require.Contains(t, got.stderr, want, script)
		require.NotContains(t, got.stderr, "hidden", script)
		require.Equal(t, 1, goneAfter(t, notes), script)

		after, err := os.ReadFile("secrets.age")
		require.NoError(t, err)
		require.Equal(t, before, after, script)
	}
}

func TestAMistakeIsEditedAgain(t *testing.T) {
	folder := secretsStack(t)
	notes := editor(t, folder, `if grep -q '^wordpress.slat' "$1"; then
	sed -i "s/^wordpress.slat: .*/wordpress.salt: mended/" "$1"
else
	sed -i 's/^wordpress.salt/wordpress.slat/' "$1"
fi`)

	s, manifests, err := loadStack("stack.yaml")
	require.NoError(t, err)

	var told strings.Builder
	secrets, err := readSecrets(s, &told)
	require.NoError(t, err)

	cmd := &cobra.Command{}
	cmd.SetErr(&told)
	cmd.SetOut(&told)

	var problems []string
	edit := secretsEdit{
		opened: openedSecrets{secrets, s, manifests},
		cmd:    cmd,
		again: func(problem error) error {
			problems = append(problems, problem.Error())
			return nil
		},
	}
	require.NoError(t, edit.run(t.Context()))
	require.Equal(t, "mended", value(t, "wordpress.salt"))
	require.Len(t, problems, 1)
	require.Regexp(t, `secrets\.yaml:\d+:1: error: an unknown name`, problems[0])
	require.Equal(t, 2, goneAfter(t, notes))
}

func TestCtrlCInTheEditorLeavesNothing(t *testing.T) {
	folder := secretsStack(t)
	notes := editor(t, folder, "exec sleep 60")

	ctx, interrupt := context.WithCancel(t.Context())
	s, manifests, err := loadStack("stack.yaml")
	require.NoError(t, err)

	secrets, err := readSecrets(s, os.Stderr)
	require.NoError(t, err)

	ended := make(chan error, 1)

	go func() {
		cmd := &cobra.Command{}
		cmd.SetOut(&strings.Builder{})
		cmd.SetErr(&strings.Builder{})
		edit := secretsEdit{
			opened: openedSecrets{secrets, s, manifests},
			cmd:    cmd,
			again:  func(error) error { return errors.New("nobody is asked") },
		}
		ended <- edit.run(ctx)
	}()

	require.Eventually(t, func() bool {
		_, err := os.Stat(notes)
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	interrupt()

	select {
	case err := <-ended:
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(10 * time.Second):
		t.Fatal("the editor holds it up")
	}

	require.Equal(t, 1, goneAfter(t, notes))
}

// Who was killed could not remove its folder: the next one does, and leaves that of who lives.
func TestAFolderOfAKilledEditIsRemoved(t *testing.T) {
	parent := t.TempDir()
	abandoned := filepath.Join(parent, privateName+"1")
	held := filepath.Join(parent, privateName+"2")
	require.NoError(t, os.Mkdir(abandoned, 0o700))
	require.NoError(t, os.Mkdir(held, 0o700))

	lock, err := lockPrivate(held)
	require.NoError(t, err)
	defer lock.Close()

	removeAbandoned(parent)
	require.NoDirExists(t, abandoned)
	require.DirExists(t, held)
}
