package builder_test

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
)

const (
	commonManifest = "version: 1\nname: common\nsummary: all\nabstract: true\npackages: {all: [nftables]}\n"
	tinyManifest   = `version: 1
name: tiny
summary: small
peers: client
packages: {all: [hello, nftables], debian-13: [new], debian-12: [old]}
excluded: {all: [apache2]}
variables: {debian-13: {unit: tiny13.service}, debian-12: {unit: tiny12.service}}
files: [{source: motd, path: /etc/motd, mode: "0600", owner: "daemon:daemon"}]
services: [{unit: '{{var "unit"}}'}]
bake: {commands: ['echo {{var "unit"}}']}
`
)

// writeRoles leaves a folder with the roles common and tiny.
func writeRoles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "common/role.yaml"), commonManifest)
	writeFile(t, filepath.Join(dir, "tiny/role.yaml"), tinyManifest)
	writeFile(t, filepath.Join(dir, "tiny/motd"), "welcome\n")

	return dir
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

// writeProgram leaves the smallest file that passes for a program: an ELF header, and program headers of these types.
func writeProgram(t *testing.T, parts []elf.ProgType, machine ...elf.Machine) string {
	t.Helper()

	header := elf.Header64{
		Type:      uint16(elf.ET_EXEC),
		Machine:   uint16(elf.EM_X86_64),
		Version:   1,
		Ehsize:    64,
		Phoff:     64,
		Phentsize: 56,
		Phnum:     uint16(len(parts)),
		Shentsize: 64,
	}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS64)
	header.Ident[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	header.Ident[elf.EI_VERSION] = 1

	for _, other := range machine {
		header.Machine = uint16(other)
	}

	var out bytes.Buffer
	require.NoError(t, binary.Write(&out, binary.LittleEndian, header))

	for _, part := range parts {
		require.NoError(t, binary.Write(&out, binary.LittleEndian, elf.Prog64{Type: uint32(part)}))
	}

	folder := t.TempDir()
	path := filepath.Join(folder, "program")
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o755))

	// The built-in roles' own programs are beside it, as in a release.
	others, err := filepath.Glob("../cmd/hornero-*")
	require.NoError(t, err)

	for _, other := range others {
		path := filepath.Join(folder, filepath.Base(other))
		require.NoError(t, os.WriteFile(path, out.Bytes(), 0o755))
	}

	return path
}

func load(t *testing.T, config builder.RecipeConfig) builder.Recipe {
	t.Helper()
	recipe, err := config.Load()
	require.NoError(t, err)

	return recipe
}

func TestDigestChangesWithEverythingInTheImage(t *testing.T) {
	dir, program := writeRoles(t), writeProgram(t, nil)
	config := builder.RecipeConfig{
		Role:            "tiny",
		Release:         "debian-13",
		RolesDir:        dir,
		BootstrapBinary: program,
	}

	first := load(t, config).Digest
	require.Equal(t, first, load(t, config).Digest, "the same recipe twice")

	seen := map[string]string{first: "the first"}
	differs := func(what string, config builder.RecipeConfig) {
		t.Helper()
		digest := load(t, config).Digest
		require.Empty(t, seen[digest], "%s left the digest as it was with %s", what, seen[digest])
		seen[digest] = what
	}

	older := config
	older.Release = "debian-12"
	differs("the release", older)

	other := config
	other.Image = "12345"
	differs("the base image", other)

	newer := config
	newer.BootstrapBinary = writeProgram(t, []elf.ProgType{elf.PT_LOAD})
	differs("the bootstrap", newer)
	writeFile(t, filepath.Join(dir, "tiny/motd"), "good bye\n")
	differs("a file", config)
	writeFile(t, filepath.Join(dir, "tiny/role.yaml"), tinyManifest+"# more\n")
	differs("the manifest", config)
	writeFile(t, filepath.Join(dir, "common/role.yaml"), commonManifest+"# more\n")
	differs("common's manifest", config)

	writeFile(t, filepath.Join(dir, "another/role.yaml"), "not: ours\n")
	require.Contains(t, seen, load(t, config).Digest, "another role changed the digest")
}

func TestDigestIgnoresOrder(t *testing.T) {
	require.Equal(t,
		builder.Digest(map[string][]byte{
			"a": {1},
			"b": {2},
		}),
		builder.Digest(map[string][]byte{
			"b": {2},
			"a": {1},
		}),
	)

	require.NotEqual(t,
		builder.Digest(map[string][]byte{
			"a": {1},
			"b": {2},
		}),
		builder.Digest(map[string][]byte{
			"a": {2},
			"b": {1},
		}),
	)
}

// Whatever byte of a role's folder changes, the digest does, unless the role is refused.
func TestDigestChangesWithEveryByte(t *testing.T) {
	dir, program := writeRoles(t), writeProgram(t, nil)
	config := builder.RecipeConfig{
		Role:            "tiny",
		Release:         "debian-13",
		RolesDir:        dir,
		BootstrapBinary: program,
	}

	seen := map[string]bool{load(t, config).Digest: true}

	for _, file := range []string{"tiny/motd", "tiny/role.yaml", "common/role.yaml"} {
		path := filepath.Join(dir, file)
		text, err := os.ReadFile(path)
		require.NoError(t, err)

		for i := range text {
			changed := bytes.Clone(text)
			changed[i] ^= 1
			require.NoError(t, os.WriteFile(path, changed, 0o644))

			if recipe, err := config.Load(); err == nil {
				require.False(t,
					seen[recipe.Digest],
					"byte %d of %s left the digest as it was",
					i,
					file,
				)

				seen[recipe.Digest] = true
			}
		}

		require.NoError(t, os.WriteFile(path, text, 0o644))
	}

	require.Greater(t, len(seen), 50)
}

// Whoever has the record can tell what the digest is over, and that it is over that.
func TestDigestFollowsFromTheInputs(t *testing.T) {
	recipe := load(t, builder.RecipeConfig{
		Role:            "tiny",
		Release:         "debian-13",
		RolesDir:        writeRoles(t),
		BootstrapBinary: writeProgram(t, nil),
	})

	require.Equal(t,
		fmt.Sprintf("%x", sha256.Sum256([]byte("welcome\n"))),
		recipe.Inputs["roles/tiny/motd"],
	)

	for _, name := range []string{
		"base", "bootstrap", "recipe", "release", "role", "roles/common/role.yaml",
		"roles/tiny/role.yaml",
		"scripts/apply.sh",
		"scripts/code.sh",
		"scripts/seal.sh",
	} {
		require.Len(t, recipe.Inputs[name], 64, name)
	}

	lines := []string{}

	for name, sum := range recipe.Inputs {
		lines = append(lines, fmt.Sprintf("%s  %q\n", sum, name))
	}

	slices.Sort(lines)

	require.Equal(t,
		recipe.Digest,
		fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(lines, "")))),
	)
}

func TestRecipeListsWhatTheManifestsSay(t *testing.T) {
	recipe := load(t, builder.RecipeConfig{
		Role:            "tiny",
		Release:         "debian-12",
		RolesDir:        writeRoles(t),
		BootstrapBinary: writeProgram(t, nil),
	})
	require.Equal(t, []string{"nftables", "hello", "old"}, recipe.Packages())
	require.Equal(t, []string{"apache2"}, recipe.Excluded())
	require.Equal(t, "debian-12-x64", recipe.Base)
	require.Equal(t, "hornero-tiny-debian-12-"+recipe.Digest[:12], recipe.ImageName())

	require.Equal(t,
		[]string{"hornero", "hornero:role:tiny", "hornero:release:debian-12", "hornero:document:4"},
		recipe.Tags(),
	)
}

func TestEveryReleaseIsReadable(t *testing.T) {
	require.Contains(t, builder.Releases(), "debian-13")

	for _, name := range builder.Releases() {
		release, err := builder.LoadRelease(name)
		require.NoError(t, err)
		require.NotEmpty(t, release.Suite)
	}
}
