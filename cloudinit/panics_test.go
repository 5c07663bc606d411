package cloudinit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
)

// Documents on which the YAML library panics.
var panicking = []string{
	"? &x {}\n<<:",
	"version: 1\n? &x {}\n<<:",
	"? &x {}\n<<: {}\n? *x\n<<:",
}

func TestWhatTheLibraryPanicsOnIsRefused(t *testing.T) {
	for _, text := range panicking {
		_, err := cloudinit.DecodeNode("node.yaml", []byte(text))
		require.Error(t, err, text)

		_, err = cloudinit.Decode("test", []byte("#cloud-config\n"+text))
		require.Error(t, err, text)

		_, err = cloudinit.Decode("test", []byte("#cloud-config-archive\n- "+text))
		require.Error(t, err, text)
	}
}
