//go:build root

package clients_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// labStatus is what `hornero lab status --json` says that a client of Spaces needs.
type labStatus struct {
	PID              int               `json:"pid"`
	SpacesURL        map[string]string `json:"spaces_url"`
	SpacesDropletURL map[string]string `json:"spaces_droplet_url"`
	Droplets         []struct {
		PID int `json:"pid"`
	} `json:"droplets"`
}

func (b *bench) status() labStatus {
	b.t.Helper()
	var status labStatus
	require.NoError(b.t, json.Unmarshal([]byte(b.hornero("status", "--json")), &status))

	return status
}

func (b *bench) hornero(args ...string) string {
	b.t.Helper()
	return b.run(
		b.root,
		filepath.Join(b.root, "bin/hornero"),
		append([]string{"lab", "--name", labName}, args...)...,
	)
}

// spacesKey is a key as the API shows it once.
type spacesKey struct {
	Access string `json:"access_key"`
	Secret string `json:"secret_key"`
}

func (b *bench) call(method, path, body string, into any) {
	b.t.Helper()

	request, err := http.NewRequestWithContext(
		b.t.Context(),
		method,
		b.url+path,
		bytes.NewBufferString(body),
	)
	require.NoError(b.t, err)
	request.Header.Set("Authorization", "Bearer "+b.token)
	request.Header.Set("Content-Type", "application/json")

	response, err := http.DefaultClient.Do(request)
	require.NoError(b.t, err)
	defer response.Body.Close()

	data, err := io.ReadAll(response.Body)
	require.NoError(b.t, err)
	require.Lessf(b.t, response.StatusCode, 300, "%s %s: %s", method, path, data)

	if into != nil {
		require.NoError(b.t, json.Unmarshal(data, into))
	}
}

func (b *bench) makeSpacesKey(grants string) spacesKey {
	b.t.Helper()
	var made struct{ Key spacesKey }
	b.call(http.MethodPost, "/v2/spaces/keys", `{"name":"rclone","grants":`+grants+`}`, &made)

	return made.Key
}

// remote tells rclone of Spaces under a name. It is "Other" because rclone puts the bucket into the host's name for
// DigitalOcean, whatever else is said, and there is no such name on loopback.
func (b *bench) remote(name, endpoint string, key spacesKey) {
	prefix := "RCLONE_CONFIG_" + strings.ToUpper(name) + "_"
	b.env = append(b.env, prefix+"TYPE=s3", prefix+"PROVIDER=Other", prefix+"ENDPOINT="+endpoint,
		prefix+"ACCESS_KEY_ID="+key.Access, prefix+"SECRET_ACCESS_KEY="+key.Secret)
}

// rcloneArgs make rclone send what is larger than 5 MiB in parts, and give up at once.
func rcloneArgs(args ...string) []string {
	return append(
		[]string{"--config=", "--retries=1", "--low-level-retries=1", "--s3-upload-cutoff=5M", "--s3-chunk-size=5M"},
		args...,
	)
}

func (b *bench) rclone(args ...string) string {
	b.t.Helper()
	return b.run(b.root, "rclone", rcloneArgs(args...)...)
}

func (b *bench) refused(code string, args ...string) {
	b.t.Helper()
	_, stderr, err := b.try(b.root, "rclone", rcloneArgs(args...)...)
	require.Errorf(b.t, err, "rclone %v", args)
	require.Contains(b.t, stderr, code)
}

func (b *bench) listed(remote string) []string {
	b.t.Helper()
	return strings.Fields(b.rclone("lsf", "--recursive", "--files-only", remote))
}

// TestRclone is a life of Spaces with Debian's rclone, a crash of the lab in its midst.
func TestRclone(t *testing.T) {
	b := newBench(t)

	// whatever the tester has of his own
	b.env = append(b.env, "AWS_CA_BUNDLE=", "http_proxy=", "HTTP_PROXY=")
	full := b.makeSpacesKey(`[{"bucket":"","permission":"fullaccess"}]`)
	b.remote("own", b.status().SpacesURL["fra1"], full)

	b.rclone("mkdir", "own:photos")
	require.Equal(t, "photos/\n", b.rclone("lsf", "own:"))

	folder := b.photos()
	b.rclone("copy", folder, "own:photos/album")

	require.ElementsMatch(t,
		[]string{"a.txt", "deep/b.txt", "film.bin"},
		b.listed("own:photos/album"),
	)

	require.Equal(t, "first", b.rclone("cat", "own:photos/album/a.txt"))
	b.rclone("check", "--download", folder, "own:photos/album")

	b.crash()
	b.rclone("check", "--download", folder, "own:photos/album")
	require.NoError(t, os.Remove(filepath.Join(folder, "deep/b.txt")))

	require.NoError(t, os.WriteFile(
		filepath.Join(folder, "a.txt"),
		[]byte("second, longer"),
		0o600,
	))

	b.rclone("sync", folder, "own:photos/album")
	require.ElementsMatch(t, []string{"a.txt", "film.bin"}, b.listed("own:photos/album"))
	require.Equal(t, "second, longer", b.rclone("cat", "own:photos/album/a.txt"))
	b.rclone("copyto", "own:photos/album/a.txt", "own:photos/copy.txt")
	require.Equal(t, "second, longer", b.rclone("cat", "own:photos/copy.txt"))

	response, err := http.Get(strings.TrimSpace(b.rclone(
		"link",
		"--expire",
		"1m",
		"own:photos/copy.txt",
	)))
	require.NoError(t, err)
	defer response.Body.Close()

	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "second, longer", string(text))

	t.Run("grants", func(t *testing.T) {
		b.within(t).spacesGrants(full)
	})
	t.Run("from a Droplet", func(t *testing.T) {
		b.within(t).spacesFromDroplet(full)
	})

	b.rclone("delete", "own:photos/album")
	require.Equal(t, []string{"copy.txt"}, b.listed("own:photos"))
	b.rclone("purge", "own:photos")
	require.Empty(t, b.rclone("lsf", "own:"))
	b.call(http.MethodDelete, "/v2/spaces/keys/"+full.Access, "", nil)
	b.refused("InvalidAccessKeyId", "lsf", "own:")
}

// photos is a folder with a file that goes in parts.
func (b *bench) photos() string {
	folder := b.write("a.txt", "first")
	require.NoError(b.t, os.Mkdir(filepath.Join(folder, "deep"), 0o700))

	require.NoError(b.t, os.WriteFile(
		filepath.Join(folder, "deep/b.txt"),
		[]byte("deep"),
		0o600,
	))

	require.NoError(b.t, os.WriteFile(
		filepath.Join(folder, "film.bin"),
		bytes.Repeat([]byte("0123456789abcdef"), 12<<16),
		0o600,
	))

	return folder
}

// crash kills the lab's process and starts the lab again: what was answered is there, and where it was.
func (b *bench) crash() {
	before := b.status()
	require.NoError(b.t, syscall.Kill(before.PID, syscall.SIGKILL))

	require.Eventually(b.t, func() bool { // in the instant of its end the lab is found, and does not answer
		said, _, err := b.try(
			b.root,
			filepath.Join(b.root, "bin/hornero"),
			"lab",
			"status",
			"--name",
			labName,
		)

		return err == nil && strings.Contains(said, "is not running")
	}, waitFor, tick)

	b.hornero("start")
	require.Equal(b.t, before.SpacesURL, b.status().SpacesURL)
}

func (b *bench) spacesGrants(full spacesKey) {
	endpoint := b.status().SpacesURL["fra1"]
	b.remote("wrong", endpoint, spacesKey{Access: full.Access, Secret: "wrong"})
	b.refused("SignatureDoesNotMatch", "lsf", "wrong:photos")
	b.remote("nobody", endpoint, spacesKey{Access: "DO00NOBODY", Secret: full.Secret})
	b.refused("InvalidAccessKeyId", "lsf", "nobody:photos")

	reader := b.makeSpacesKey(`[{"bucket":"photos","permission":"read"}]`)
	b.remote("reader", endpoint, reader)
	require.Equal(b.t, "second, longer", b.rclone("cat", "reader:photos/album/a.txt"))
	b.refused("AccessDenied", "deletefile", "reader:photos/copy.txt")
	b.refused("AccessDenied", "lsf", "reader:")

	b.call(
		http.MethodPut,
		"/v2/spaces/keys/"+reader.Access,
		`{"name":"rclone","grants":[{"bucket":"photos","permission":"readwrite"}]}`,
		nil,
	)

	b.rclone("deletefile", "reader:photos/album/film.bin")
	require.Equal(b.t, []string{"a.txt"}, b.listed("own:photos/album"))
	b.refused("AccessDenied", "mkdir", "reader:more-photos")
	b.remote("elsewhere", b.status().SpacesURL["nyc3"], full)
	require.Empty(b.t, b.rclone("lsf", "elsewhere:"))
}

// spacesFromDroplet asks from inside of a Droplet's network.
func (b *bench) spacesFromDroplet(full spacesKey) {
	droplet := b.doctl(
		"compute",
		"droplet",
		"create",
		"client",
		"--wait",
		"--region",
		"fra1",
		"--size",
		"s-1vcpu-1gb",
		"--image",
		"debian-13-x64",
	)[0]

	status := b.status()
	b.remote("inside", status.SpacesDropletURL["fra1"], full)

	enter := []string{
		"--target",
		strconv.Itoa(status.Droplets[0].PID),
		"--net",
		"--",
		"rclone",
	}

	require.Equal(
		b.t,
		"second, longer",
		b.run(b.root, "nsenter", append(enter, rcloneArgs("cat", "inside:photos/copy.txt")...)...),
	)

	b.do("compute", "droplet", "delete", droplet.id(), "--force")
}
