package archive

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// debianKeys are the keys that sign Debian's archive, of package debian-archive-keyring 2023.3+deb12u2 (Debian 11 to
// 13): not every operator's machine is a Debian.
//
//go:embed debian-archive-keyring.gpg
var debianKeys []byte

type keyring = openpgp.EntityList

// readKeys are the keys that are trusted: those that are built in, and those in the files that this machine has. A
// Debian has newer ones than an older hornero.
func readKeys(files []string) (keyring, error) {
	keys, err := openpgp.ReadKeyRing(bytes.NewReader(debianKeys))
	if err != nil {
		return nil, fmt.Errorf("read Debian's keys: %w", err)
	}

	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read Debian's keys: %w", err)
		}

		more, err := openpgp.ReadKeyRing(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("read Debian's keys from %s: %w", file, err)
		}

		keys = append(keys, more...)
	}

	return keys, nil
}
