package fleet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
)

// foreignSite is a certificate of an authority that is not the stack's, and its key.
func foreignSite(t *testing.T, name string) (certificate, key report.Secret) {
	ca, err := pki.NewCA("elsewhere")
	require.NoError(t, err)

	pair, err := ca.IssueSite("elsewhere", name)
	require.NoError(t, err)

	return report.Secret(pair.Certificate), pair.Key
}
