//go:build root

package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// strangeUserDataJoinsNothing launches Droplets of our image with user-data that is not fit for it.
func strangeUserDataJoinsNothing(t *testing.T, s *stack) {
	var web struct{ Droplet droplet }
	s.call(http.StatusOK, "GET", dropletPath(s.nodes()["web-1"].DropletID), nil, &web)

	whole := s.must("userdata", "web-1")
	for name, data := range map[string]string{
		"foreign":   "#!/bin/sh\ntrue\n",
		"truncated": whole[:len(whole)/2],
	} {
		id := s.createStranger(name, web.Droplet, data)
		said := s.refusesItsUserData(name, id)
		t.Logf("%s user-data: %s", name, said)

		require.Contains(t, s.journal(id), "user-data refused", "the journal says why")
		require.NotContains(t, s.must("status"), name)
	}

	// More is refused by the API here as on DigitalOcean; a node refuses it by itself in the unit tests of cloudinit.
	code := s.api("POST", "/v2/droplets", map[string]any{
		"name":      "fat",
		"region":    "nyc3",
		"size":      "s-1vcpu-1gb",
		"image":     web.Droplet.Image.ID,
		"user_data": strings.Repeat("x", 65<<10),
	}, nil)
	require.Equal(t, http.StatusUnprocessableEntity, code, "more than 64 KiB of user-data")
}

// createStranger makes a Droplet beside one of the stack, which goes when the test ends.
func (s *stack) createStranger(name string, beside droplet, userData string) (id int) {
	s.t.Helper()
	var made struct{ Droplet droplet }
	request := map[string]any{
		"name":      name,
		"region":    "nyc3",
		"size":      "s-1vcpu-1gb",
		"image":     beside.Image.ID,
		"vpc_uuid":  beside.VPC,
		"user_data": userData,
	}
	s.call(http.StatusAccepted, "POST", "/v2/droplets", request, &made)

	path := dropletPath(made.Droplet.ID)
	s.t.Cleanup(func() {
		s.api("DELETE", path, nil, nil)

		// A deletion takes a moment, and who looks next must not find it.
		require.Eventually(s.t, func() bool {
			return s.api("GET", path, nil, nil) == http.StatusNotFound
		}, 60*time.Second, 200*time.Millisecond, "%s is gone", name)
	})

	return made.Droplet.ID
}

// refusesItsUserData waits until a Droplet's health endpoint says that it was refused, and returns what it says.
func (s *stack) refusesItsUserData(name string, id int) (said string) {
	s.t.Helper()

	require.Eventually(s.t, func() bool {
		var now struct{ Droplet droplet }
		s.api("GET", dropletPath(id), nil, &now)

		for _, v4 := range now.Droplet.Networks.V4 {
			if v4.Type == "private" {
				health := "http://" + v4.Address + ":9200/healthz"
				said, _ = s.try("exec", "web-2", "--", "curl", "-s", "-m", "2", "-w", " %{http_code}", health)
			}
		}

		return strings.Contains(said, "refused") && strings.Contains(said, "503")
	}, 60*time.Second, time.Second, "the health endpoint of %s says that it was refused: %s", name, &said)

	return said
}

// wrongStackFiles has stack.yaml validated with one mistake each.
func wrongStackFiles(t *testing.T, s *stack) {
	text, err := os.ReadFile(s.file)
	require.NoError(t, err)

	for _, wrong := range []struct{ name, old, new, want string }{
		{
			name: "unknown key",
			old:  "region: nyc3",
			new:  "regoin: nyc3",
			want: `:\d+:\d+: error: regoin: unknown key`,
		},
		{
			name: "wrong type",
			old:  "count: 3",
			new:  "count: three",
			want: `:\d+:\d+: error: .*count`,
		},
		{
			name: "missing role",
			old:  "    role: " + called("proxy") + " ",
			new:  "    # ",
			want: `:\d+:\d+: error: .*role`,
		},
		{
			name: "duplicate name",
			old:  "- name: proxy",
			new:  "- name: db",
			want: `:\d+:\d+: error: .*db`,
		},
	} {
		folder := t.TempDir()
		path := filepath.Join(folder, "stack.yaml")

		// The stack's own roles are those beside its file; there are none in most runs.
		beside := filepath.Join(s.folder, "roles")
		require.NoError(t, os.Symlink(beside, filepath.Join(folder, "roles")))

		broken := strings.Replace(string(text), wrong.old, wrong.new, 1)
		require.NotEqual(t, string(text), broken)
		require.NoError(t, os.WriteFile(path, []byte(broken), 0o644))

		out, err := s.try("validate", "-f", path)
		require.Error(t, err, wrong.name)
		t.Log(out)
		require.Regexp(t, `stack\.yaml`+wrong.want, out, wrong.name)
	}
}
