package stack_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheNameOfTheProject(t *testing.T) {
	s, err := parse(t, "https: 443", "https: 443\nproject: Shop of Ann")
	require.NoError(t, err)
	require.Equal(t, "Shop of Ann", s.Project)

	const want = "error: project: must be the name of a project of the account, of 1 to 175 characters, as in " +
		"project: Shop; remove it, and nothing is moved"

	for _, written := range []string{"", "''", strings.Repeat("a", 176)} {
		_, err := parse(t, "https: 443", "https: 443\nproject: "+written)
		require.ErrorContains(t, err, want, written)
	}
}
