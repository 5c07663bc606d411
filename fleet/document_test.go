package fleet_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
)

func TestADocumentHoldsOnlyWhatTheRoleNeeds(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	secrets := map[string][]string{
		"db":    {"wordpress.db_password"},
		"proxy": {"proxy.stats_password"},
		"web": {
			"wordpress.admin_password",
			"wordpress.db_password",
			"wordpress.salt",
		},
	}
	databases := map[string][]cloudinit.Database{
		"db": {{
			Name:   "wordpress",
			User:   "wordpress",
			Secret: "wordpress.db_password",
			Grants: "ALL PRIVILEGES",
		}},
	}

	for _, document := range w.documents() {
		require.Equal(t, secrets[document.Role], slices.Sorted(maps.Keys(document.Secrets)), document.Node)
		require.Equal(t, databases[document.Role], document.Databases, document.Node)
		require.Len(t, document.Roles, 3)
		require.Equal(t, "galera", document.Roles["db"].Driver)
		require.Equal(t, "member", document.Roles["proxy"].Peers)
		require.Equal(t, "client", document.Roles["web"].Peers)
		require.Contains(t, document.Roles["web"].Leases, "wordpress-cron")
	}
}

// Only nodes of roles that ask for a certificate of an authority have one.
func TestADocumentHasTheCertificatesThatTheRoleAsksFor(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	galera, err := w.config.Secrets.Authority("galera.ca")
	require.NoError(t, err)

	for _, document := range w.documents() {
		require.NotEqual(t, galera.Bundle(), document.TLS.CA, document.Node)

		identity, has := document.TLS.Authorities["galera"]
		require.Equal(t, document.Role == "db", has, document.Node)
		require.Equal(t, has, identity.CA == galera.Bundle(), document.Node)
	}
}

func TestADocumentHasTheSettingsOfItsRoleAndGroup(t *testing.T) {
	t.Parallel()

	w := newAPIWorld(t, apiText)
	w.mustUp()

	seen := map[string]map[string]string{}
	for _, document := range w.documents() {
		seen[document.Node] = document.Settings
	}

	require.Len(t, seen, 4)
	require.Equal(t, "report", seen["db-1"]["drift"])
	require.Equal(t, "6h0m0s", seen["db-1"]["drift_every"])
	require.NotContains(t, seen["db-1"], "greeting")
	require.Equal(t, "hello", seen["api-1"]["greeting"])
	require.Equal(t, "hello", seen["api-2"]["greeting"])
	require.Equal(t, "", seen["api-1"]["url"], "a setting without a value is there, too")
	require.Equal(t, "good day", seen["late-1"]["greeting"])
	require.NotContains(t, seen["late-1"], "sst_method")
}

// A secret that only the operator can give is asked for before anything is made.
func TestUpWantsTheSecretsThatAreGiven(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, apiText, apiRole())
	const hint = "`hornero secrets set api.token`"

	require.ErrorContains(t, w.up(), hint)
	require.Empty(t, w.documents())

	vpcs, _, err := w.config.Client.VPCs.List(t.Context(), nil)
	require.NoError(t, err)

	for _, vpc := range vpcs {
		require.NotEqual(t, "hornero-blog", vpc.Name, "nothing is made")
	}

	require.NoError(t, w.config.Secrets.Set("api.token", "t0ken"))
	w.mustUp()

	for _, document := range w.documents() {
		token := document.Secrets["api.token"]
		require.Equal(t, document.Role == "api", token.Reveal() == "t0ken", document.Node)
	}
}

func TestReplaceLeavesANodeAloneWhoseSecretIsMissing(t *testing.T) {
	t.Parallel()

	w := newAPIWorld(t, apiText)
	w.mustUp()

	empty := newWorldOf(t, apiText, apiRole())
	w.config.Secrets = empty.config.Secrets

	require.ErrorContains(t, w.replace("api-2"), "`hornero secrets set api.token`")
	require.Contains(t, w.names(), "api-2/1")
	require.Equal(t, "db-1", w.preview("db-1").Node, "who is not given it does without")
}
