package roles_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

var update = flag.Bool("update", false, "rewrite the golden files, and fail")

// nodeFacts are those of a stack in which db-3 and proxy-2 are expected and not there yet.
func nodeFacts(role, release string) roles.Facts {
	peer := func(name, address string) roles.PeerFact {
		return roles.PeerFact{
			Name:        name,
			Address:     address,
			Incarnation: 1,
			Healthy:     true,
		}
	}

	// It belongs to a stack that grew after this node's launch.
	late := peer("db-10", "10.108.0.20")
	late.Healthy = false

	replaced := peer("db-2", "10.108.0.12")
	replaced.Incarnation = 3

	return roles.Facts{
		Stack:       "demo",
		Node:        role + "-1",
		Role:        role,
		Release:     release,
		Incarnation: 1,
		Address:     "10.108.0.5",
		Network:     "10.108.0.0/20",
		Anchor:      "10.10.0.7",
		Memory:      2 << 30,
		CPUs:        1,
		RealTime:    true,
		Writers:     map[string]string{"db": "db-2"},
		Leases:      map[string]map[string]string{"db": {"writer": "writer"}},
		Databases: []roles.Database{{
			Name:   "wordpress",
			User:   "wordpress",
			Secret: "wordpress.db_password",
			Grants: roles.AllPrivileges,
		}},
		Settings: nodeSettings(role),
		Secrets: map[string]report.Secret{
			"wordpress.db_password":    `it's \ "quoted" $HOME`,
			"wordpress.salt":           "salt",
			"wordpress.admin_password": "admin",
			"cache.password":           "cache",
			"proxy.stats_password":     "stats",
			"edge.stats_password":      "stats",
			"site_shop.certificate":    "the shop's certificate",
			"site_shop.key":            "the shop's key",
			"site.certificate":         "the site's certificate",
			"site.key":                 "the site's key",
			"site.renewal":             "renewal",
		},
		Peers: map[string][]roles.PeerFact{
			"db":    {peer("db-1", "10.108.0.11"), late, replaced},
			"proxy": {peer("proxy-1", "10.108.0.21")},
			"web":   {peer("web-1", "10.108.0.31")},
		},
		Expected: map[string][]string{
			"db":    {"db-1", "db-2", "db-3"},
			"proxy": {"proxy-1", "proxy-2"},
			"web":   {"web-1", "web-2"},
		},
		PKI: map[string]string{
			"ca":          "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
			"certificate": "certificate\n",
			"key":         "key\n",
		},
	}
}

// nodeSettings are a role's settings as a stack has them that says little.
func nodeSettings(role string) map[string]string {
	settings := map[string]string{roles.SettingReservedIP: "203.0.113.9"}

	// A test that reads the manifest itself tells what is wrong with it.
	manifest, err := roles.Load(roles.Embedded(), role)
	if err != nil {
		return settings
	}

	for name, setting := range manifest.Settings {
		settings[name] = setting.Fallback()
	}

	if _, asked := settings["title"]; asked {
		settings["title"] = "Hornero"
	}

	if manifest.Sites {
		settings[roles.SettingSites] = roles.SitesText(edgeSites())
		settings[roles.SettingAccount] = "the-account"
		settings[roles.SettingRenewal] = `{"directory":"https://acme.example.org/dir"}`
	}

	return settings
}

func render(t *testing.T, role string, facts roles.Facts) map[string]string {
	manifest, err := roles.Load(roles.Embedded(), role)
	require.NoError(t, err)

	texts := map[string]string{}

	manifest, err = manifest.On(facts.Release).Spread(facts.Settings)
	require.NoError(t, err)

	for _, template := range manifest.Templates {
		text, err := manifest.Render(template, facts)
		require.NoError(t, err)
		texts[template.Path] = string(text)
	}

	return texts
}

// every are the roles with texts, and the releases.
var (
	everyRole    = []string{"arbitrator", "cache", "db", "edge", "proxy", "web"}
	everyRelease = []string{"debian-9", "debian-12", "debian-13"}
)

// isOn tells whether a role can be baked on a release: Debian 9's HAProxy is no edge.
func isOn(role, release string) bool { return role != "edge" || release != "debian-9" }

// Each release has its own texts on file, whether or not they differ: a difference that nobody meant is seen.
func TestTexts(t *testing.T) {
	for _, role := range everyRole {
		for _, release := range everyRelease {
			if !isOn(role, release) {
				continue
			}

			for path, text := range render(t, role, nodeFacts(role, release)) {
				t.Run(role+"/"+release+path, func(t *testing.T) {
					compare(t, filepath.Join("testdata", release, role, filepath.Base(path)), text)
				})
			}
		}
	}
}

// Debian 12 and 13 differ in packages only.
func TestTextsOfDebian12And13AreTheSame(t *testing.T) {
	for _, role := range everyRole {
		on13 := render(t, role, nodeFacts(role, "debian-13"))
		on12 := render(t, role, nodeFacts(role, "debian-12"))
		require.Equal(t, on13, on12)
	}
}

func compare(t *testing.T, golden, text string) {
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(text), 0o644))
		t.Fatalf("%s is rewritten; run again without -update", golden)
	}

	want, err := os.ReadFile(golden)
	require.NoError(t, err, "run with -update to make it")
	require.Equal(t, string(want), text)
}

// HAProxy itself reads what it will be given. A newer one reads Debian 9's texts, too: what HAProxy 1.7 knows,
// they know.
func TestHAProxyAcceptsTexts(t *testing.T) {
	for _, role := range []string{"proxy", "web"} {
		for _, release := range []string{"debian-13", "debian-9"} {
			t.Run(role+"/"+release, func(t *testing.T) {
				site := siteCertificate(t)
				facts := nodeFacts(role, release)
				facts.Secrets["site.certificate"] = report.Secret(site.Certificate)
				facts.Secrets["site.key"] = site.Key
				texts := render(t, role, facts)

				folder := t.TempDir()
				pem := filepath.Join(folder, "site.pem")
				require.NoError(t, os.WriteFile(pem, []byte(texts["/etc/haproxy/site.pem"]), 0o600))

				path := filepath.Join(folder, "haproxy.cfg")
				text := strings.ReplaceAll(texts["/etc/haproxy/haproxy.cfg"], "/etc/haproxy/site.pem", pem)
				require.NoError(t, os.WriteFile(path, []byte(text), 0o600))

				out, err := exec.Command("haproxy", "-c", "-f", path).CombinedOutput()
				require.NoError(t, err, "%s", out)
				require.NotContains(t, string(out), "WARNING")
			})
		}
	}
}

func siteCertificate(t *testing.T) pki.Pair {
	ca, err := pki.NewCA("demo")
	require.NoError(t, err)

	site, err := ca.IssueSite("demo", "demo.hornero")
	require.NoError(t, err)

	return site
}

// Without a reserved IP, or on a Droplet that can have none, a proxy listens in the VPC only.
func TestNothingListensAtAReservedIPThatNobodyAskedFor(t *testing.T) {
	for _, c := range []struct{ address, anchor string }{
		{address: "", anchor: "10.10.0.7"},
		{address: "203.0.113.9", anchor: ""},
	} {
		facts := nodeFacts("proxy", "debian-13")
		facts.Settings["reserved_ip.address"] = c.address
		facts.Anchor = c.anchor

		if c.address == "" {
			delete(facts.Secrets, "site.key") // such a node is not given it
		}

		texts := render(t, "proxy", facts)
		require.NotContains(t, texts["/etc/haproxy/haproxy.cfg"], "site")
		require.Equal(t, c.address == "", texts["/etc/haproxy/site.pem"] == "")

		for line := range strings.Lines(texts["/etc/haproxy/haproxy.cfg"]) {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "bind" {
				require.Regexp(t, `^(10\.108\.0\.5|127\.0\.0\.1):`, fields[1])
			}
		}
	}
}

// Every built-in text that is a configuration has a place for lines of the stack's own, and shows nothing of it when
// there are none.
func TestAStacksOwnLinesAreInTheText(t *testing.T) {
	for role, places := range map[string]map[string]string{
		"db":    {"mariadb_extra": databaseConfig},
		"proxy": {"haproxy_extra": "/etc/haproxy/haproxy.cfg"},
		"web": {
			"haproxy_extra": "/etc/haproxy/haproxy.cfg",
			"nginx_extra":   "/etc/nginx/sites-enabled/hornero",
			"php_extra":     "/etc/hornero-php/php-fpm.conf",
			"config_extra":  "/etc/wordpress/config-default.php",
		},
	} {
		plain := render(t, role, nodeFacts(role, "debian-13"))

		for setting, path := range places {
			facts := nodeFacts(role, "debian-13")
			require.Contains(t, facts.Settings, setting)

			facts.Settings[setting] = "first = \"{{x}}\"\nsecond"
			text := render(t, role, facts)[path]
			require.Contains(t, text, "("+setting+").\nfirst = \"{{x}}\"\nsecond\n", path)
			require.NotContains(t, plain[path], "_extra", path)
			require.NotContains(t, plain[path], "\n\n\n", path)
		}
	}
}

// They belong to the server, not to the transfer's script.
func TestMariaDBsOwnLinesAreTheServers(t *testing.T) {
	facts := nodeFacts("db", "debian-13")
	facts.Settings["mariadb_extra"] = "max_allowed_packet = 64M"
	text := render(t, "db", facts)[databaseConfig]
	require.Less(t, strings.Index(text, "[mysqld]"), strings.Index(text, "max_allowed_packet"))
	require.Less(t, strings.Index(text, "max_allowed_packet"), strings.Index(text, "[sst]"))
}

func TestHAProxyAcceptsAStacksOwnLines(t *testing.T) {
	facts := nodeFacts("proxy", "debian-13")
	facts.Anchor = ""

	for lines, fine := range map[string]bool{
		"frontend own\n\tbind 127.0.0.1:8405\n\tdefault_backend readers": true,
		"frontend own\n\tbnd 127.0.0.1:8405":                             false,
	} {
		facts.Settings["haproxy_extra"] = lines
		path := filepath.Join(t.TempDir(), "haproxy.cfg")
		text := render(t, "proxy", facts)["/etc/haproxy/haproxy.cfg"]
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))

		out, err := exec.Command("haproxy", "-c", "-f", path).CombinedOutput()
		require.Equal(t, fine, err == nil, string(out))
	}
}

// A slot is a place in the file: nodes that come, go or move change addresses in it, never lines.
func TestSlotsKeepTheirPlaces(t *testing.T) {
	lines := func(facts roles.Facts) int {
		text := render(t, "web", facts)["/etc/haproxy/haproxy.cfg"]
		return strings.Count(text, "\n")
	}

	full := nodeFacts("web", "debian-13")
	empty := full
	empty.Peers = nil
	require.Equal(t, lines(full), lines(empty))

	full.Expected = nil
	require.Less(t, lines(full), lines(empty), "proxy-2 is nobody's any more")
}

func TestSiteURL(t *testing.T) {
	facts := nodeFacts("web", "debian-13")
	facts.Settings["url"] = "https://www.example.org/it's"
	text := render(t, "web", facts)["/etc/wordpress/config-default.php"]
	require.Contains(t, text, `define('WP_HOME', rtrim('https://www.example.org/it\'s', '/'));`)
	require.NotContains(t, text, "HTTP_HOST")
}

// WordPress signs sessions with these: equal on all web nodes, different among each other, and not the secret itself.
func TestKeysAreDerived(t *testing.T) {
	const path = "/etc/wordpress/config-default.php"
	one := nodeFacts("web", "debian-13")

	two := nodeFacts("web", "debian-13")
	two.Node = "web-2"
	two.Address = "10.108.0.6"

	text := render(t, "web", one)[path]
	require.Equal(t, text, render(t, "web", two)[path])

	seen := map[string]bool{}

	for line := range strings.Lines(text) {
		if strings.Contains(line, "_KEY'") || strings.Contains(line, "_SALT'") {
			_, value, _ := strings.Cut(line, ", ")
			require.Len(t, strings.TrimSpace(value), 64+len(`'');`))
			seen[value] = true
		}
	}

	require.Len(t, seen, 8)
}

// Only what the operator wrote in his own words is in the environment of a task, and secrets are in no argument.
func TestTasksKeepSecretsOutOfArguments(t *testing.T) {
	manifest, err := roles.Load(roles.Embedded(), "web")
	require.NoError(t, err)

	facts := nodeFacts("web", "debian-13")

	for _, task := range manifest.Tasks {
		for _, argument := range task.Run {
			require.NotContains(t, argument, "{{")
		}

		for name, text := range task.Env {
			value, err := manifest.RenderText(task.Name, text, facts)
			require.NoError(t, err, name)

			if name == "ADMIN_PASSWORD" {
				require.Equal(t, "admin", string(value))
			}
		}
	}
}

const (
	databaseConfig   = "/etc/mysql/mariadb.conf.d/90-hornero.cnf"
	arbitratorConfig = "/etc/hornero-garbd/garbd.cnf"
)

var (
	providerOptions = regexp.MustCompile(`(?m)^(?:wsrep_provider_options = "|options = )([^"\n]*)`)
	ownOptions      = regexp.MustCompile(`^(gcache|ist)\.|^socket\.ssl_`)
)

// sharedOptions are Galera's options in a text but for those of the data and of the node's own files.
func sharedOptions(t *testing.T, text string) map[string]string {
	t.Helper()
	line := providerOptions.FindStringSubmatch(text)
	require.NotNil(t, line, text)

	shared := map[string]string{}

	for option := range strings.SplitSeq(line[1], ";") {
		name, value, _ := strings.Cut(option, "=")
		if !ownOptions.MatchString(name) {
			shared[name] = value
		}
	}

	return shared
}

// Members of one cluster with different timeouts shut each other out.
func TestTheArbitratorHasTheDatabasesOptions(t *testing.T) {
	for _, release := range everyRelease {
		for _, realTime := range []bool{false, true} {
			options := func(role, path string) map[string]string {
				facts := nodeFacts(role, release)
				facts.RealTime = realTime
				facts.Address = "10.108.0.99"

				return sharedOptions(t, render(t, role, facts)[path])
			}

			database := options("db", databaseConfig)
			require.Contains(t, database, "evs.suspect_timeout")
			require.Equal(t, realTime, database["gcomm.thread_prio"] != "")

			arbitrator := options("arbitrator", arbitratorConfig)
			require.Equal(t, database, arbitrator, "%s, real time %t", release, realTime)
		}
	}
}

func TestTheArbitratorKnowsTheDatabases(t *testing.T) {
	garbd := render(t, "arbitrator", nodeFacts("arbitrator", "debian-13"))[arbitratorConfig]
	require.Contains(t, garbd, "address = gcomm://10.108.0.11:4567,10.108.0.20:4567,10.108.0.12:4567\n")
}

func TestTransferMethods(t *testing.T) {
	facts := nodeFacts("db", "debian-13")
	for method, login := range map[string]bool{"rsync": false, "mariabackup": true} {
		facts.Settings["sst_method"] = method
		text := render(t, "db", facts)[databaseConfig]
		require.Contains(t, text, "wsrep_sst_method = "+method+"\n")
		require.Equal(t, login, strings.Contains(text, "\nwsrep_sst_auth = mysql:\n"), method)
	}
}
