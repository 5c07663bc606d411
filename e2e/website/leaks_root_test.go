//go:build root

package website_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const siteConfig = "/etc/nginx/sites-enabled/hornero"

// echo stands in the place of WordPress: a page that bears the visitor's name, and what it was told by headers that
// should not have reached it.
const echo = `<?php
$sends = $_SERVER['HTTP_X_TEST_SENDS'] ?? '';
if (strncmp($sends, 'status ', 7) === 0) {
	http_response_code((int) substr($sends, 7));
} elseif ($sends !== '') {
	header($sends);
}
header_register_callback(function () {
	if (preg_grep('/^Vary: Accept-Encoding$/', headers_list())) {
		header_remove('Vary');
	}
});
header('X-Page-For: ' . ($_SERVER['HTTP_X_TEST_VISITOR'] ?? 'somebody'));
foreach (['X_FORWARDED_HOST', 'X_ORIGINAL_URL', 'X_REWRITE_URL', 'ACCEPT_ENCODING'] as $name) {
	echo $name, ': ', $_SERVER["HTTP_$name"] ?? '', "\n";
}
`

// leak is a block of testdata/leaks.txt.
type leak struct {
	name  string
	sends string // what the page's answer has
	first wish
	after wish
	off   []replacement
}

// wish is what somebody asks for.
type wish struct {
	visitor string
	method  string
	path    string
	headers []string
}

// replacement takes a protection away.
type replacement struct {
	old, new string
	listed   bool // old is one of the variables in the lists of what is not stored, and not answered by what is
}

func readLeaks(t *testing.T) []leak {
	t.Helper()

	text, err := os.ReadFile("testdata/leaks.txt")
	require.NoError(t, err)

	var leaks []leak

	for block := range strings.SplitSeq(string(text), "\n\n") {
		name, rest, _ := strings.Cut(strings.TrimSpace(block), "\n")
		if strings.HasPrefix(name, "# ") {
			continue
		}

		found := leak{name: name}

		for line := range strings.Lines(rest) {
			found.read(t, len(leaks), strings.TrimSpace(line))
		}

		leaks = append(leaks, found)
	}

	return leaks
}

// read reads a line of the block with the number.
func (l *leak) read(t *testing.T, number int, line string) {
	t.Helper()

	word, rest, _ := strings.Cut(line, " ")

	switch word {
	case "sends":
		l.sends = rest
	case "alice", "mallory":
		l.first = readWish(word, rest, number)
	case "bob":
		l.after = readWish(word, rest, number)
	case "lists":
		l.off = append(l.off, replacement{old: " " + rest, listed: true})
	case "off":
		old, instead, _ := strings.Cut(rest, " => ")
		l.off = append(l.off, replacement{old: old, new: instead})
	default:
		require.Failf(t, "what is this?", "%q of %s", line, l.name)
	}
}

func readWish(visitor, line string, number int) wish {
	fields := strings.Split(line, "  ")
	method, path, _ := strings.Cut(fields[0], " ")

	// Each block has paths of its own.
	origin := ""
	if before, after, absolute := strings.Cut(path, "www.example.org"); absolute {
		origin = before + "www.example.org"
		path = after
	}

	return wish{
		visitor: visitor,
		method:  method,
		path:    fmt.Sprintf("%s/%d%s", origin, number, path),
		headers: fields[1:],
	}
}

// send asks as the wish says, and returns all that was answered.
func (n *webNode) send(w wish, sends string) string {
	n.t.Helper()

	connection, err := net.DialTimeout("tcp", net.JoinHostPort(n.address, "80"), time.Minute)
	require.NoError(n.t, err)
	defer func() { _ = connection.Close() }()
	require.NoError(n.t, connection.SetDeadline(time.Now().Add(time.Minute)))

	headers := append([]string{"Connection: close"}, w.headers...)
	if !strings.Contains(strings.Join(headers, "\n"), "Host: ") || w.visitor == "mallory" {
		headers = append(headers, "Host: www.example.org")
	}
	if w.visitor == "alice" {
		headers = append(headers, "X-Test-Visitor: alice")
	}
	if sends != "" {
		headers = append(headers, "X-Test-Sends: "+sends)
	}
	if w.method == http.MethodPost {
		headers = append(headers, "Content-Length: 0")
	}

	_, err = fmt.Fprintf(
		connection,
		"%s %s HTTP/1.1\r\n%s\r\n\r\n",
		w.method,
		w.path,
		strings.Join(headers, "\r\n"),
	)
	require.NoError(n.t, err)

	asked := &http.Request{Method: w.method}
	response, err := http.ReadResponse(bufio.NewReader(connection), asked)
	require.NoError(n.t, err)
	defer func() { _ = response.Body.Close() }()

	all, err := httputil.DumpResponse(response, true)
	if err != nil {
		require.ErrorIs(n.t, err, io.EOF)
	}

	return string(all)
}

// tells tells whether bob sees what is alice's.
func (n *webNode) tells(l leak) bool {
	n.t.Helper()
	n.send(l.first, l.sends)

	return strings.Contains(n.send(l.after, ""), "alice")
}

// reconfigure gives nginx another text, and starts it anew without what it has stored.
func (n *webNode) reconfigure(text string) {
	n.t.Helper()
	n.nginx.end(syscall.SIGTERM)
	require.NoError(n.t, os.WriteFile(n.root+siteConfig, []byte(text), 0o600))

	stored, err := filepath.Glob(n.root + "/var/cache/hornero-pages/*")
	require.NoError(n.t, err)

	for _, folder := range stored {
		require.NoError(n.t, os.RemoveAll(folder))
	}

	n.startNginx()
}

// takeAway is the configuration without the block's protection.
func (l leak) takeAway(t *testing.T, text string) string {
	t.Helper()

	for _, r := range l.off {
		changed := ""

		for line := range strings.Lines(text) {
			lists := strings.Contains(line, "fastcgi_cache_bypass ") || strings.Contains(line, "fastcgi_no_cache ")
			if lists || !r.listed {
				line = strings.Replace(line, r.old, r.new, 1)
			}

			changed += line
		}

		require.NotEqual(t, text, changed, "%s: there is no %q", l.name, r.old)
		text = changed
	}

	return text
}

// A page of one visitor is no page of another's. Each block fails when its one protection is taken away, so that none
// holds by accident; and what is nobody's is stored, so that there is a cache at all.
func TestThePageCacheLeaksNothing(t *testing.T) {
	s := prepareSite(t, map[string]string{
		"url":                "https://www.example.org",
		"page_cache_cookies": "my-cart",
		"page_cache_except":  "/kasse",
	})
	s.adds("/usr/share/wordpress/index.php", echo)

	node := s.addNode()
	leaks := readLeaks(t)
	require.GreaterOrEqual(t, len(leaks), 40)

	nobodys := leak{
		first: readWish("alice", "GET /nobodys", 999),
		after: readWish("bob", "GET /nobodys?utm_source=letter", 999),
	}
	require.True(t, node.tells(nobodys), "a page for everybody is stored")

	for _, l := range leaks {
		require.False(t, node.tells(l), l.name)
	}

	text, err := os.ReadFile(node.root + siteConfig)
	require.NoError(t, err)

	for _, l := range leaks {
		node.reconfigure(l.takeAway(t, string(text)))
		require.True(t, node.tells(l), "%s: it holds without %v", l.name, l.off)
	}

	t.Logf("figure: %d leaks, none open; each opens without its one protection", len(leaks))
}

// startNginx starts nginx, and waits until it listens.
func (n *webNode) startNginx() {
	n.t.Helper()
	n.nginx = n.start(
		"nginx",
		"-g",
		"daemon off; master_process on;",
	)
	n.hears("80")
}
