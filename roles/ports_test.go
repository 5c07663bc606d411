package roles_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

// listens are the ways in which the programs of the built-in roles are told where to listen: an address, and a port.
var listens = map[string]*regexp.Regexp{
	"HAProxy":     regexp.MustCompile(`(?m)^\s*bind (\S*):(\d+)\b`),
	"nginx":       regexp.MustCompile(`(?m)^\s*listen (?:(\S+):)?(\d+)\b`),
	"sshd":        regexp.MustCompile(`(?m)^(ListenAddress \S+\n)?Port (\d+)$`),
	"Galera":      regexp.MustCompile(`gmcast\.listen_addr=ssl://([^;:"]*):(\d+)`),
	"MariaDB":     regexp.MustCompile(`(?ms)^bind-address = (\S+)$.*?^port = (\d+)$`),
	"PHP-FPM":     regexp.MustCompile(`(?m)^listen = (?:(\S+):)?(\d+)$`),
	"systemd":     regexp.MustCompile(`(?m)^ListenStream=(?:(\S+):)?(\d+)$`),
	"media":       regexp.MustCompile(`(?m)^\s*"listen": "([^":]*):(\d+)"`),
	"Galera, IST": regexp.MustCompile(`ist\.recv_bind=([0-9.]+)(?::(\d+))?`),
}

// defaultPorts are those of programs that are told an address only (MariaDB knowledge base, Galera's options).
var defaultPorts = map[string]int{"Galera, IST": 4568}

// opened are the ports that a text has a program open for other machines, and who opens them.
func opened(t *testing.T, text string) map[int]string {
	t.Helper()
	found := map[int]string{}

	for program, form := range listens {
		for _, match := range form.FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(match[1], "127.") {
				continue
			}

			port := defaultPorts[program]
			if match[2] != "" {
				number, err := strconv.Atoi(match[2])
				require.NoError(t, err)

				port = number
			}

			found[port] = program
		}
	}

	return found
}

// unwritten are ports that no text names: those of the bootstrap, of sshd, and of a state transfer (4444, the scripts'
// own default), and of servers whose configuration has a form of its own.
func unwritten(manifest *roles.Manifest) map[int]string {
	found := map[int]string{}
	if manifest.Name == roles.Common {
		maps.Copy(found, map[int]string{22: "sshd"})

		for _, port := range []int{roles.HealthPort, roles.AgentPort, roles.MetricsPort} {
			found[port] = "bootstrap"
		}
	}

	if manifest.Peers == roles.Member || manifest.Peers == roles.Auto {
		found[roles.PeersPort] = "bootstrap"
	}

	if manifest.Driver == "galera" {
		found[4444] = "state transfer"
	}

	if manifest.Name == "cache" {
		found[6379] = "Valkey or Redis"
	}

	return found
}

// What a firewall is made of: every port that is open to others is declared, and nothing else.
func TestEveryPortThatIsOpenIsDeclared(t *testing.T) {
	for _, role := range append([]string{roles.Common}, everyRole...) {
		for _, release := range everyRelease {
			manifest, err := roles.Load(roles.Embedded(), role)
			require.NoError(t, err)

			open := unwritten(manifest)

			for _, text := range allTexts(t, role, release) {
				maps.Copy(open, opened(t, text))
			}

			declared := []int{}
			for _, port := range manifest.Ports {
				declared = append(declared, port.Port)
				require.NotEmpty(t, port.From, "%s of %s", port.Name, role)
			}

			slices.Sort(declared)
			require.Equal(t, slices.Sorted(maps.Keys(open)), declared, "%s on %s: %v", role, release, open)
		}
	}
}

// What is served on a port is open to whoever may ask.
func TestWhatIsServedIsDeclared(t *testing.T) {
	for _, role := range everyRole {
		manifest, err := roles.Load(roles.Embedded(), role)
		require.NoError(t, err)

		for _, serve := range manifest.Serves {
			declared := slices.ContainsFunc(manifest.Ports, func(p roles.Port) bool { return p.Port == serve.Port })
			require.True(t, declared, "%s of %s", serve.Name, role)
		}
	}
}

// The forms find what they are for.
func TestWhereAProgramListensIsFound(t *testing.T) {
	for text, want := range map[string]string{
		"frontend x\n\tbind 10.0.0.1:3306 tcp-ut 10s\n\tbind 127.0.0.1:8404\n": "map[3306:HAProxy]",
		"\tbind :80\n\tbind *:443 ssl\n":                                       "map[80:HAProxy 443:HAProxy]",
		"server {\n\tlisten 80;\n\tlisten 127.0.0.1:81;\n}":                    "map[80:nginx]",
		"bind-address = 10.0.0.1\nx = y\nport = 3307\n":                        "map[3307:MariaDB]",
		`"gmcast.listen_addr=ssl://10.0.0.1:4567;ist.recv_bind=10.0.0.1;x=y"`:  "map[4567:Galera 4568:Galera, IST]",
		"listen = /run/php.sock\nlisten = 10.0.0.1:9000\n":                     "map[9000:PHP-FPM]",
		"[Socket]\nListenStream=8080\n":                                        "map[8080:systemd]",
		"{\n\t\"listen\": \"10.0.0.1:9210\",\n}":                               "map[9210:media]",
	} {
		require.Equal(t, want, fmt.Sprint(opened(t, text)))
	}
}

func TestConnectionsAreCountedWhereNftCan(t *testing.T) {
	counted := func(role, release string) []int {
		manifest, err := roles.Load(roles.Embedded(), role)
		require.NoError(t, err)

		var ports []int

		for _, port := range manifest.On(release).Ports {
			if port.Connections > 0 {
				ports = append(ports, port.Port)
			}
		}

		return ports
	}

	require.Equal(t, []int{3306}, counted("db", "debian-13"))
	require.Equal(t, []int{3306, 3307}, counted("proxy", "debian-12"))
	require.Empty(t, counted("db", "debian-9"))
	require.Empty(t, counted("proxy", "debian-9"))
}

// What a manifest only serves is a door, too.
func TestDoors(t *testing.T) {
	manifest := &roles.Manifest{
		Ports:  []roles.Port{{Port: 80, From: []string{roles.FromVisitors}, Name: "http"}},
		Serves: []roles.Serve{{Port: 80, ProxyPort: 83, Name: "http"}, {Port: 90, Name: "api"}},
	}

	undeclared := []string{roles.FromWatchers, roles.FromLoadBalancer}
	require.Equal(t, []roles.Port{
		{Port: 80, From: []string{roles.FromVisitors}, Name: "http"},
		{Port: 83, From: undeclared, Name: "http"},
		{Port: 90, From: undeclared, Name: "api"},
	}, manifest.Doors())
	require.Len(t, manifest.Ports, 1, "it is as it was")
}
