package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/internal/signature"
	"github.com/hornero/hornero/stack"
)

// imagesTold are the images of which a command has said that nobody signed them.
type imagesTold struct {
	mu   sync.Mutex
	seen map[int]bool
}

// voucher tells of images whether somebody vouches for them.
type voucher struct {
	trusted []signature.Key
	refuse  bool // those that nobody signed
	records record.Folder
}

// voucher is of the keys that stack.yaml names, and of the stack's own.
func (f *Fleet) voucher() (voucher, error) {
	trusted, err := TrustedKeys(f.Stack, f.Secrets)

	return voucher{
		trusted: trusted,
		refuse:  f.Stack.Images.Unsigned == stack.UnsignedRefuse,
		records: f.Records,
	}, err
}

// TrustedKeys are the keys whose word for an image is taken: those that stack.yaml names, and that of the secrets file.
func TrustedKeys(s *stack.Stack, secrets *stack.Secrets) ([]signature.Key, error) {
	var trusted []signature.Key

	for _, line := range s.Images.SignedBy {
		key, err := signature.ParseKey(line)
		if err != nil {
			return nil, fmt.Errorf("images.signed_by of stack %s: %w", s.Name, err)
		}

		trusted = append(trusted, key)
	}

	signer, err := ImageSigner(secrets)

	switch {
	case errors.Is(err, stack.ErrNoSecret):
		return trusted, nil
	case err != nil:
		return nil, err
	}

	return append(trusted, signer.Key()), nil
}

// ImageSigner is the stack's own key, which signs its images; stack.ErrNoSecret where it has none.
func ImageSigner(secrets *stack.Secrets) (signature.Signer, error) {
	text, err := secrets.Get(stack.ImageKey)
	if err != nil {
		return signature.Signer{}, err
	}

	signer, err := signature.ParseSigner(text)
	if err != nil {
		return signature.Signer{}, fmt.Errorf("secret %s %w", stack.ImageKey, err)
	}

	return signer, nil
}

// refusal is why no node is launched from an image; empty when one may be.
func (v voucher) refusal(image godo.Image) string {
	if v.isOtherRecord(image) {
		return "has a tag with another digest than its record, which is here: somebody changed its tags"
	}

	switch signature.Check(image.ID, image.Tags, v.trusted) {
	case signature.Forged:
		return "bears a signature that is not of it: it was copied from another image, or its tags were changed"
	case signature.Unsigned:
		if v.refuse {
			return "is signed by none of the keys that the stack trusts (`hornero images sign` signs it)"
		}
	}

	return ""
}

// isOtherRecord tells whether the record of an image, which was made with it, names another digest than its tag. Where
// the record is not here, nobody can say.
func (v voucher) isOtherRecord(image godo.Image) bool {
	digest := tagged(image, "hornero:digest:")
	if v.records == "" || digest == "" {
		return false
	}

	name := record.ImageName(tagged(image, "hornero:role:"), tagged(image, "hornero:release:"), digest)
	kept, err := v.records.Read(name, image.ID)

	return err == nil && !strings.HasPrefix(kept.Digest, digest)
}

// tagged is what stands behind a prefix in one of an image's tags.
func tagged(image godo.Image, prefix string) string {
	for _, tag := range image.Tags {
		if value, ok := strings.CutPrefix(tag, prefix); ok {
			return value
		}
	}

	return ""
}

// tellUnsigned says once that an image is not signed, where the stack knows a key that might have.
func (f *Fleet) tellUnsigned(image godo.Image) error {
	v, err := f.voucher()
	if err != nil || len(v.trusted) == 0 || f.Progress == nil {
		return err
	}

	f.images.mu.Lock()
	defer f.images.mu.Unlock()

	if f.images.seen[image.ID] || signature.Check(image.ID, image.Tags, v.trusted) == signature.Signed {
		return nil
	}

	if f.images.seen == nil {
		f.images.seen = map[int]bool{}
	}

	f.images.seen[image.ID] = true
	f.Progress(fmt.Sprintf(
		"image %d (%s) is signed by none of the keys that the stack trusts; `hornero images sign %d` signs it",
		image.ID,
		image.Name,
		image.ID,
	))

	return nil
}

// addVouched notes of nodes that nobody vouches for what they run, where the stack knows a key that might have.
func (f *Fleet) addVouched(ctx context.Context, nodes []NodeLine) error {
	v, err := f.voucher()
	if err != nil || len(v.trusted) == 0 {
		return err
	}

	images, err := do.ImagesByTag(ctx, f.Client, "hornero")
	if err != nil {
		return err
	}

	notes := map[int]string{}

	for _, image := range images {
		note := v.refusal(image)
		if note == "" && signature.Check(image.ID, image.Tags, v.trusted) == signature.Unsigned {
			note = "is not signed"
		}

		notes[image.ID] = note
	}

	for i := range nodes {
		node := &nodes[i]
		note, there := notes[node.ImageID]

		// An image that was deleted says nothing any more.
		if !there || note == "" {
			continue
		}

		node.add(fmt.Sprintf("its image %d %s", node.ImageID, note))
	}

	return nil
}
