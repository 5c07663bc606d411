//go:build root

package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rescueKey is the public half of a key whose private half nobody has.
const rescueKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICKbrOuITMZqnFWjhO0J5GeThupa1sBYxmMV6lrUKwzC rescue"

// theAccountsObjectsFollow moves the stack into a project, turns backups on, and gives one node a key of the account.
// It takes all of it back.
func theAccountsObjectsFollow(t *testing.T, s *stack) {
	text, err := os.ReadFile(s.file)
	require.NoError(t, err)

	project := s.createProject()

	t.Cleanup(func() {
		require.NoError(t, os.WriteFile(s.file, text, 0o600))
		s.must("up")
		s.must("plan", "--detailed-exitcode")
		s.deleteProject(project)
	})

	before := s.nodes()
	s.write(string(text) + "\nproject: e2e\n")
	require.Contains(t, s.must("plan"), "change: not in it: ")

	s.must("up")
	s.must("plan", "--detailed-exitcode")
	require.Len(t, s.resourcesOf(project), len(before)+1, "all Droplets, and the load balancer")

	backed := strings.Replace(string(text), "    role: db", "    backups: true\n    role: db", 1)
	require.NotEqual(t, string(text), backed)
	s.write(backed + "\nproject: e2e\n")
	require.Contains(t, s.must("plan"), "change: backups off -> on")

	s.must("up")
	s.must("plan", "--detailed-exitcode")
	require.Equal(t, before["db-1"].DropletID, s.nodes()["db-1"].DropletID, "no node was replaced for it")

	s.givesAKey(string(text))
}

// givesAKey replaces a web node by one that has a key of the account, and by one without.
func (s *stack) givesAKey(text string) {
	s.t.Helper()

	key := map[string]any{
		"name":       "rescue",
		"public_key": rescueKey,
	}

	var made struct {
		Key struct{ ID int } `json:"ssh_key"`
	}

	s.call(http.StatusCreated, "POST", "/v2/account/keys", key, &made)

	s.write(text + "\nssh_keys: [rescue]\n")
	require.Contains(s.t, s.must("plan"), "replace: settings, secrets or rights")

	s.must("replace", "web-2")
	words := strings.Fields(rescueKey)
	_, err := s.tryOn("web-2", "grep -q "+words[1]+" /root/.ssh/authorized_keys")
	require.NoError(s.t, err, "who has the key's other half may log in")

	s.write(text)
	s.must("replace", "web-2")
	s.call(http.StatusNoContent, "DELETE", fmt.Sprintf("/v2/account/keys/%d", made.Key.ID), nil, nil)

	_, err = s.tryOn("web-2", "grep -q "+words[1]+" /root/.ssh/authorized_keys")
	require.Error(s.t, err, "its successor has it no more")
}

func (s *stack) write(text string) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(s.file, []byte(text), 0o600))
}

// createProject makes the project e2e, and returns its number.
func (s *stack) createProject() string {
	s.t.Helper()

	ask := map[string]any{
		"name":    "e2e",
		"purpose": "Website or blog",
	}

	var answer struct {
		Project struct{ ID string }
	}

	s.call(http.StatusCreated, "POST", "/v2/projects", ask, &answer)

	return answer.Project.ID
}

// deleteProject moves all that a project holds into the default one first.
func (s *stack) deleteProject(project string) {
	s.t.Helper()

	held := map[string]any{"resources": s.resourcesOf(project)}
	s.call(http.StatusOK, "POST", "/v2/projects/default/resources", held, nil)
	s.call(http.StatusNoContent, "DELETE", "/v2/projects/"+project, nil, nil)
}

// resourcesOf are the URNs of what a project holds.
func (s *stack) resourcesOf(project string) []string {
	s.t.Helper()

	var answer struct {
		Resources []struct{ URN string }
	}

	s.call(http.StatusOK, "GET", "/v2/projects/"+project+"/resources", nil, &answer)

	var urns []string
	for _, resource := range answer.Resources {
		urns = append(urns, resource.URN)
	}

	return urns
}
