//go:build root

package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"

	"github.com/stretchr/testify/require"
)

var errNoLab = errors.New("the lab that was kept does not run any more")

// findLab asks the lab where its API is, and which public addresses it has.
func (s *stack) findLab() error {
	out, err := s.try("lab", "status", "--json", "--name", s.lab)
	if err != nil {
		return fmt.Errorf("ask for the lab's status: %w\n%s", err, out)
	}

	var found struct {
		Running     bool
		URL         string
		PublicRange string `json:"public_range"`
	}

	if err := json.Unmarshal([]byte(out), &found); err != nil {
		return fmt.Errorf("read the lab's status: %w\n%s", err, out)
	}

	if !found.Running {
		return errNoLab
	}

	s.apiURL = found.URL
	s.labRange = found.PublicRange

	return nil
}

// token is the lab's.
func (s *stack) token() string {
	s.t.Helper()
	env := s.must("lab", "env", "--name", s.lab)
	_, token, _ := strings.Cut(env, "DIGITALOCEAN_ACCESS_TOKEN=")
	token, _, _ = strings.Cut(token, "\n")

	return strings.Trim(token, `"'`)
}

// api calls the lab as any client of DigitalOcean would.
func (s *stack) api(method, path string, body any, answer any) int {
	s.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(s.t, err)

	request, err := http.NewRequest(method, s.apiURL+path, bytes.NewReader(text))
	require.NoError(s.t, err)
	request.Header.Set("Authorization", "Bearer "+s.token())
	request.Header.Set("Content-Type", "application/json")

	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer response.Body.Close()

	got, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)

	if answer != nil && response.StatusCode < 300 {
		err := json.Unmarshal(got, answer)
		require.NoError(s.t, err, string(got))
	}

	return response.StatusCode
}

// call calls the lab, which must answer with a status.
func (s *stack) call(want int, method, path string, body any, answer any) {
	s.t.Helper()
	got := s.api(method, path, body, answer)
	require.Equal(s.t, want, got, "%s %s", method, path)
}

// droplet is what these tests read of one.
type droplet struct {
	ID     int
	Name   string
	Status string
	Image  struct{ ID int }
	VPC    string `json:"vpc_uuid"`

	Networks struct {
		V4 []struct {
			Address string `json:"ip_address"`
			Type    string
		}
	}
}

func (s *stack) droplets() []droplet {
	s.t.Helper()
	var list struct{ Droplets []droplet }
	s.call(http.StatusOK, "GET", "/v2/droplets?per_page=200", nil, &list)

	return list.Droplets
}

func dropletPath(id int) string {
	return fmt.Sprintf("/v2/droplets/%d", id)
}

// power has a Droplet's power turned on or off: power_on, power_off.
func (s *stack) power(id int, action string) int {
	s.t.Helper()

	return s.api("POST", dropletPath(id)+"/actions", map[string]any{"type": action}, nil)
}

// inflict asks the lab for a fault that lasts until it is lifted, or until the test ends.
func (s *stack) inflict(body map[string]any) (lift func()) {
	s.t.Helper()
	var answer struct{ Fault struct{ Name string } }
	s.call(http.StatusCreated, "POST", "/lab/v1/faults", body, &answer)

	return func() {
		path := "/lab/v1/faults/" + answer.Fault.Name
		s.call(http.StatusNoContent, "DELETE", path, nil, nil)
	}
}

// faultsInForce names the lab's faults.
func (s *stack) faultsInForce() (names []string) {
	s.t.Helper()
	var list struct{ Faults []struct{ Name string } }
	s.call(http.StatusOK, "GET", "/lab/v1/faults", nil, &list)

	for _, fault := range list.Faults {
		names = append(names, fault.Name)
	}

	return names
}

// fromOutside runs a shell script on this machine, where nothing of a Droplet can refuse it. Its $1 is the Droplet's
// network namespace.
func (s *stack) fromOutside(id int, script string) string {
	s.t.Helper()
	namespace := fmt.Sprintf("hornero-%s-%d", s.lab, id)
	out, err := exec.Command("sh", "-c", script, "sh", namespace).CombinedOutput()
	require.NoErrorf(s.t, err, "Droplet %d: %s", id, out)

	return string(out)
}

// journal reads a Droplet's journal, also of one that nobody can log in to.
func (s *stack) journal(id int) string {
	s.t.Helper()

	return s.fromOutside(id, `for p in $(ip netns pids "$1"); do
	if grep -Eq '^NSpid:.*[[:space:]]1$' /proc/$p/status; then
		exec nsenter -t $p -m -- journalctl --no-pager -u hornero-bootstrap
	fi
done; exit 1`)
}

// killAll ends every process of a Droplet at once, and fails when some outlive that. The kernel ends the others with
// PID 1, so that kill does not find them all.
func (s *stack) killAll(id int) {
	s.t.Helper()

	s.fromOutside(id, `pids() { ip netns pids "$1"; }
kill -9 $(pids "$1") 2>/dev/null
for i in $(seq 100); do [ -n "$(pids "$1")" ] || exit 0; sleep 0.1; done
pids "$1"; exit 1`)
}

// leavesNothing looks for what a reset of the lab should have taken along.
func (s *stack) leavesNothing() {
	s.t.Helper()

	for what, look := range map[string]string{
		"mounts":     "grep -F -e hornero-%[1]s -e /hornero/lab/%[1]s/ /proc/mounts",
		"namespaces": "ip netns list | grep -F hornero-%[1]s",
		"rules":      "nft list tables 2>/dev/null | grep -F hornero-%[1]s",
		"processes":  "pgrep -af '[h]ornero-%[1]s[-.]'",
		"files":      "ls -d /var/lib/hornero/lab/%[1]s 2>/dev/null",
	} {
		out, err := exec.Command("sh", "-c", fmt.Sprintf(look, s.lab)+"; true").CombinedOutput()
		require.NoError(s.t, err)
		require.Emptyf(s.t, string(out), "%s left by the lab", what)
	}
}
