package fleet_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/lab/api"
)

// uploadKey gives the account a new SSH key.
func (w *world) uploadKey(name string) *godo.Key {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(w.t, err)

	key, err := ssh.NewPublicKey(public)
	require.NoError(w.t, err)

	return w.uploadText(name, string(ssh.MarshalAuthorizedKey(key)))
}

func (w *world) uploadText(name, text string) *godo.Key {
	made, _, err := w.config.Client.Keys.Create(w.t.Context(), &godo.KeyCreateRequest{
		Name:      name,
		PublicKey: text,
	})
	require.NoError(w.t, err)

	return made
}

// keysOfMachines are the account's keys that each new machine was given.
func (w *world) keysOfMachines() *[][]string {
	var all [][]string

	w.created = func(machine api.Machine) {
		w.set(func() { all = append(all, machine.PublicKeys) })
	}

	return &all
}

func TestDropletsHaveTheAccountsKeys(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	ann, tom, eve := w.uploadKey("ann"), w.uploadKey("tom"), w.uploadKey("eve")
	given := w.keysOfMachines()

	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(eve.PublicKey))
	require.NoError(t, err)

	// By name, by number and by either fingerprint, and one of them twice.
	w.config.Stack.SSHKeys = []string{
		"ann",
		strconv.Itoa(tom.ID),
		ssh.FingerprintSHA256(public),
		strings.ToUpper(ann.Fingerprint),
	}
	w.mustUp()
	require.Len(t, *given, 7)

	want := []string{ann.PublicKey, tom.PublicKey, eve.PublicKey}
	for _, keys := range *given {
		require.ElementsMatch(t, want, keys)
	}

	w.nothingToDo()

	// In another order, and called otherwise.
	w.config.Stack.SSHKeys = []string{eve.Fingerprint, "tom", ann.Fingerprint}
	w.nothingToDo()

	w.config.Stack.SSHKeys = []string{"tom"}
	require.Equal(t, replaced("db-1", "db-2", "db-3", "proxy-1", "proxy-2", "web-1", "web-2"), w.plan())
}

// What a Droplet was given cannot be read: uploaded anew, the key has another number.
func TestAKeyThatWasUploadedAnewIsTheSame(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	ann := w.uploadKey("ann")
	w.config.Stack.SSHKeys = []string{"ann"}
	w.mustUp()

	_, err := w.config.Client.Keys.DeleteByID(t.Context(), ann.ID)
	require.NoError(t, err)

	const missing = `the SSH key cannot be used: the account has no SSH key "ann"; it has none; ` +
		"`doctl compute ssh-key import NAME --public-key-file FILE` uploads one"

	require.Equal(t, []string{"nothing SSH key ann: " + missing}, w.plan())
	require.EqualError(t, w.up(), missing)
	require.ErrorIs(t, w.replace("web-1"), fleet.ErrSSHKey)
	require.Empty(t, w.history, "nothing was taken away")

	w.uploadText("ann", ann.PublicKey)
	w.nothingToDo()
}

func TestAKeyThatIsMisspeltOrNamesTwo(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	first := w.uploadKey("laptop")
	w.uploadKey("laptop")
	w.uploadKey("desktop")

	w.config.Stack.SSHKeys = []string{"desktpo", "laptop", "x"}
	err := w.up()
	require.ErrorContains(t, err, `the account has no SSH key "desktpo"; did you mean "desktop"?`)
	require.ErrorContains(t, err, `the account has several SSH keys "laptop"; write the fingerprint of one, as in `)
	require.ErrorContains(t, err, `the account has no SSH key "x"; it has `)
	require.Empty(t, w.names(), "nothing was made")

	lines := w.plan()
	known := func(line string) bool { return strings.HasPrefix(line, "nothing SSH key ") }
	require.Len(t, slices.DeleteFunc(lines, func(line string) bool { return !known(line) }), 3)

	w.config.Stack.SSHKeys = []string{"desktop", first.Fingerprint}
	w.mustUp()
	w.nothingToDo()
}
