package acme

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/hornero/hornero/internal/certificates"
	"github.com/hornero/hornero/internal/derived"
	"github.com/hornero/hornero/internal/report"
)

// Store is where all nodes of the role find what one of them wrote down.
type Store interface {
	// Read returns all that is kept, by name.
	Read(ctx context.Context) (
		map[string]string,
		error,
	)
	// Write keeps a text. It fails where another node has taken the work over.
	Write(ctx context.Context, name, text string) error
}

// progressPrefix begins the names of what is kept of how far a certificate has come.
const progressPrefix = "acme-progress."

// mostKept is what the peer set takes of a text.
const mostKept = 4 << 10

var errTooLarge = errors.New("the peer set takes no text of more than 4 KiB; a certificate for fewer names is smaller")

// Progress is how far a certificate has come. It is kept sealed: the order's key is the next certificate's.
type Progress struct {
	Names []string `json:"names"` // that the order is for, and what was paid for
	Order *Order   `json:"order,omitempty"`
	// Paid are the last orders for these names that were finished.
	Paid     []time.Time `json:"paid,omitempty"`
	Failures int         `json:"failures,omitempty"` // since the last certificate
	Trouble  *Problem    `json:"trouble,omitempty"`
	Next     time.Time   `json:"next,omitzero"` // not before
	Window   Window      `json:"window,omitzero"`
	// Fallback says that the second authority is asked: Order, Next and Window are about that one.
	Fallback bool  `json:"fallback,omitempty"`
	Other    Other `json:"other,omitzero"`
	// Given says that the second authority gave the certificate that there is.
	Given bool `json:"given,omitempty"`
}

// known is what is kept of a certificate.
type known struct {
	certificate *Certificate // nil: none yet
	progress    Progress
}

// keeper reads and writes sealed texts.
type keeper struct {
	store  Store
	secret report.Secret
}

// read returns what is kept of a certificate. What the secret does not open was kept by nodes with another: it is as if
// it were not there.
func (k keeper) read(all map[string]string, name string) known {
	var found known

	if plain, ok := k.open(all, certificates.KeptPrefix+name); ok {
		if certificate, err := unpack(plain); err == nil {
			found.certificate = certificate
		}
	}

	if plain, ok := k.open(all, progressPrefix+name); ok {
		// One that is not understood begins anew.
		if err := json.Unmarshal(plain, &found.progress); err != nil {
			found.progress = Progress{}
		}
	}

	return found
}

func (k keeper) open(all map[string]string, name string) ([]byte, bool) {
	text, there := all[name]
	if !there {
		return nil, false
	}

	plain, err := derived.Open(
		k.secret,
		name,
		text,
	)

	return plain, err == nil
}

func (k keeper) write(ctx context.Context, name string, plain []byte) error {
	text, err := derived.Seal(
		k.secret,
		name,
		plain,
	)
	if err != nil {
		return err
	}

	if len(text) > mostKept {
		return fmt.Errorf("keep %s: %w: %d bytes", name, errTooLarge, len(text))
	}

	return k.store.Write(ctx, name, text)
}

func (k keeper) writeCertificate(ctx context.Context, name string, certificate Certificate) error {
	return k.write(
		ctx,
		certificates.KeptPrefix+name,
		derived.Pack([]byte(certificate.Chain+certificate.Key)),
	)
}

func (k keeper) writeProgress(ctx context.Context, name string, progress Progress) error {
	plain, err := json.Marshal(progress)
	if err != nil {
		return err
	}

	return k.write(
		ctx,
		progressPrefix+name,
		plain,
	)
}

func unpack(plain []byte) (*Certificate, error) {
	text, err := derived.PEM(plain)
	if err != nil {
		return nil, fmt.Errorf(
			"read a certificate: %w",
			err,
		)
	}

	var certificate Certificate

	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return &certificate, nil
		}

		if block.Type == certificateBlock {
			certificate.Chain += string(pem.EncodeToMemory(block))
		} else {
			certificate.Key += string(pem.EncodeToMemory(block))
		}
	}
}
