package bootstrap

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/file"
)

const originFile = "origin.json"

// origin is what a node keeps of its first boot.
type origin struct {
	Droplet cloudinit.Droplet
	Found   cloudinit.Found
	First   time.Time // when this disk first saw the document
}

// StoredUserData is the user-data that a node's agent found at its first boot and goes on with, from its folder.
func StoredUserData(state string) (cloudinit.Found, bool) {
	o, known := loadOrigin(state)
	return o.Found, known
}

func loadOrigin(state string) (origin, bool) {
	var o origin

	data, err := os.ReadFile(filepath.Join(state, originFile))
	if err != nil || json.Unmarshal(data, &o) != nil {
		// A first boot has kept nothing. There is no half of a file: it is written by a rename.
		return origin{}, false
	}

	return o, true
}

func (o origin) save(state string) error {
	data, err := json.Marshal(o)
	if err != nil {
		return err
	}

	_, err = file.Write(filepath.Join(state, originFile), data, file.Options{Mode: 0o600})

	return err
}
