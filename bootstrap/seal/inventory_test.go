package seal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/record"
)

const counted = "version: 1\nname: shop\npeers: client\ncode: {inventory: [sh, -c, '%s']}\n"

// completed is the record that a role with this inventory leaves in its image.
func completed(t *testing.T, script string) (record.Image, error) {
	t.Helper()

	r := newRoot(t)
	r.write("/usr/lib/hornero/roles/shop/role.yaml", strings.Replace(counted, "%s", script, 1))

	begun := `{"version": 1, "name": "shop", "role": "shop", "release": "debian-13", "digest": "ab"}`
	if _, err := r.image().Write(t.Context(), strings.NewReader(begun), "0.2.0"); err != nil {
		return record.Image{}, err
	}

	data, err := os.ReadFile(filepath.Join(r.dir, record.Path))
	require.NoError(t, err)

	return record.Parse(data)
}

func TestTheRecordNamesCodeThatNoPackageBrought(t *testing.T) {
	image, err := completed(t, `echo "[{\"kind\": \"plugin\", \"name\": \"basket\", \"version\": \"1.2\"}]"`)
	require.NoError(t, err)
	require.Equal(t, []record.Code{{Kind: "plugin", Name: "basket", Version: "1.2"}}, image.Code)
}

func TestCodeThatIsNotRightEndsTheBake(t *testing.T) {
	_, err := completed(t, "echo plugin basket requires PHP 9 >&2; exit 1")
	require.ErrorContains(t, err, "the code of role shop is not right: ")
	require.ErrorContains(t, err, "plugin basket requires PHP 9")

	_, err = completed(t, "echo nonsense")
	require.ErrorContains(t, err, "read the inventory of role shop: ")
}
