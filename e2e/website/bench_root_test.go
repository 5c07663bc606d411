//go:build root && bench

package website_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	benchPosts   = 200
	benchClients = 32
	benchRounds  = 5
	benchRound   = time.Second

	leastPages = 2000 // a second, on two processors
	leastRatio = 0.9  // of nginx configured by hand
)

// byHand is what an administrator writes for the same: a cache for strangers, for whom cookies and queries have none.
const byHand = `
fastcgi_cache_path /var/cache/by-hand levels=1:2 keys_zone=by_hand:16m max_size=200m inactive=60m use_temp_path=off;

server {
	listen 8090;
	root /usr/share/wordpress;
	index index.php;
	access_log syslog:server=unix:/dev/log,nohostname,tag=nginx;
	set_real_ip_from 10.108.7.0/24;
	real_ip_header X-Forwarded-For;
	gzip_vary on;
	gzip_proxied any;
	gzip_types text/css application/javascript application/json image/svg+xml;

	set $skip 0;
	if ($request_method = POST) { set $skip 1; }
	if ($query_string != "") { set $skip 1; }
	if ($request_uri ~* "/wp-admin/|/xmlrpc.php|wp-.*.php|/feed/|sitemap") { set $skip 1; }
	if ($http_cookie ~* "comment_author|wordpress_[a-f0-9]+|wp-postpass|wordpress_logged_in") { set $skip 1; }

	location / { try_files $uri $uri/ /index.php?$args; }
	location ~ \.php$ {
		try_files $uri =404;
		include fastcgi.conf;
		fastcgi_param HTTPS on;
		fastcgi_cache by_hand;
		fastcgi_cache_key "$scheme$request_method$host$request_uri";
		fastcgi_cache_valid 200 60m;
		fastcgi_cache_bypass $skip;
		fastcgi_no_cache $skip;
		fastcgi_buffers 16 16k;
		fastcgi_buffer_size 32k;
		fastcgi_pass unix:/run/php/hornero.sock;
	}
}
`

// Strangers' pages, 200 posts in turn: as many a second as of nginx configured by hand, in the same run.
func TestFiguresOfPages(t *testing.T) {
	s := prepareSite(t, map[string]string{
		"url":        siteURL,
		"page_cache": "1h",
	})
	s.adds("/etc/nginx/sites-enabled/by-hand", byHand)
	s.addNode()
	s.install()

	node := s.web[0]
	node.journal()

	made := node.wordpress(fmt.Sprintf(`for ($i = 0; $i < %d; $i++) {
		echo get_permalink(wp_insert_post([
			"post_title" => "Post $i",
			"post_content" => str_repeat("<p>Words of a post, as many as a page has. </p>\n", 100),
			"post_status" => "publish",
		])), "\n";
	}`, benchPosts))

	paths := strings.Fields(strings.ReplaceAll(made, siteURL, ""))
	require.Len(t, paths, benchPosts)

	var rate, cost float64

	for _, accepted := range []string{"", "gzip", "br"} {
		ours := node.load(paths, accepted, "80")
		theirs := node.load(paths, accepted, "8090")

		// Once for each, so that all is stored.
		ours(0)
		theirs(0)

		var ratios, rates, others, costs []float64

		for range benchRounds {
			begun := node.nginxTime()
			mine := ours(benchRound)
			between := node.nginxTime()
			other := theirs(benchRound)
			ended := node.nginxTime()

			// What nginx takes for a page says the same, and a machine that has other work does not change it.
			own := (between - begun) / mine
			hand := (ended - between) / other
			costs = append(costs, own/hand)
			rates = append(rates, mine)
			others = append(others, other)
			ratios = append(ratios, mine/other)
		}

		for _, numbers := range [][]float64{rates, others, ratios, costs} {
			slices.Sort(numbers)
		}

		middle := benchRounds / 2
		fmt.Printf(
			"    figure: pages a second, accepting %-6q: %.0f, by hand %.0f; ratio %.2f (%.2f to %.2f); "+
				"nginx' time for one, %.2f of by hand's\n",
			accepted,
			rates[middle],
			others[middle],
			rates[middle]/others[middle],
			ratios[0],
			ratios[benchRounds-1],
			costs[middle],
		)

		if accepted == "" {
			rate, cost = rates[middle], costs[middle]
		}
	}

	require.LessOrEqual(t, cost, 1/leastRatio, "nginx' time for a page, of nginx by hand")
	require.GreaterOrEqual(t, rate, float64(leastPages), "pages a second")
}

// nginxTime is how much of the processors nginx has had, in the kernel's ticks.
func (n *webNode) nginxTime() float64 {
	n.t.Helper()

	master := strconv.Itoa(n.nginx.command.Process.Pid)

	children, err := os.ReadFile("/proc/" + master + "/task/" + master + "/children")
	require.NoError(n.t, err)

	total := 0.0

	for _, worker := range strings.Fields(string(children)) {
		text, err := os.ReadFile("/proc/" + worker + "/stat")
		require.NoError(n.t, err)

		// After the name, in parentheses, stands the third field (proc(5)); user and system are the 14th and 15th.
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)

		for _, field := range fields[11:13] {
			ticks, err := strconv.ParseFloat(field, 64)
			require.NoError(n.t, err)

			total += ticks
		}
	}

	return total
}

// journal takes what nginx logs, as journald does.
func (n *webNode) journal() {
	n.t.Helper()

	address := &net.UnixAddr{Name: n.root + "/dev/log", Net: "unixgram"}

	socket, err := net.ListenUnixgram("unixgram", address)
	require.NoError(n.t, err)
	n.run("chmod", "0666", "/dev/log")
	n.t.Cleanup(func() { _ = socket.Close() })

	go func() {
		line := make([]byte, 4096)
		for {
			if _, err := socket.Read(line); err != nil {
				return
			}
		}
	}()
}

// load is a load on a port of the node: it asks for the paths in turn for a time, or for each once, and tells how many
// were answered a second.
func (n *webNode) load(paths []string, accepted, port string) func(time.Duration) float64 {
	return func(last time.Duration) float64 {
		var (
			next  atomic.Int64
			group sync.WaitGroup
		)

		began := time.Now()

		for range benchClients {
			group.Go(func() { n.client(&next, paths, accepted, port, began.Add(last)) })
		}

		group.Wait()

		return float64(next.Load()) / time.Since(began).Seconds()
	}
}

// client asks over one connection until the time is over and each path had its turn.
func (n *webNode) client(next *atomic.Int64, paths []string, accepted, port string, end time.Time) {
	connection, err := net.Dial("tcp", net.JoinHostPort(n.address, port))
	if err != nil {
		n.t.Error(err)
		return
	}
	defer func() { _ = connection.Close() }()

	answers := bufio.NewReader(connection)

	for {
		turn := int(next.Add(1)) - 1
		if turn >= len(paths) && time.Now().After(end) {
			next.Add(-1)
			return
		}

		_, err := fmt.Fprintf(
			connection,
			"GET %s HTTP/1.1\r\n%s\r\n",
			paths[turn%len(paths)],
			"Host: www.example.org\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.1\r\n"+
				"Accept-Encoding: "+accepted+"\r\n",
		)
		if err != nil {
			n.t.Error(err)
			return
		}

		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			n.t.Error(err)
			return
		}

		if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
			n.t.Error(response.Status, err)
			return
		}
	}
}
