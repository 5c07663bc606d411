package builder_test

import (
	"bytes"

	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/builder"
)

func TestTheDropletIsAskedForAsToldTo(t *testing.T) {
	c := newCloud(t)
	vpc := "5a4981aa-9653-4bd1-bef5-d6bff52042e4"
	_, err := bake(t.Context(), t, prepared(t, c, object{
		"monitoring":    true,
		"ipv6":          true,
		"droplet_agent": false,
		"vpc_uuid":      vpc,
		"user_data":     "#cloud-config\n",
		"tags":          []string{"mine"},
		"droplet_name":  "bake-{{isotime `2006`}}",
		"snapshot_name": "tiny {{build_name}} {{timestamp}}",
		"ssh_key_id":    7,
		"ssh_key_ids":   []string{"8", "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff"},
	}))
	require.NoError(t, err)

	asked := c.started[0]

	for option, want := range (object{
		"monitoring":         true,
		"ipv6":               true,
		"with_droplet_agent": false,
		"vpc_uuid":           vpc,
	}) {
		require.Equal(t, want, asked[option], option)
	}

	require.Contains(t, asked["user_data"], "#cloud-config\n")
	require.Regexp(t, `^bake-20\d\d$`, asked["name"])
	require.Contains(t, asked["tags"], "mine")

	require.Subset(t,
		asked["ssh_keys"],
		[]any{
			float64(7),
			float64(8),
			"00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff",
		},
	)

	require.Len(t, asked["ssh_keys"], 4, "and the build's own")
	require.Regexp(t, `^tiny tiny \d{10}$`, c.list("images", "")[0]["name"])

}

func TestWhatIsNotToldIsNotAskedFor(t *testing.T) {
	c := newCloud(t)
	_, err := bake(t.Context(), t, prepared(t, c, nil))
	require.NoError(t, err)

	for _, option := range []string{"with_droplet_agent", "vpc_uuid"} {
		require.NotContains(t, c.started[0], option)
	}

	require.Equal(t, "hornero-build-tiny", c.started[0]["name"])
}

// The SSH server of the tests is at the public address only.
func TestTheDropletIsReachedAtItsPrivateAddress(t *testing.T) {
	c := newCloud(t)
	b := prepared(t, c, object{"connect_with_private_ip": true, "ssh_timeout": "300ms"})
	ui := &heard{Ui: packersdk.TestUi(t)}
	_, err := b.Run(t.Context(), ui, new(packersdk.MockHook))
	require.ErrorContains(t,
		err,
		"wait for SSH at 127.0.0.2:",
		"only the public address has a server",
	)

	require.Equal(t, nothing, c.left())
}

// heard is a Ui that keeps all that it is told.
type heard struct {
	packersdk.Ui
	bytes.Buffer
}

func (h *heard) Say(text string) {
	h.WriteString(text + "\n")
}
func (h *heard) Message(text string) {
	h.WriteString(text + "\n")
}
func (h *heard) Error(text string) {
	h.WriteString(text + "\n")
}

func TestUserDataIsNeverPrinted(t *testing.T) {
	const secret = "password: correct horse battery staple"
	var logged bytes.Buffer
	log.SetOutput(&logged)
	t.Cleanup(func() { log.SetOutput(io.Discard) })

	file := filepath.Join(t.TempDir(), "user-data")
	writeFile(t, file, "#cloud-config\n"+secret+"\n")

	c := newCloud(t)
	ui := &heard{Ui: packersdk.TestUi(t)}
	_, err := prepared(t, c, object{"user_data_file": file}).Run(
		t.Context(),
		ui,
		new(packersdk.MockHook),
	)
	require.NoError(t, err)
	require.Contains(t, c.started[0]["user_data"], "#cloud-config\n"+secret+"\n")

	private := hostKeyText(c.started[0]["user_data"].(string))
	require.Contains(t, private, "OPENSSH PRIVATE KEY")

	c.before = func(w http.ResponseWriter, _ *http.Request, call string) bool {
		if call == "POST droplets" {
			refuse(w, http.StatusUnprocessableEntity, "no")
		}

		return call == "POST droplets"
	}

	_, err = prepared(t, c, object{"user_data_file": file, "force": true}).Run(
		t.Context(),
		ui,
		new(packersdk.MockHook),
	)
	require.ErrorContains(t, err, "create Droplet")
	require.NotEmpty(t, ui.String())

	for _, text := range []string{
		logged.String(),
		ui.String(),
		err.Error(),
	} {
		require.NotContains(t, text, secret)
		require.NotContains(t, text, strings.Split(private, "\n")[1])
	}

	_, _, err = new(builder.Builder).Prepare(c.options(t,
		object{"user_data": secret + strings.Repeat("x", 64<<10)},
	))
	require.ErrorContains(t,
		err,
		"user_data: wrong configuration: must be at most 65536 bytes (64 KiB) with the host key that the build "+
			"adds, is 66",
	)

	require.NotContains(t, err.Error(), secret)
}

// writeKey leaves a private key and returns its file and its public half.
func writeKey(t *testing.T) (string, ssh.PublicKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)

	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)

	file := filepath.Join(t.TempDir(), "key")
	writeFile(t, file, string(pem.EncodeToMemory(block)))

	key, err := ssh.NewPublicKey(public)
	require.NoError(t, err)

	return file, key
}

func TestAKeyOfTheUsersOwn(t *testing.T) {
	file, public := writeKey(t)
	t.Run("the account does not have it", func(t *testing.T) {
		c := newCloud(t)
		_, err := bake(t.Context(), t, prepared(t, c, object{"ssh_private_key_file": file}))
		require.NoError(t, err)
		require.Equal(t, 1, c.count("POST account/keys"))
		require.Equal(t, oneImage, c.left())
	})

	t.Run("the account has it", func(t *testing.T) {
		c := newCloud(t)
		key := c.add("keys", object{
			"name":        "mine",
			"fingerprint": ssh.FingerprintLegacyMD5(public),
		})

		_, err := bake(t.Context(), t, prepared(t, c, object{"ssh_private_key_file": file}))
		require.NoError(t, err)
		require.Zero(t, c.count("POST account/keys"))

		require.EqualValues(t,
			[]any{float64(key["id"].(int))},
			c.started[0]["ssh_keys"],
		)

		require.Equal(t, 1, c.left()["keys"], "it is the user's")
	})

	t.Run("its id is told", func(t *testing.T) {
		c := newCloud(t)
		key := c.add("keys", object{"name": "mine"})
		id := key["id"].(int)
		_, err := bake(
			t.Context(),
			t,
			prepared(t, c, object{
				"ssh_private_key_file": file,
				"ssh_key_ids":          []string{strconv.Itoa(id)},
			}),
		)
		require.NoError(t, err)
		require.Zero(t, c.count("POST account/keys"))

		require.EqualValues(t,
			[]any{float64(id)},
			c.started[0]["ssh_keys"],
		)

		require.Equal(t, 1, c.left()["keys"])
	})
}

func TestARefusedTokenIsToldWithWhatToDo(t *testing.T) {
	c := newCloud(t)
	c.before = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		refuse(w, http.StatusUnauthorized, "Unable to authenticate you")
		return true
	}

	_, err := bake(t.Context(), t, prepared(t, c, nil))
	require.ErrorContains(t,
		err,
		"the API refused the token: set DIGITALOCEAN_ACCESS_TOKEN or api_token to one that is valid: list "+
			"Droplets tagged hornero-build: GET ",
	)
}
