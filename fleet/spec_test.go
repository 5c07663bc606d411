package fleet

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/report"
)

func testSpec() *spec {
	return &spec{
		Image:       11,
		Size:        "s-1vcpu-1gb",
		Region:      "fra1",
		Authorities: []report.Secret{"authority"},
		Roles:       map[string]cloudinit.Rights{"shop": {Peers: "client", Leases: map[string]string{"a": "b"}}},
		Databases:   []cloudinit.Database{{Name: "shop", User: "shop", Secret: "shop.password", Grants: "ALL"}},
		Settings:    map[string]string{"title": "Shop: \"1\"\n", "drift": "report"},
		Secrets:     map[string]report.Secret{"shop.password": "pa55"},
	}
}

// Droplets bear these digits: who changes how a spec is written gives it a new version.
func TestASpecHasTheSameSumForEver(t *testing.T) {
	t.Parallel()

	require.Equal(t, "1-2b78d3a01f0a", testSpec().sum("key"))

	for name, change := range map[string]func(*spec){
		"image":       func(s *spec) { s.Image++ },
		"size":        func(s *spec) { s.Size = "s-2vcpu-2gb" },
		"region":      func(s *spec) { s.Region = "nyc3" },
		"authorities": func(s *spec) { s.Authorities[0] = "another" },
		"roles":       func(s *spec) { s.Roles["shop"] = cloudinit.Rights{Peers: "member"} },
		"peers":       func(s *spec) { s.Peers = "client" },
		"databases":   func(s *spec) { s.Databases[0].Grants = "SELECT" },
		"settings":    func(s *spec) { s.Settings["title"] = "Shop" },
		"secrets":     func(s *spec) { s.Secrets["shop.password"] = "another" },
	} {
		s := testSpec()
		change(s)
		require.NotEqual(t, testSpec().sum("key"), s.sum("key"), name)
	}

	require.NotEqual(t, testSpec().sum("key"), testSpec().sum("another"))
}
