package fleet

// In the package itself: the API shows no chain.

import (
	"encoding/pem"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAChainIsCutFromItsCertificate(t *testing.T) {
	t.Parallel()

	encoded := func(text string) string {
		return string(pem.EncodeToMemory(&pem.Block{
			Type:  "CERTIFICATE",
			Bytes: []byte(text),
		}))
	}

	own := encoded("own")
	authorities := encoded("intermediate") + encoded("root")

	leaf, chain := cutChain(own)
	require.Equal(t, own, leaf)
	require.Empty(t, chain)

	leaf, chain = cutChain("CN = www.example.org\n" + own + "\n" + authorities)
	require.Equal(t, own, leaf)
	require.Equal(t, authorities, chain)

	leaf, chain = cutChain("no certificate")
	require.Equal(t, "no certificate", leaf)
	require.Empty(t, chain)
}
