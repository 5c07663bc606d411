//go:build root

package website_test

import (
	"cmp"
	"os"
	"path/filepath"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

// imageLayer is what the bake adds to Debian's packages, as a layer that all web nodes have.
type imageLayer struct {
	folder    string
	inventory string // what the role says of the code that is in it
}

// bake puts the role's files into a layer, and runs its bake commands on it.
func (s *site) bake() *imageLayer {
	s.t.Helper()

	oven := newNode(
		s.t,
		"oven",
		"10.108.7.9",
		root(s.t),
	)

	for _, file := range s.manifest.Files {
		data, err := file.Data()
		require.NoError(s.t, err)

		oven.write(
			file.Path,
			cmp.Or(file.Mode, "0644"),
			cmp.Or(file.Owner, "root:root"),
			string(data),
		)
	}

	for _, program := range s.manifest.Programs {
		path := filepath.Join(os.Getenv("HORNERO_WEBSITE_PROGRAMS"), program.Name)

		data, err := os.ReadFile(path)
		require.NoError(s.t, err)

		oven.write(
			program.Target(),
			"0755",
			"root:root",
			string(data),
		)
	}

	s.bakeCode(oven)

	bare := roles.Facts{
		Role:    "web",
		Release: release,
	}

	for _, command := range s.manifest.Bake.Commands {
		text, err := s.manifest.RenderText("bake.commands", command, bare)
		require.NoError(s.t, err)

		script := "set -e\n" + string(text)

		out, err := oven.try(script, "sh")
		require.NoErrorf(s.t, err, "%s: %s", script, out)
	}

	inventory := oven.run(
		s.manifest.Code.Inventory[0],
		s.manifest.Code.Inventory[1:]...,
	)

	host(s.t, "umount -R -l", oven.root)

	return &imageLayer{
		folder:    filepath.Join(filepath.Dir(oven.root), "upper"),
		inventory: inventory,
	}
}

// adds puts a file of a user's own into the image, before nodes are made.
func (s *site) adds(path, text string) {
	s.t.Helper()

	full := s.image.folder + path
	require.NoError(s.t, os.MkdirAll(filepath.Dir(full), 0o755))
	require.NoError(s.t, os.WriteFile(full, []byte(text), 0o600))
	require.NoError(s.t, os.Chmod(full, 0o644))
}
