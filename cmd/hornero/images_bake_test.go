package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab"
)

// fakePacker writes down how it is called, with the variables that matter, and then does what a test wants.
const fakePacker = `#!/bin/sh
{
	echo "call $*" | tr '\n' ' '
	echo
	env | grep -E '^(DIGITALOCEAN_|PACKER_|CHECKPOINT_)' | sort
} >>"$FAKE_LOG"
case $1 in
build)
	for last; do :; done
	ls "$last" >>"$FAKE_LOG"
	eval "$FAKE_BUILD"
	;;
esac
`

// bakery is a folder with a stack, a Packer that only says how it is called, and programs that do nothing.
type bakery struct {
	folder string
	log    string
}

func newBakery(t *testing.T) bakery {
	t.Helper()
	folder := toolStack(t)

	for name, text := range map[string]string{
		"bin/fake-packer":           fakePacker,
		"bin/packer-plugin-hornero": "#!/bin/sh\n",
		"bin/hornero-bootstrap":     "#!/bin/sh\n",
	} {
		write(t, folder, name, text)
		require.NoError(t, os.Chmod(filepath.Join(folder, name), 0o700))
	}

	b := bakery{folder: folder, log: filepath.Join(folder, "log")}

	t.Setenv(packerVariable, filepath.Join(folder, "bin/fake-packer"))
	t.Setenv("PATH", filepath.Join(folder, "bin")+":"+os.Getenv("PATH"))
	t.Setenv("FAKE_LOG", b.log)
	t.Setenv("FAKE_BUILD", "")
	t.Setenv("CLOUD", "digitalocean")
	t.Setenv(tokenVariable, "dop_v1_mine")
	t.Setenv("XDG_DATA_HOME", filepath.Join(folder, "data"))
	t.Setenv(urlVariable, serveImages(t).url)

	return b
}

// builds are the calls of `packer build`, and the files that they were to read.
func (b bakery) builds(t *testing.T) []string {
	t.Helper()

	var builds []string
	for line := range strings.Lines(b.read(t)) {
		if words, ok := strings.CutPrefix(line, "call build "); ok {
			builds = append(builds, strings.TrimSpace(words))
		}
	}

	return builds
}

func (b bakery) read(t *testing.T) string {
	t.Helper()

	text, err := os.ReadFile(b.log)
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}

	return string(text)
}

func TestABakeIsTheLayerAndThenTheRoles(t *testing.T) {
	for name, c := range map[string]struct {
		line []string
		only []string // the builds, by their -only
		last []string // what the last of them holds
	}{
		"the stack's roles": {
			only: []string{"common.*", "roles.*"},
			last: []string{
				`-var roles=["api","vault"] `,
				"-var release=debian-13 ",
				"-var region=nyc3 ",
				"-var layer=common ",
				"-var force=false ",
				"-parallel-builds=0 ",
				"-on-error=cleanup ",
			},
		},
		"named roles, once each": {
			line: []string{"web", "vault", "web"},
			only: []string{"common.*", "roles.*"},
			last: []string{`-var roles=["vault","web"] `},
		},
		"only the layer": {
			line: []string{"common"},
			only: []string{"common.*"},
			last: []string{`-var roles=[] `},
		},
		"without the layer": {
			line: []string{"vault", "--no-layer", "--force", "--parallel", "2"},
			only: []string{"roles.*"},
			last: []string{"-var layer= ", "-var force=true ", "-parallel-builds=2 "},
		},
		"of another release": {
			line: []string{
				"--release", "debian-9", "--image", "123", "--mirror", "http://m", "--security-mirror", "http://s",
			},
			only: []string{"common.*", "roles.*"},
			last: []string{
				"-var release=debian-9 ", "-var image=123 ", "-var mirror=http://m ",
				"-var security_mirror=http://s ",
			},
		},
		"with variables of the user's": {
			line: []string{"--var", `roles=["x", "y"]`, "--var", "region=ams3", "--records", "/r"},
			only: []string{"common.*", "roles.*"},
			last: []string{"-var records_dir=/r ", `-var roles=["x", "y"] -var region=ams3 `},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBakery(t)

			baked := hornero(t, append([]string{"images", "bake"}, c.line...)...)
			require.Zero(t, baked.code, baked.stderr)

			builds := b.builds(t)
			require.Len(t, builds, len(c.only))

			for i, only := range c.only {
				require.Contains(t, builds[i], "-only="+only+" ")
				require.Contains(t, builds[i], "-var roles_dir="+filepath.Join(b.folder, "roles")+" ")
				require.Contains(t, builds[i], "-var bootstrap_binary="+b.folder+"/bin/hornero-bootstrap ")
			}

			for _, want := range c.last {
				require.Contains(t, builds[len(builds)-1], want)
			}

			require.Contains(t, b.read(t), "roles.pkr.hcl\n", "the templates are there while Packer runs")

			words := strings.Fields(builds[0])
			require.NoDirExists(t, words[len(words)-1], "and no longer")
		})
	}
}

func TestABakeIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		line  string
		spoil func(*testing.T, bakery)
		want  string
	}{
		"an unknown role": {
			line: "valut",
			want: `there is no role "valut"; did you mean "vault"?`,
		},
		"a piece": {
			line: "haproxy",
			want: "haproxy is a piece of other roles: no image is baked of it alone",
		},
		"a stack that is wrong": {
			spoil: func(t *testing.T, b bakery) { write(t, b.folder, "stack.yaml", "version: 1\nnaem: x\n") },
			want:  "stack.yaml:2:1: error: naem: unknown key",
		},
		"no stack": {
			spoil: func(t *testing.T, b bakery) { require.NoError(t, os.Remove("stack.yaml")) },
			want:  "`hornero init` writes one",
		},
		"a role that is wrong": {
			line: "vault",
			spoil: func(t *testing.T, b bakery) {
				write(t, b.folder, "roles/bad/role.yaml", "version: 1\nname: bed\n")
			},
			want: "roles/bad/role.yaml:2:7: error: name: must be the folder's name",
		},
		"no token": {
			spoil: func(t *testing.T, _ bakery) { t.Setenv(tokenVariable, "") },
			want:  "set DIGITALOCEAN_ACCESS_TOKEN",
		},
		"no Packer": {
			spoil: func(t *testing.T, b bakery) { t.Setenv(packerVariable, filepath.Join(b.folder, "bin/none")) },
			want:  "HORNERO_PACKER: ",
		},
		"no plugin": {
			spoil: func(t *testing.T, b bakery) {
				require.NoError(t, os.Remove(filepath.Join(b.folder, "bin/packer-plugin-hornero")))
			},
			want: "find packer-plugin-hornero: it comes with hornero",
		},
		"no bootstrap": {
			spoil: func(t *testing.T, b bakery) {
				require.NoError(t, os.Remove(filepath.Join(b.folder, "bin/hornero-bootstrap")))
			},
			want: "find hornero-bootstrap: it comes with hornero",
		},
		"another bootstrap that is not there": {
			line: "--bootstrap no-such",
			want: "--bootstrap: stat no-such",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBakery(t)
			if c.spoil != nil {
				c.spoil(t, b)
			}

			refused := hornero(t, append([]string{"images", "bake"}, strings.Fields(c.line)...)...)
			require.Equal(t, 1, refused.code)
			require.Contains(t, refused.stderr, c.want)
			require.Empty(t, b.builds(t), "nothing is baked")
		})
	}
}

// Roles that are named need no stack: the built-in ones are baked in an empty folder.
func TestABakeWithoutAStack(t *testing.T) {
	b := newBakery(t)
	require.NoError(t, os.Remove("stack.yaml"))
	require.NoError(t, os.RemoveAll("roles"))

	baked := hornero(t, "images", "bake", "web")
	require.Zero(t, baked.code, baked.stderr)

	for _, build := range b.builds(t) {
		require.NotContains(t, build, "roles_dir=")
		require.NotContains(t, build, "release=", "the templates' own")
	}
}

// What the environment says goes before the stack, and after the command line.
func TestVariablesOfTheEnvironment(t *testing.T) {
	b := newBakery(t)
	t.Setenv("PKR_VAR_region", "sgp1")

	require.Zero(t, hornero(t, "images", "bake").code)
	require.NotContains(t, b.builds(t)[0], "region=")
}

func TestPackersFailureIsTheExitCode(t *testing.T) {
	b := newBakery(t)
	t.Setenv("FAKE_BUILD", `echo "the cause" >&2; exit 7`)

	baked := hornero(t, "images", "bake")
	require.Equal(t, 7, baked.code)
	require.Equal(t, "the cause\n", baked.stderr, "Packer has said it all")
	require.Len(t, b.builds(t), 1, "no role is baked without its layer")
}

// untilSaid cancels once something is written.
type untilSaid struct {
	text   bytes.Buffer
	word   string
	cancel context.CancelFunc
}

func (u *untilSaid) Write(data []byte) (int, error) {
	u.text.Write(data)

	if strings.Contains(u.text.String(), u.word) {
		u.cancel()
	}

	return len(data), nil
}

// An interrupted Packer removes what it made, and what it started is interrupted with it.
func TestAnInterruptedBakeIsWaitedFor(t *testing.T) {
	b := newBakery(t)

	// The child stands for the plugin: it ends by the signal, or at last by itself, and the shell waits for it.
	t.Setenv("FAKE_BUILD", `
		trap 'echo cleaned up; exit 1' INT
		sh -c 'trap "echo the child, too; exit" INT; echo ready; for i in $(seq 200); do sleep 0.05; done'
	`)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	out := &untilSaid{word: "ready", cancel: cancel}
	code := run(ctx, []string{"images", "bake"}, out, io.Discard)
	require.ErrorIs(t, ctx.Err(), context.Canceled)
	require.Equal(t, 130, code)
	require.Equal(t, "ready\nthe child, too\ncleaned up\n", out.text.String())
	require.Len(t, b.builds(t), 1)
}

func TestThePluginIsInstalledWhenItChanges(t *testing.T) {
	b := newBakery(t)

	installs := func() int {
		require.Zero(t, hornero(t, "images", "bake", "common").code)
		return strings.Count(b.read(t), "call plugins install --path ")
	}

	require.Equal(t, 1, installs())
	require.Equal(t, 1, installs(), "the same file again")
	require.Contains(t, b.read(t), "bin/packer-plugin-hornero github.com/hornero/hornero")

	plugin := filepath.Join(b.folder, "bin/packer-plugin-hornero")
	earlier := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(plugin, earlier, earlier))
	require.Equal(t, 2, installs(), "an older one is another one, too")

	for _, want := range []string{
		"CHECKPOINT_DISABLE=1\n",
		"PACKER_CONFIG_DIR=" + filepath.Join(b.folder, "cache/hornero/plugins/"),
		"PACKER_PLUGIN_PATH=" + filepath.Join(b.folder, "cache/hornero/plugins/"),
	} {
		require.Contains(t, b.read(t), want)
	}
}

// An install that did not succeed is not taken for done.
func TestAFailedInstallIsTriedAgain(t *testing.T) {
	b := newBakery(t)
	write(t, b.folder, "bin/broken", "#!/bin/sh\necho no space left >&2\nexit 1\n")
	require.NoError(t, os.Chmod("bin/broken", 0o700))

	packer := os.Getenv(packerVariable)
	t.Setenv(packerVariable, filepath.Join(b.folder, "bin/broken"))

	refused := hornero(t, "images", "bake")
	require.Equal(t, 1, refused.code)
	require.Contains(t, refused.stderr, "install Packer's plugin: ")
	require.Contains(t, refused.stderr, "no space left")

	t.Setenv(packerVariable, packer)
	require.Zero(t, hornero(t, "images", "bake").code)
	require.Contains(t, b.read(t), "call plugins install")
}

func TestATokenGoesToItsOwnCloudOnly(t *testing.T) {
	endpoint := lab.Endpoint{URL: "http://127.0.0.1:9", Token: "of the lab"}
	environment := []string{
		"DIGITALOCEAN_ACCESS_TOKEN=dop_v1_mine",
		"DIGITALOCEAN_TOKEN=dop_v1_mine",
		"DIGITALOCEAN_API_URL=https://api.digitalocean.com",
		"HOME=/home/me",
	}

	kept := slices.Clone(environment)
	require.Equal(t, []string{
		"HOME=/home/me",
		"DIGITALOCEAN_API_URL=http://127.0.0.1:9",
		"DIGITALOCEAN_ACCESS_TOKEN=of the lab",
		"DIGITALOCEAN_TOKEN=of the lab",
	}, labEnvironment(environment, endpoint))
	require.Equal(t, kept, environment)

	b := newBakery(t)
	require.Zero(t, hornero(t, "images", "bake", "common").code)
	require.Contains(t, b.read(t), "DIGITALOCEAN_ACCESS_TOKEN=dop_v1_mine\n")
	require.Contains(t, b.read(t), "DIGITALOCEAN_API_URL="+os.Getenv(urlVariable)+"\n")
}
