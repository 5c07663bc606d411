//go:build root

package website_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheSiteServesFromEachNode(t *testing.T) {
	s := newSite(t, 2, nil)

	for _, n := range s.web {
		page := n.get("/")
		require.Equal(t, http.StatusOK, page.status, page.body)
		require.Contains(t, page.body, "Hello world!")
		require.Contains(t, page.body, "Shop")
	}

	// The second run of a task that is done changes nothing.
	require.Contains(t, s.web[1].task("wordpress-install"), "installed already")
}
