package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

func TestAFirstStack(t *testing.T) {
	for name, c := range map[string]struct {
		flags []string
		title string
	}{
		"without a flag": {title: "Hornero"},
		"with flags": {
			flags: []string{
				"--name", "blog-2", "--cloud", "digitalocean", "--region", "fra1",
				"--title", `Ñandú: "the" \ #1`, "--email", "ana@example.org",
			},
			title: `Ñandú: "the" \ #1`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			emptyFolder(t)

			made := hornero(t, append([]string{"init"}, c.flags...)...)
			require.Zero(t, made.code, made.stderr)
			require.Contains(t, made.stdout, "7 nodes; next: `hornero images bake`, then `hornero up`")

			s, manifests, err := loadStack("stack.yaml")
			require.NoError(t, err)

			titles := []string{}

			for _, node := range s.All() {
				manifest := manifests[node.Role]
				if _, titled := manifest.Settings["title"]; titled {
					titles = append(titles, s.SettingsOf(node, manifest)["title"])
				}
			}

			require.Equal(t, []string{c.title, c.title}, titles)
			require.FileExists(t, "secrets.age")

			validated := hornero(t, "validate")
			require.Zero(t, validated.code, validated.stderr)
		})
	}
}

func TestAnUnfitFlagLeavesNothing(t *testing.T) {
	folder := emptyFolder(t)

	for flag, want := range map[string]string{
		"--email=nobody":                      "roles.web.admin_email: must be a mail address",
		"--name=shop: x":                      `name: must be lower-case letters, digits and dashes`,
		"--region=nyc3\nsecrets: /etc/passwd": `region: must be a slug of DigitalOcean's`,
		"--cloud=lab\"":                       `cloud: there is no "lab\"";`,
	} {
		made := hornero(t, "init", flag)
		require.Equal(t, 1, made.code, flag)
		require.Contains(t, made.stderr, "nothing is written:\nstack.yaml:", flag)
		require.Contains(t, made.stderr, want, flag)

		left, err := os.ReadDir(folder)
		require.NoError(t, err)
		require.Empty(t, left, flag)
	}
}

// As on a full disk: nothing is said to be made, and the next try finds nothing in its way.
func TestInitCanBeTriedAgain(t *testing.T) {
	folder := emptyFolder(t)
	write(t, folder, "file", "where the key's folder would be")
	t.Setenv("HORNERO_AGE_KEY_FILE", filepath.Join(folder, "file", "age.key"))

	made := hornero(t, "init")
	require.Equal(t, 1, made.code)
	require.NotContains(t, made.stderr, "made the")
	require.Contains(t, made.stderr, "not a directory")
	require.NoFileExists(t, filepath.Join(folder, "stack.yaml"))

	t.Setenv("HORNERO_AGE_KEY_FILE", filepath.Join(folder, "age.key"))

	again := hornero(t, "init")
	require.Zero(t, again.code, again.stderr)
	require.Contains(t, again.stderr, "made the stack's authority")
}

func TestInitKeepsWhatIsThere(t *testing.T) {
	folder := emptyFolder(t)
	write(t, folder, ".gitignore", "mine\n")

	made := hornero(t, "init")
	require.Zero(t, made.code, made.stderr)
	require.Contains(t, made.stderr, ".gitignore is there already, and left as it is\n")
	require.Contains(t, made.stderr, ".github/workflows/hornero.yml is written\n")

	kept, err := os.ReadFile(".gitignore")
	require.NoError(t, err)
	require.Equal(t, "mine\n", string(kept))

	first, err := os.ReadFile("stack.yaml")
	require.NoError(t, err)

	again := hornero(t, "init", "--name", "other")
	require.Equal(t, 1, again.code)
	require.Contains(t, again.stderr, "stack.yaml is there already; edit it, or name another with -f")

	second, err := os.ReadFile("stack.yaml")
	require.NoError(t, err)
	require.Equal(t, string(first), string(second))
}

// workflow is what a test reads of a workflow of GitHub's.
type workflow struct {
	Jobs map[string]struct {
		If    string
		Env   map[string]string
		Steps []struct{ Run, Uses string }
	}
}

// The workflow runs commands that there are, and a pull request changes nothing.
func TestTheWorkflow(t *testing.T) {
	folder := emptyFolder(t)
	require.Zero(t, hornero(t, "init").code)

	text, err := os.ReadFile(filepath.Join(folder, ".github/workflows/hornero.yml"))
	require.NoError(t, err)
	require.Contains(t, string(text), "VERSION: \""+version+"\"\n")

	var read workflow
	require.NoError(t, yaml.Unmarshal(text, &read))

	runs := map[string][]string{}

	for name, job := range read.Jobs {
		for _, step := range job.Steps {
			if words, ours := strings.CutPrefix(step.Run, "hornero "); ours {
				runs[name] = append(runs[name], words)
				help := hornero(t, append(strings.Fields(words), "--help")...)
				require.Zero(t, help.code, words)
			}
		}
	}

	require.Equal(t, map[string][]string{
		"plan": {"roles check", "validate", "plan"},
		"up":   {"images bake", "up"},
	}, runs)

	require.Equal(t, "github.event_name == 'pull_request'", read.Jobs["plan"].If)
	require.Equal(t, "github.event_name != 'pull_request'", read.Jobs["up"].If, "a push, or once a week")
	require.Contains(t, string(text), "- cron: ")
	require.NotContains(t, read.Jobs["plan"].Env, tokenVariable, "only the step that asks has it")
	require.Contains(t, read.Jobs["up"].Env, tokenVariable)
}

func TestNoKeyIsCommitted(t *testing.T) {
	emptyFolder(t)
	require.Zero(t, hornero(t, "init").code)

	ignored, err := os.ReadFile(".gitignore")
	require.NoError(t, err)

	lines := strings.Split(string(ignored), "\n")
	require.True(t, slices.Contains(lines, "*.key"))
	require.False(t, slices.Contains(lines, "secrets.age"), "it is encrypted, and needed where the stack is launched")
}
