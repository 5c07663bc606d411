//go:build root

package builder_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
	"github.com/hornero/hornero/internal/record"
)

// Two bakes of the same inputs differ in what their records name, and a third, of a role that writes something else each
// time, in that, too.
func TestTwoBakesOfTheSameInputsAreTheSame(t *testing.T) {
	o := newOvenAt(t, plot{"twicetest", "198.18.95.0/24"})
	made(t, "bin/hornero")
	o.role("echo from the bake > /usr/share/baked")
	bake := func() string {
		t.Helper()
		artifact, text, err := o.bake(t.Context(), nil)
		require.NoError(t, err, text)
		return strconv.Itoa(artifact.(*builder.Artifact).ImageID)
	}
	differ := func(one, two string) (contents, varying []string) {
		t.Helper()
		var difference struct {
			record.Difference
			Contents, Varying []record.Change
		}
		o.horneroJSON(&difference, "diff", one, two)
		require.NotNil(t, difference.Contents, "there is a list of all files")
		return namesOf(difference.Contents), namesOf(difference.Varying)
	}
	o.options["force"] = true
	one, two := bake(), bake()
	require.NotEqual(t, one, two)
	contents, varying := differ(one, two)
	require.Empty(t, contents)
	require.Equal(t, []string{record.Path, record.SBOMPath}, varying)
	out, said, err := o.hornero("", "diff", one, two)
	require.NoError(t, err, said)
	require.Contains(t, out, "0 changed, and 2 that the records name as varying\n")

	o.role("echo from the bake > /usr/share/baked", "cat /proc/sys/kernel/random/uuid > /usr/share/uuid")
	three, four := bake(), bake()
	contents, _ = differ(three, four)
	require.Equal(t, []string{"/usr/share/uuid"}, contents)
}
