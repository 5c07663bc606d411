package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/digitalocean/godo"
	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/catalog"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/internal/signature"
	"github.com/hornero/hornero/stack"
)

func (c *imagesCommands) signCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "sign IMAGE...",
		Short: "sign images with the stack's key, so that nodes are launched from them",
		Long: `hornero images bake signs what it bakes. This signs an image that was baked before there was a key,
or where the key is not. The key is the secret images.signing_key. The signature is a tag of the image,
over its number, role, release and digest: a copy of the image has another number. Sign only what you know.`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.complete(1),
		RunE:              c.sign,
	}
}

func (c *imagesCommands) sign(cmd *cobra.Command, args []string) error {
	signer, err := c.signer(cmd)
	if errors.Is(err, stack.ErrNoSecret) {
		return fmt.Errorf("%w: make one with `ssh-keygen -t ed25519 -N '' -f images.key`, write "+
			"images: {unsigned: tell} in stack.yaml, and `hornero secrets set %s <images.key`", err, stack.ImageKey)
	}

	if err != nil {
		return err
	}

	client, images, err := c.open(cmd)
	if err != nil {
		return err
	}

	for _, name := range args {
		image, err := catalog.Pick(images, name)
		if err != nil {
			return err
		}

		if err := signImage(cmd, client, signer, image); err != nil {
			return err
		}
	}

	return nil
}

// signer is the stack's own key.
func (c *imagesCommands) signer(cmd *cobra.Command) (signature.Signer, error) {
	s, _, err := loadStack(*c.file)
	if err != nil {
		return signature.Signer{}, err
	}

	secrets, err := readSecrets(s, cmd.ErrOrStderr())
	if err != nil {
		return signature.Signer{}, err
	}

	return fleet.ImageSigner(secrets)
}

func signImage(
	cmd *cobra.Command,
	client *godo.Client,
	signer signature.Signer,
	image catalog.Image,
) error {
	tag, err := signer.Tag(image.ID, image.Tags)
	if err != nil {
		return fmt.Errorf("sign image %d: %w", image.ID, err)
	}

	if err := do.TagImage(cmd.Context(), client, image.ID, []string{tag}, do.WaitOptions{}); err != nil {
		return fmt.Errorf("sign image %d: %w", image.ID, err)
	}

	fmt.Fprintf(cmd.OutOrStdout(), "image %d, %s, is signed\n", image.ID, image.Name)

	return nil
}

// signing is what a bake signs: the images that were not there when it began, and whose records it left on this
// machine. Nobody else's are among them.
type signing struct {
	folder record.Folder     // of the records on this machine
	client *godo.Client      // as the bake itself has it
	signer *signature.Signer // nil: the stack has no key
	before map[int]bool
}

// signing reads which images there are before a bake.
func (c *imagesCommands) signing(cmd *cobra.Command, environment []string) (signing, error) {
	signer, err := c.signer(cmd)

	switch {
	// Roles are baked without a stack, too.
	case errors.Is(err, stack.ErrNoSecret), errors.Is(err, fs.ErrNotExist):
		return signing{}, nil

	case errors.Is(err, stack.ErrNoKey), errors.Is(err, stack.ErrLocked):
		fmt.Fprintf(cmd.ErrOrStderr(), "what is baked is not signed: %v\n", err)
		return signing{}, nil

	case err != nil:
		return signing{}, err
	}

	folder, err := c.folder()
	if err != nil {
		return signing{}, err
	}

	client, err := clientIn(environment)
	if err != nil {
		return signing{}, err
	}

	images, err := catalog.List(cmd.Context(), client)
	if err != nil {
		return signing{}, do.ExplainRefusal(err)
	}

	before := map[int]bool{}

	for _, image := range images {
		before[image.ID] = true
	}

	return signing{
		folder: folder,
		client: client,
		signer: &signer,
		before: before,
	}, nil
}

// finish signs what was baked.
func (s signing) finish(cmd *cobra.Command) error {
	if s.signer == nil {
		return nil
	}

	images, err := catalog.List(cmd.Context(), s.client)
	if err != nil {
		return err
	}

	for _, image := range images {
		if s.before[image.ID] || !isRecorded(s.folder, image) {
			continue
		}

		err = errors.Join(err, signImage(cmd, s.client, *s.signer, image))
	}

	return err
}

// isRecorded tells whether the image's record is here, and names the digest that its tag has.
func isRecorded(folder record.Folder, image catalog.Image) bool {
	kept, err := folder.Read(image.RecordName(), image.ID)
	return err == nil && strings.HasPrefix(kept.Digest, image.Digest)
}

// addSignatures says of each image whether a key signed it that the stack trusts.
func (c *imagesCommands) addSignatures(cmd *cobra.Command, listed []listedImage) {
	s, _, err := loadStack(*c.file)
	if err != nil {
		return // images are listed without a stack, too
	}

	if s.Images.Unsigned == "" && len(s.Images.SignedBy) == 0 {
		return
	}

	var trusted []signature.Key

	secrets, err := readSecrets(s, cmd.ErrOrStderr())
	if err == nil {
		trusted, err = fleet.TrustedKeys(s, secrets)
	}

	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "signatures are not known: %v\n", err)
		return
	}

	words := map[signature.Verdict]string{
		signature.Signed:   "signed",
		signature.Unsigned: "unsigned",
		signature.Forged:   "forged",
	}

	for i, image := range listed {
		listed[i].Signature = words[signature.Check(image.ID, image.Tags, trusted)]
	}
}
