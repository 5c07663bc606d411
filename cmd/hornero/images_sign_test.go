package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/internal/catalog"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/internal/signature"
)

func newSigner(t *testing.T) signature.Signer {
	t.Helper()

	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)

	block, err := ssh.MarshalPrivateKey(private, "team")
	require.NoError(t, err)

	signer, err := signature.ParseSigner(report.Secret(pem.EncodeToMemory(block)))
	require.NoError(t, err)

	return signer
}

// A bake signs what came of it, and nothing that somebody else put among the images meanwhile.
func TestABakeSignsWhatItMade(t *testing.T) {
	a := newAged(t)
	signer := newSigner(t)

	folder, err := record.DefaultFolder()
	require.NoError(t, err)

	s := signing{
		folder: folder,
		client: a.cloud.client(),
		signer: &signer,
		before: map[int]bool{},
	}

	for _, id := range a.ids {
		s.before[id] = true
	}

	made := a.cloud.add("api", time.Now())
	kept(t, "api", made, nil)
	foreign := a.cloud.add("vault", time.Now())

	var out bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	cmd.SetOut(&out)

	require.NoError(t, s.finish(cmd))
	require.Contains(t, out.String(), fmt.Sprintf("image %d, ", made))
	require.NotContains(t, out.String(), fmt.Sprint(foreign))

	images, err := catalog.List(t.Context(), a.cloud.client())
	require.NoError(t, err)

	for _, image := range images {
		want := signature.Unsigned
		if image.ID == made {
			want = signature.Signed
		}

		require.Equal(t, want, signature.Check(image.ID, image.Tags, []signature.Key{signer.Key()}), image.Name)
	}
}

func TestASignatureIsListed(t *testing.T) {
	for want, listed := range map[string]listedImage{
		"updates not known":                   {},
		"signed, updates not known":           {Signature: "signed"},
		"rejected, forged, updates not known": {Signature: "forged", Image: catalog.Image{Rejected: true}},
	} {
		require.Equal(t, want, listed.state())
	}
}
