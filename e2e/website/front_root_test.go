//go:build root

package website_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	siteURL  = "https://www.example.org"
	formType = "application/x-www-form-urlencoded"
)

// visit are the headers of a visitor who came by https, through the load balancer, from an address.
func visit(from string, more ...string) []string {
	return append([]string{
		"Host", "www.example.org",
		"X-Forwarded-Proto", "https",
		"X-Forwarded-For", from,
	}, more...)
}

// upload is a form with a file of the size, and its type.
func upload(t *testing.T, size int) (string, string) {
	t.Helper()

	var form bytes.Buffer

	writer := multipart.NewWriter(&form)
	part, err := writer.CreateFormFile("file", "film.mp4")
	require.NoError(t, err)

	_, err = part.Write(make([]byte, size))
	require.NoError(t, err)
	require.NoError(t, writer.Close())

	return form.String(), writer.FormDataContentType()
}

// A file of the largest size comes through with its form. A larger one is refused with a sentence, in the form that who
// sends it reads.
func TestTheLargestUpload(t *testing.T) {
	s := prepareSite(t, map[string]string{"php_upload": "8M"})
	s.adds("/usr/share/wordpress/index.php", `<?php echo $_FILES['file']['error'], ' ', $_FILES['file']['size'];`)
	node := s.addNode()

	const largest = 8 << 20

	form, kind := upload(t, largest)
	got := node.ask(http.MethodPost, "/", form, "Content-Type", kind)
	require.Equal(t, fmt.Sprintf("0 %d", largest), got.body)

	form, kind = upload(t, largest+2<<20)
	got = node.ask(http.MethodPost, "/", form, "Content-Type", kind)
	require.Equal(t, http.StatusRequestEntityTooLarge, got.status)
	require.Contains(t, got.body, "This site takes files of at most 8 MiB.")
	require.Contains(t, got.header.Get("Content-Type"), "text/html")

	got = node.ask(http.MethodPost, "/wp-json/wp/v2/media", form, "Content-Type", kind)
	require.Equal(t, http.StatusRequestEntityTooLarge, got.status)
	require.Contains(t, got.body, `"message":"This site takes files of at most 8 MiB."`)
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
}

// What PHP is told by its settings reaches a script, and no script is looked at twice.
func TestPHPsSettings(t *testing.T) {
	s := prepareSite(t, map[string]string{
		"php_memory":     "300M",
		"php_time":       "90s",
		"php_input_vars": "7000",
	})
	s.adds("/usr/share/wordpress/index.php", `<?php
foreach (['upload_max_filesize', 'post_max_size', 'memory_limit', 'max_execution_time', 'max_input_vars',
	'opcache.validate_timestamps', 'opcache.max_accelerated_files', 'opcache.interned_strings_buffer',
	'realpath_cache_size'] as $name) {
	echo $name, ' ', ini_get($name), "\n";
}
foreach (['imagick', 'bcmath', 'soap', 'gd', 'intl', 'zip', 'Zend OPcache'] as $name) {
	echo extension_loaded($name) ? '' : "no $name\n";
}
`)
	node := s.addNode()

	require.Equal(t, `upload_max_filesize 67108864
post_max_size 68157440
memory_limit 300M
max_execution_time 90
max_input_vars 7000
opcache.validate_timestamps 0
opcache.max_accelerated_files 20000
opcache.interned_strings_buffer 32
realpath_cache_size 4M
`, node.get("/").body)
}

// The doors of WordPress that are nobody's business are shut, and the others are told how to behave.
func TestTheFrontDoors(t *testing.T) {
	s := newSite(t, 1, map[string]string{
		"url":       siteURL,
		"hsts":      "1h",
		"framed_by": "self\nhttps://partner.example",
	})
	node := s.web[0]

	for path, want := range map[string]int{
		"/xmlrpc.php":                              http.StatusForbidden,
		"/wp-admin/upgrade.php?step=upgrade_db":    http.StatusForbidden,
		"/wp-admin/install.php":                    http.StatusForbidden,
		"/wp-cron.php":                             http.StatusForbidden,
		"/wp-json/wp/v2/users":                     http.StatusUnauthorized,
		"/wp-json/wp/v2/users/1":                   http.StatusUnauthorized,
		"/wp-json/wp/v2/Users":                     http.StatusUnauthorized,
		"/?rest_route=/wp/v2/users":                http.StatusUnauthorized,
		"/?author=1":                               http.StatusNotFound,
		"/wp-sitemap-users-1.xml":                  http.StatusNotFound,
		"/wp-json/wp/v2/posts":                     http.StatusOK,
		"/wp-login.php":                            http.StatusOK,
		"/":                                        http.StatusOK,
		"/wp-content/mu-plugins/hornero-front.php": http.StatusForbidden,
	} {
		got := node.get(path, visit("203.0.113.1")...)
		require.Equal(t, want, got.status, "%s: %s", path, got.body)
		require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"), path)
		require.Equal(t, "max-age=3600", got.header.Get("Strict-Transport-Security"), path)
		require.Contains(
			t,
			got.header.Values("Content-Security-Policy"),
			"frame-ancestors 'self' https://partner.example",
		)
		require.Empty(t, got.header.Get("X-Pingback"))
	}

	author := node.ask(
		http.MethodPost,
		"/",
		"author=1",
		visit("203.0.113.1", "Content-Type", formType)...,
	)
	require.Equal(t, http.StatusNotFound, author.status)

	// Over plain HTTP nobody is told to come by https for ever.
	plain := node.get("/wp-login.php", "Host", "www.example.org")
	require.Empty(t, plain.header.Get("Strict-Transport-Security"))

	// Another name leads to the site's own; a form for it is refused.
	stray := node.get("/a?b=c", "Host", "attacker.example")
	require.Equal(t, http.StatusMovedPermanently, stray.status)
	require.Equal(t, siteURL+"/a?b=c", stray.header.Get("Location"))

	stray = node.ask(
		http.MethodPost,
		"/wp-login.php?action=lostpassword",
		"user_login=admin",
		"Host",
		"attacker.example",
	)
	require.Equal(t, http.StatusMisdirectedRequest, stray.status)

	known := node.get("/wp-login.php", visit("203.0.113.1", "Host", "WWW.Example.org:443")...)
	require.Equal(t, http.StatusOK, known.status)
}

// Files are compressed as the client can read, and kept as long as their address means them.
func TestFilesAreSmallAndKept(t *testing.T) {
	s := newSite(t, 1, map[string]string{"url": siteURL})
	node := s.web[0]
	page := node.get("/", visit("203.0.113.1")...)

	_, after, found := strings.Cut(page.body, siteURL+"/wp-includes/")
	require.True(t, found, page.body)
	style, _, _ := strings.Cut(after, `'`)
	style, _, _ = strings.Cut(style, `"`)
	style = "/wp-includes/" + strings.ReplaceAll(style, "&#038;", "&")
	require.Regexp(t, `ver=[^&]+-[0-9a-f]{8}$`, style)

	texts := []string{
		"/wp-includes/css/dist/block-library/style.min.css",
		"/wp-includes/js/jquery/jquery.min.js",
	}

	for encoding, want := range map[string]string{
		"gzip":                  "gzip",
		"gzip, deflate, br":     "br",
		"identity":              "",
		"gzip;q=1.0, identity;": "gzip",
	} {
		for _, path := range texts {
			got := node.get(path, visit("203.0.113.1", "Accept-Encoding", encoding)...)
			require.Equal(t, want, got.header.Get("Content-Encoding"), "%s of %s", encoding, path)
			require.Contains(t, got.header.Values("Vary"), "Accept-Encoding", path)
		}

		// A page is compressed when it is stored, by what is the cheaper to make.
		if want == "br" {
			want = "gzip"
		}

		for range 2 {
			got := node.get("/", visit("203.0.113.1", "Accept-Encoding", encoding)...)
			require.Equal(t, want, got.header.Get("Content-Encoding"), "%s of a page", encoding)
			require.Equal(t, []string{"Accept-Encoding"}, got.header.Values("Vary"))
		}
	}

	const script = "/wp-includes/js/jquery/jquery.min.js"

	for path, want := range map[string]string{
		style:                             "max-age=31536000",
		script + "?ver=3.7.1-01234567":    "max-age=0", // of another image
		script + "?ver=3.7.1":             "max-age=2592000",
		script:                            "max-age=3600",
		"/wp-includes/images/spinner.gif": "max-age=3600",
	} {
		got := node.get(path, visit("203.0.113.1")...)
		require.Equal(t, http.StatusOK, got.status, path)
		require.Equal(t, want, got.header.Get("Cache-Control"), path)
	}
}

// Whoever tries passwords is stopped after some, by his own address: one of another address is not.
func TestTheLoginsBrake(t *testing.T) {
	s := newSite(t, 1, map[string]string{
		"url":    siteURL,
		"xmlrpc": "true",
	})
	node := s.web[0]

	attempt := func(path, from string) int {
		return node.ask(
			http.MethodPost,
			path,
			"log=admin&pwd=wrong",
			visit(from, "Content-Type", formType)...,
		).status
	}

	stopped := 0

	for range 40 {
		if attempt("/wp-login.php", "203.0.113.7") == http.StatusTooManyRequests {
			stopped++
		}
	}

	// One and ten at once, and one more each six seconds.
	require.GreaterOrEqual(t, stopped, 10)
	require.LessOrEqual(t, stopped, 29)

	look := node.get("/wp-login.php", visit("203.0.113.7")...)
	require.Equal(t, http.StatusOK, look.status, "who only looks is not counted")
	require.Equal(t, http.StatusOK, attempt("/wp-login.php", "203.0.113.8"))

	// What stands further left in the header is the visitor's own word.
	require.Equal(t, http.StatusOK, attempt("/wp-login.php", "203.0.113.7, 203.0.113.9"))

	for i := range 15 {
		_ = attempt("/xmlrpc.php", fmt.Sprintf("2001:db8:1:2::%x", i+1))
	}

	require.Equal(t, http.StatusTooManyRequests, attempt("/wp-login.php", "2001:db8:1:2:3:4:5:6"), "one network")
	require.Equal(t, http.StatusOK, attempt("/wp-login.php", "2001:db8:1:3::1"))
}

// Who asks for too much is stopped, and others are not.
func TestAFloodOfPagesIsStopped(t *testing.T) {
	s := prepareSite(t, map[string]string{"request_rate": "1"})
	s.adds("/usr/share/wordpress/index.php", `<?php echo "page";`)
	node := s.addNode()
	stopped := 0

	for range 200 {
		if node.get("/", visit("203.0.113.7")...).status == http.StatusTooManyRequests {
			stopped++
		}
	}

	require.Positive(t, stopped)
	require.Equal(t, http.StatusOK, node.get("/", visit("203.0.113.8")...).status)
}

// Twenty who sign in at once, from twenty addresses, do not have the visitors of the front page wait for them all.
func TestLoginsDoNotHoldThePages(t *testing.T) {
	s := newSite(t, 1, map[string]string{
		"url":        siteURL,
		"page_cache": "0s",
	})
	node := s.web[0]
	require.Equal(t, http.StatusOK, node.get("/", visit("203.0.113.1")...).status)

	const logins = 20

	var (
		done  atomic.Int64
		group sync.WaitGroup
	)

	for i := range logins {
		group.Go(func() {
			from := fmt.Sprintf("198.51.100.%d", i+1)
			_ = node.ask(
				http.MethodPost,
				"/wp-login.php",
				"log=admin&pwd=wrong",
				visit(from, "Content-Type", formType)...,
			)
			done.Add(1)
		})
	}

	before := done.Load()
	page := node.get("/", visit("203.0.113.1")...)
	passed := done.Load() - before

	group.Wait()
	require.Equal(t, http.StatusOK, page.status)
	require.Less(t, passed, int64(logins/2), "logins that were answered before the page")
	t.Logf("figure: %d of %d logins were answered while the front page was made", passed, logins)
}
