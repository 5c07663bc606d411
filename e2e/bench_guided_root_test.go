//go:build root && bench

package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

// guideWithin bounds one run of the playbook.
const guideWithin = 30 * time.Minute

// guided are plain Droplets that Ansible configures as the guide does.
type guided struct {
	byHand
	folder string // of its key and inventory
	key    int    // the account's number of the key
}

func newGuided(s *stack) *guided {
	g := &guided{byHand: byHand{stack: s, prefix: "guide"}, folder: s.t.TempDir()}

	private := filepath.Join(g.folder, "key")
	out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", private).CombinedOutput()
	require.NoError(s.t, err, string(out))

	public, err := os.ReadFile(private + ".pub")
	require.NoError(s.t, err)

	var made struct {
		Key struct{ ID int } `json:"ssh_key"`
	}
	request := map[string]any{
		"name":       "guide",
		"public_key": strings.TrimSpace(string(public)),
	}
	s.call(http.StatusCreated, "POST", "/v2/account/keys", request, &made)

	g.key = made.Key.ID
	s.t.Cleanup(func() { s.api("DELETE", fmt.Sprintf("/v2/account/keys/%d", g.key), nil, nil) })

	return g
}

func (*guided) String() string { return "ansible" }

func (g *guided) plain(nodes ...string) {
	request := map[string]any{
		"image":    "debian-13-x64",
		"ssh_keys": []int{g.key},
	}
	g.made(request, nodes...)
}

func (g *guided) launch(watch func(web map[string]int)) (active, over time.Time) {
	g.network()
	g.plain("db-1", "db-2", "db-3", "proxy-1", "proxy-2", "web-1", "web-2")

	watch(map[string]int{
		"web-1": g.ids["web-1"],
		"web-2": g.ids["web-2"],
	})
	active = g.untilActive(g.ids)
	g.play("")

	return active, time.Now()
}

func (g *guided) replaceDatabase() *server {
	g.gone("db-3")
	g.plain("db-3")
	g.untilActive(g.ids)
	joined := g.servers("db-3")[0]
	g.play("db-3")

	return joined
}

func (g *guided) addWeb() int {
	g.plain("web-3")
	g.untilActive(g.ids)
	g.play("web-3")

	return g.ids["web-3"]
}

// inventory writes who is there, by group, with both addresses.
func (g *guided) inventory() string {
	g.t.Helper()

	var text strings.Builder
	addresses := g.addresses()

	for _, group := range [][2]string{
		{"db", "db"},
		{"proxies", "proxy"},
		{"web", "web"},
	} {
		fmt.Fprintf(&text, "[%s]\n", group[0])

		for n := range 3 {
			node := fmt.Sprintf("%s-%d", group[1], n+1)
			at, there := addresses[node]

			if there {
				fmt.Fprintf(
					&text,
					"%s ansible_host=%s private=%s founds=%v\n",
					node,
					at.public,
					at.private,
					node == "db-1",
				)
			}
		}
	}

	path := filepath.Join(g.folder, "inventory")
	require.NoError(g.t, os.WriteFile(path, []byte(text.String()), 0o600))

	return path
}

// place is where a Droplet is reached.
type place struct{ public, private string }

// addresses are those of the Droplets, which come a moment after these are active.
func (g *guided) addresses() map[string]place {
	g.t.Helper()

	at := map[string]place{}

	require.Eventually(g.t, func() bool {
		for _, d := range g.droplets() {
			one := placeOf(d)
			node, ours := strings.CutPrefix(d.Name, g.prefix+"-")

			if ours && one.public != "" && one.private != "" {
				at[node] = one
			}
		}

		return len(at) == len(g.ids)
	}, time.Minute, lookEvery, "every Droplet has its addresses")

	return at
}

func placeOf(d droplet) (at place) {
	for _, v4 := range d.Networks.V4 {
		if v4.Type == "public" {
			at.public = v4.Address
		} else {
			at.private = v4.Address
		}
	}

	return at
}

// play runs the playbook on all nodes, or on one, and prints when its plays and tasks begin.
func (g *guided) play(limit string) {
	g.t.Helper()

	ctx, cancel := context.WithTimeout(context.Background(), guideWithin)
	defer cancel()

	args := []string{"-i", g.inventory(), "baseline/playbook.yml"}
	if limit != "" {
		// The others' facts are addresses, which the inventory has.
		args = append(args, "--limit", limit)
	}

	command := exec.CommandContext(ctx, "ansible-playbook", args...)
	command.Env = append(os.Environ(),
		"ANSIBLE_HOST_KEY_CHECKING=false",
		"ANSIBLE_PIPELINING=true",
		"ANSIBLE_REMOTE_USER=root",
		"ANSIBLE_TIMEOUT=60",
		"ANSIBLE_NOCOLOR=true",
		"ANSIBLE_LOCAL_TEMP="+g.folder,
		"ANSIBLE_SSH_CONTROL_PATH_DIR="+g.folder,
		"ANSIBLE_PRIVATE_KEY_FILE="+filepath.Join(g.folder, "key"),
		"ANSIBLE_SSH_RETRIES=20",
	)

	// It ends with the test, also with one that is interrupted.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}

	output, err := command.StdoutPipe()
	require.NoError(g.t, err)

	command.Stderr = command.Stdout
	began := time.Now()
	require.NoError(g.t, command.Start())

	var said strings.Builder

	for lines := bufio.NewScanner(output); lines.Scan(); {
		line := lines.Text()
		said.WriteString(line + "\n")

		if strings.HasPrefix(line, "PLAY [") || strings.HasPrefix(line, "TASK [") {
			fmt.Printf("  ansible %5.1f s  %s\n", time.Since(began).Seconds(), strings.TrimRight(line, " *"))
		}
	}

	require.NoError(g.t, command.Wait(), said.String())
}
