package pause_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/pause"
)

func TestABellThatWasNotHeardRingsOnce(t *testing.T) {
	bell := pause.NewBell()

	bell.Ring()
	bell.Ring()
	require.Len(t, bell, 1)

	<-bell
	require.Empty(t, bell)

	bell.Ring()
	require.Len(t, bell, 1)
}
