package machine_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/machine"
)

func config(name string) machine.Config {
	return machine.Config{
		Name:   name,
		State:  "/var/lib/hornero/lab/" + name,
		Cache:  "/var/cache/hornero",
		Public: netip.MustParsePrefix("198.18.77.0/24"),
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	refused := map[string]func(*machine.Config){
		`lab "a_b": a name is at most`: func(c *machine.Config) { c.Name = "a_b" },
		`does not end with '-' and a number`: func(c *machine.Config) {
			c.Name = "test-100001"
		},
		"198.18.77.0/23: must be an IPv4 /24": func(c *machine.Config) {
			c.Public = netip.MustParsePrefix("198.18.77.0/23")
		},
		"198.18.77.1/24: must be an IPv4 /24": func(c *machine.Config) {
			c.Public = netip.MustParsePrefix("198.18.77.1/24")
		},
		"must be absolute paths": func(c *machine.Config) {
			c.State = "lab"
		},
		"must not be in /run": func(c *machine.Config) {
			c.State = "/run/lab"
		},
		"without ':', ',' and": func(c *machine.Config) {
			c.Cache = "/a:b"
		},
	}

	for want, change := range refused {
		c := config("fine")
		change(&c)
		_, err := machine.New(c)
		require.ErrorContains(t, err, want)
	}
}

func TestNamesOfTwoLabsNeverMeet(t *testing.T) {
	plain, err := machine.New(config("a"))
	require.NoError(t, err)

	dashed, err := machine.New(config("a-b"))
	require.NoError(t, err)
	require.Equal(t, "hornero-a-100001", plain.Namespace("100001"))
	require.Equal(t, "hornero-a.b", plain.Namespace("b"))
	require.Equal(t, "hornero-a-b-100001", dashed.Namespace("100001"))
}

func TestAddresses(t *testing.T) {
	host, err := machine.New(config("a"))
	require.NoError(t, err)
	require.Equal(t, "198.18.77.1", host.Gateway().String())
	require.Equal(t, "198.18.77.2", host.Self().String())

	require.Equal(t,
		"02:00:c6:33:64:0a",
		machine.MAC(netip.MustParseAddr("198.51.100.10")).String(),
	)

	require.Equal(t,
		"10.10.100.10/16",
		machine.Anchor(netip.MustParseAddr("198.51.100.10")).String(),
	)
}

func TestSourcesAreTheHostsOfPlainHTTP(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "etc/apt/sources.list"),
		"deb http://packages.example/debian trixie main\ndeb [signed-by=/k] http://packages.example/debian "+
			"trixie-updates main\n")

	write(t,
		filepath.Join(root, "etc/apt/sources.list.d/more.sources"),
		"Types: deb\nURIs: http://security.example:8080/debian https://tls.example/\nSuites: trixie\n",
	)

	hosts, err := machine.Sources(machine.Image{Layers: []string{root}})
	require.NoError(t, err)
	require.Equal(t, []string{"packages.example", "security.example:8080"}, hosts)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func TestALabThatCrashedKeepsItsName(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(one, link))

	up := map[string]string{"site": one, "lost": "/nowhere/machines"}

	require.Equal(t, one, machine.Elsewhere(up, "site", two))
	require.Equal(t, one, machine.Elsewhere(up, "site", "/nowhere/machines"), "before its first start")
	require.Empty(t, machine.Elsewhere(up, "site", one), "it is the same lab")
	require.Empty(t, machine.Elsewhere(up, "site", link), "by another path, too")
	require.Empty(t, machine.Elsewhere(up, "other", two))
	require.Empty(t, machine.Elsewhere(up, "lost", two), "its folder was removed: somebody must be able to clean up")
	require.Empty(t, machine.Elsewhere(nil, "site", two), "written by an older release")
}
