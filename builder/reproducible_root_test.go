//go:build root

package builder_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
	"github.com/hornero/hornero/internal/record"
)

// Two bakes of the same inputs differ in what their records name, and in nothing else but a file that the role
// writes otherwise each time and does not own up to.
func TestTwoBakesOfTheSameInputsAreTheSame(t *testing.T) {
	t.Parallel()
	l := newBakeLab(t, labOptions{name: "twicetest"})
	made(t, "bin/hornero")

	l.role(
		"echo from the bake > /usr/share/baked",
		"cat /proc/sys/kernel/random/uuid | tee /usr/share/secret-uuid > /usr/share/named-uuid",
	)

	l.rewrite(
		"tiny/role.yaml",
		"bake: {",
		"bake: {varies: {/usr/share/named-uuid: it is drawn at random}, ",
	)

	l.options["force"] = true

	bake := func() string {
		t.Helper()
		artifact, text, err := l.bake(t.Context(), nil)
		require.NoError(t, err, text)

		return strconv.Itoa(artifact.(*builder.Artifact).ImageID)
	}

	one, two := bake(), bake()
	require.NotEqual(t, one, two)

	var difference struct {
		record.Difference
		Contents, Varying []record.Change
	}
	l.horneroJSON(&difference, "diff", one, two)
	require.Equal(t, []string{"/usr/share/secret-uuid"}, namesOf(difference.Contents))

	require.Equal(t,
		[]string{record.Path, record.SBOMPath, "/usr/share/named-uuid"},
		namesOf(difference.Varying),
	)

	require.Empty(t, difference.Packages)

	out, said, err := l.hornero("", "diff", "--all", one, two)
	require.NoError(t, err, said)
	require.Contains(t, out, "1 changed, and 3 that the records name as varying\n")
	require.Regexp(t, `varying /usr/share/named-uuid +it is drawn at random\n`, out)
}
