package roles_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

func TestWhatAUserReachesIsReadOffSettings(t *testing.T) {
	egress := roles.Egress{
		User:     "shop",
		Ports:    []int{443},
		Settings: []string{"list", "number", "url", "plain", "secure", "empty", "none", "wrong"},
	}

	require.Equal(t, []int{80, 443, 2525, 8080, 8443, 9000}, egress.Allowed(map[string]string{
		"list":   "443\n8080",
		"number": "2525",
		"url":    "https://pay.example.org:8443/v2",
		"plain":  "http://a.example.org",
		"secure": "https://a.example.org",
		"empty":  "",
		"none":   "0",
		"wrong":  "65536 -1 x http:// 9000",
	}))
	require.Empty(t, roles.Egress{User: "store"}.Allowed(nil))
}

// runsAs are the ways in which the texts of the built-in roles say as whom a program runs.
var runsAs = regexp.MustCompile(`(?m)^\s*user[ =]+([a-z-]+);?$|^User=([a-z-]+)$|--reuid=([a-z-]+)`)

// A daemon that no manifest names could reach everything.
func TestEachDaemonsUserIsHeldBack(t *testing.T) {
	found := map[string]bool{}

	for _, role := range everyRole {
		manifest, err := roles.Load(roles.Embedded(), role)
		require.NoError(t, err)

		held := map[string]bool{"root": true}
		for _, egress := range manifest.Egress {
			held[egress.User] = true
		}

		texts := slices.Collect(maps.Values(allTexts(t, role, "debian-13")))
		for _, task := range manifest.Tasks {
			texts = append(texts, strings.Join(task.Run, " "))
		}

		for _, match := range runsAs.FindAllStringSubmatch(strings.Join(texts, "\n"), -1) {
			user := match[1] + match[2] + match[3]
			require.True(t, held[user], "%s of %s", user, role)

			found[user] = true
		}
	}

	for _, user := range []string{"www-data", "mysql", "haproxy", "garbd", "cache"} {
		require.True(t, found[user], user)
	}
}
