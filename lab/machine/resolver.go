package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/hornero/hornero/internal/file"
)

// resolverFile is where a Droplet finds whom it asks for names.
const resolverFile = "etc/resolv.conf"

// Resolvers are whom a Droplet with that public address asks for names: the gateway. One that has only its VPC reaches
// nobody who knows any.
func (h *Host) Resolvers(public netip.Addr) []netip.Addr {
	if !public.IsValid() {
		return nil
	}

	return []netip.Addr{h.Gateway()}
}

// resolverText is what a Droplet with a public address has in its resolver's file.
func (h *Host) resolverText() string {
	return fmt.Sprintf("nameserver %s\n", h.Gateway())
}

// writeResolver tells a Droplet whom it asks for names, whatever its image says.
func (h *Host) writeResolver(root string, droplet Droplet) error {
	if len(h.Resolvers(droplet.Public)) == 0 {
		return nil
	}

	_, err := file.Write(
		filepath.Join(root, resolverFile),
		[]byte(h.resolverText()),
		file.Options{Mode: 0o644},
	)

	return err
}

// dropResolver takes out of a layer what writeResolver put there. What the guest wrote itself stays, and a link may
// lead anywhere.
func (h *Host) dropResolver(layer string) error {
	path := filepath.Join(layer, resolverFile)

	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil
	}

	if err != nil {
		return err
	}

	text, err := os.ReadFile(path)
	if err != nil || string(text) != h.resolverText() {
		return err
	}

	return os.Remove(path)
}
