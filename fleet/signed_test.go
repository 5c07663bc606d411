package fleet_test

import (
	"crypto/ed25519"
	"encoding/json"
	"encoding/pem"
	"strconv"
	"strings"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/internal/signature"
	"github.com/hornero/hornero/stack"
)

// digestOf is what the tests' images of a role are known by: the tag's part, and all of it.
func digestOf(role string) (tagged, whole string) {
	whole = strings.Repeat(strconv.Itoa(len(role)%10), 64)
	return whole[:32], whole
}

// imageKey makes a key that signs images.
func imageKey(t *testing.T) (signature.Signer, report.Secret) {
	t.Helper()

	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)

	block, err := ssh.MarshalPrivateKey(private, "team")
	require.NoError(t, err)

	text := report.Secret(pem.EncodeToMemory(block))
	signer, err := signature.ParseSigner(text)
	require.NoError(t, err)

	return signer, text
}

// label gives an image a tag.
func (w *world) label(image int, tag string) {
	w.tag(tag, godo.Resource{
		ID:   strconv.Itoa(image),
		Type: godo.ImageResourceType,
	})
}

// sign signs an image as it is.
func (w *world) sign(signer signature.Signer, image int) string {
	w.t.Helper()

	now, _, err := w.config.Client.Images.GetByID(w.t.Context(), image)
	require.NoError(w.t, err)

	tag, err := signer.Tag(image, now.Tags)
	require.NoError(w.t, err)
	w.label(image, tag)

	return tag
}

// published gives the images of all roles the tag of a published one, and returns their numbers.
func (w *world) published() map[string]int {
	images := map[string]int{}

	for _, role := range []string{"db", "proxy", "web"} {
		image := w.newestOf(role)
		digest, _ := digestOf(role)
		w.label(image.ID, "hornero:digest:"+digest)
		images[role] = image.ID
	}

	return images
}

func TestOnlyASignedImageIsLaunchedWhereTheStackSaysSo(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	team, _ := imageKey(t)
	images := w.published()
	w.config.Stack.Images = stack.Images{
		SignedBy: []string{team.Key().String()},
		Unsigned: stack.UnsignedRefuse,
	}

	err := w.up()
	require.ErrorIs(t, err, fleet.ErrNoImage)
	require.ErrorContains(t, err, "but one that nobody vouches for (`hornero images list` says why)")

	// Another's signature is none.
	other, _ := imageKey(t)
	for _, image := range images {
		w.sign(other, image)
	}

	require.ErrorIs(t, w.up(), fleet.ErrNoImage)

	for _, image := range images {
		w.sign(team, image)
	}

	w.mustUp()

	for _, node := range w.status().Nodes {
		require.NotContains(t, node.Note, "its image", node.Name)
	}
}

func TestAnImageThatNobodySignedIsTold(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	images := w.published()
	own, text := imageKey(t)

	heard := w.hear()
	w.mustUp()
	require.NotContains(t, heard(), "signed", "the stack has no key")

	// The stack's own key is trusted without a word in stack.yaml.
	require.NoError(t, w.config.Secrets.Set(stack.ImageKey, text))
	w.sign(own, images["db"])
	w.nothingToDo()

	const told = " is signed by none of the keys that the stack trusts; `hornero images sign "
	require.Equal(t, 2, strings.Count(heard(), told), "the proxies' and the web nodes', once each")

	for _, node := range w.status().Nodes {
		note := "its image " + strconv.Itoa(node.ImageID) + " is not signed"
		require.Equal(t, node.Role != "db", strings.Contains(node.Note, note), node.Name)
	}
}

// A snapshot of a changed node, with all tags of the image that it was made from, is not launched, whatever the stack
// does about images without a signature.
func TestACopiedSignatureIsNone(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	images := w.published()
	team, _ := imageKey(t)
	w.config.Stack.Images.SignedBy = []string{team.Key().String()}

	var copied []string
	for _, image := range images {
		w.sign(team, image)
	}

	w.mustUp()

	for _, tag := range w.newestOf("web").Tags {
		if tag != "hornero" {
			copied = append(copied, tag)
		}
	}

	changed := w.snapshot("web-1", copied...)
	require.NoError(t, w.replace("web-2"))

	for _, node := range w.status().Nodes {
		require.NotEqual(t, changed, node.ImageID, node.Name)
	}

	w.config.Stack.Nodes[2].Image = changed
	err := w.replace("web-2")
	require.ErrorIs(t, err, fleet.ErrPinned)
	require.ErrorContains(t, err, "bears a signature that is not of it: it was copied from another image")
}

func TestAnImageOfAnotherDigestThanItsRecordIsRefused(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	images := w.published()
	w.config.Records = record.Folder(t.TempDir())

	keep := func(role, digest string) {
		tagged, _ := digestOf(role)
		text, err := json.Marshal(record.Image{Version: record.Version, Digest: digest})
		require.NoError(t, err)

		name := record.ImageName(role, "debian-13", tagged)
		require.NoError(t, w.config.Records.SaveAs(name, images[role], text))
	}

	_, whole := digestOf("web")
	keep("web", strings.Repeat("f", 64))
	err := w.up()
	require.ErrorIs(t, err, fleet.ErrNoImage)
	require.ErrorContains(t, err, "nobody vouches for")

	keep("web", whole)
	w.mustUp()
}
