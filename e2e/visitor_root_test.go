//go:build root

package e2e_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// visitor is a browser in front of the load balancer's TLS.
type visitor struct {
	*stack
	*http.Client
	home string
}

func newVisitor(s *stack) visitor {
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)

	// The stack's certificate is its own: what is asked here is not whom it names.
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}

	client := &http.Client{
		Jar:       jar,
		Timeout:   20 * time.Second,
		Transport: transport,
	}

	return visitor{
		stack:  s,
		Client: client,
		home:   "https" + strings.TrimPrefix(s.address, "http"),
	}
}

// ask sends a request with headers that a visitor may have made up, and follows where it leads.
func (v visitor) ask(method, path string, form url.Values) (int, string, string) {
	v.t.Helper()
	request, err := http.NewRequest(method, v.home+path, strings.NewReader(form.Encode()))
	require.NoError(v.t, err)
	request.Header.Set("X-Forwarded-For", "203.0.113.66")
	request.Header.Set("X-Forwarded-Proto", "http")

	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}

	response, err := v.Do(request)
	require.NoError(v.t, err, path)
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	require.NoError(v.t, err)

	return response.StatusCode, string(body), response.Request.URL.String()
}

// itKnowsItsVisitors proves scheme, host and address behind the load balancer's TLS, and that WordPress changes
// no code.
func itKnowsItsVisitors(t *testing.T, s *stack) {
	v := newVisitor(s)
	v.noMixedContent()
	v.login()
	v.changesNoCode()
	v.addressIsTheVisitors()

	// Whoever does not come through the VPC is believed nothing.
	const ask = "curl -s -H 'X-Forwarded-Proto: https' -H 'Host: site.test' http://127.0.0.1/"
	require.Contains(t, s.on("web-1", ask), "http://site.test/")

	v.runsNoCron()
}

var insecure = regexp.MustCompile(`(?:src|href|action)=["']http:[^"']*|url\(["']?http:[^)]*`)

func (v visitor) noMixedContent() {
	v.t.Helper()

	for _, path := range []string{"", "wp-login.php"} {
		code, body, at := v.ask(http.MethodGet, path, nil)
		require.Equal(v.t, http.StatusOK, code)
		require.Equal(v.t, v.home+path, at, "no redirection leads away from https")

		mixed := ofThisSite(insecure.FindAllString(body, -1))
		require.Empty(v.t, mixed, "mixed content in /%s", path)
		require.Contains(v.t, body, v.home, "links are to the address that was asked for")
	}
}

// ofThisSite leaves out what names other sites: profiles of vocabularies, not things that are fetched.
func ofThisSite(found []string) (ours []string) {
	for _, text := range found {
		if !strings.Contains(text, "gmpg.org") {
			ours = append(ours, text)
		}
	}

	return ours
}

func (v visitor) login() {
	v.t.Helper()

	form := url.Values{
		"log":         {"admin"},
		"pwd":         {strings.TrimSpace(v.must("secrets", "show", "wordpress.admin_password"))},
		"redirect_to": {v.home + "wp-admin/"},
	}

	code, body, at := v.ask(http.MethodPost, "wp-login.php", form)
	require.Equal(v.t, http.StatusOK, code)
	require.Equal(v.t, v.home+"wp-admin/", at, "the dashboard, and no loop")
	require.Contains(v.t, body, "wp-admin-bar")

	home, err := url.Parse(v.home + "wp-admin/")
	require.NoError(v.t, err)

	cookie := v.Jar.Cookies(home)[0]
	require.Contains(v.t, cookie.Name, "wordpress_sec_", "the session's cookie goes by https only")
}

func (v visitor) changesNoCode() {
	v.t.Helper()

	for _, path := range []string{
		"plugin-install.php",
		"theme-install.php",
		"plugin-editor.php",
		"theme-editor.php",
		"update.php?action=upload-plugin",
	} {
		code, body, _ := v.ask(http.MethodGet, "wp-admin/"+path, nil)
		require.GreaterOrEqual(v.t, code, http.StatusBadRequest, path)
		require.Contains(v.t, body, "Code comes with the image of this site", path)
	}

	code, body, _ := v.ask(http.MethodGet, "wp-admin/plugins.php", nil)
	require.Equal(v.t, http.StatusOK, code)
	require.NotContains(v.t, body, "plugin-install.php", "nothing is offered that is refused")
}

// addressIsTheVisitors leaves a comment, which WordPress keeps with the address that PHP was told.
func (v visitor) addressIsTheVisitors() {
	v.t.Helper()
	mine := v.ownAddress()

	text := "comment of " + time.Now().Format(time.RFC3339Nano)
	// WordPress refuses a second comment within 15 seconds: the next run is to find none.
	v.t.Cleanup(func() {
		_, _ = v.try("db", "-e", "delete from wordpress.wp_comments where comment_content = '"+text+"'")
	})

	code, _, _ := newVisitor(v.stack).ask(http.MethodPost, "wp-comments-post.php", url.Values{
		"comment":         {text},
		"author":          {"visitor"},
		"email":           {"visitor@example.org"},
		"comment_post_ID": {v.firstPost()},
	})
	require.Equal(v.t, http.StatusOK, code)

	kept := v.must("db", "-e", "set session wsrep_sync_wait=1; "+
		"select comment_author_IP from wordpress.wp_comments where comment_content = '"+text+"'")
	require.Contains(v.t, kept, mine)

	seen := v.on("web-1", "journalctl -t nginx --no-pager") + v.on("web-2", "journalctl -t nginx --no-pager")
	logged := regexp.QuoteMeta(mine) + ` .*POST /wp-comments-post\.php`
	require.Regexp(v.t, logged, seen, "nginx logs the same address")
	require.NotContains(v.t, seen, "203.0.113.66", "what a visitor says of himself is not believed")
}

// firstPost is the number of the post that WordPress begins with. Numbers go up by as many as there are database nodes
// (Galera's wsrep_auto_increment_control): it is not always 1.
func (v visitor) firstPost() string {
	v.t.Helper()

	const first = "select min(ID) from wordpress.wp_posts where post_type = 'post' and post_status = 'publish'"

	said := strings.Fields(v.must("db", "-e", first))
	require.Len(v.t, said, 2, "a heading and a number")

	return said[1]
}

// ownAddress is the address from which this machine reaches the load balancer.
func (v visitor) ownAddress() string {
	v.t.Helper()

	balancers := v.balancers()
	require.Len(v.t, balancers, 1)

	route, err := net.Dial("udp", net.JoinHostPort(balancers[0].IP, "443"))
	require.NoError(v.t, err)
	defer route.Close()

	mine, _, err := net.SplitHostPort(route.LocalAddr().String())
	require.NoError(v.t, err)

	return mine
}

// runsNoCron: the stack does, on one node, under a lease.
func (v visitor) runsNoCron() {
	v.t.Helper()
	code, _, _ := v.ask(http.MethodGet, "wp-cron.php", nil)
	require.Equal(v.t, http.StatusForbidden, code)
}
