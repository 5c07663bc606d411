//go:build root

package website_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/loadbalancer"
	"github.com/hornero/hornero/lab/machine"
)

// visitor is who asks: another address than that of the load balancer, which is the test's own.
const visitor = "10.108.7.2"

// show is a page that tells what PHP takes the visitor for.
const show = `<?php
header("Content-Type: text/plain");
foreach (["REMOTE_ADDR", "HTTPS", "HTTP_HOST"] as $name) {
	echo $name, "=", $_SERVER[$name] ?? "", "\n";
}
`

// balance starts the lab's load balancer before the site's web nodes.
func (s *site) balance(b loadbalancer.Balancer) {
	s.t.Helper()

	b.ID = "front"
	b.At = machine.Attachment{Public: netip.MustParseAddr(self)}
	b.Health.Protocol = loadbalancer.TCP
	b.Health.Port = 80

	for i, n := range s.web {
		b.Targets = append(b.Targets, loadbalancer.Target{
			ID:      i + 1,
			Address: netip.MustParseAddr(n.address),
		})

		n.write("/usr/share/wordpress/show.php", "0644", "root:root", show)
	}

	own := s.certificate("web", "www.example.org")
	pem := own.Certificate + own.Key.Reveal()

	for i := range b.Rules {
		if b.Rules[i].EntryProtocol == loadbalancer.HTTPS {
			b.Rules[i].Certificate = pem
		}
	}

	text, _, err := loadbalancer.Config(b)
	require.NoError(s.t, err)

	folder := s.t.TempDir()
	require.NoError(s.t, os.Chmod(folder, 0o755))
	require.NoError(s.t, os.WriteFile(filepath.Join(folder, "haproxy.cfg"), []byte(text), 0o644))

	for _, name := range regexp.MustCompile(`certificate-[0-9a-f]+\.pem`).FindAllString(text, -1) {
		require.NoError(s.t, os.WriteFile(filepath.Join(folder, name), []byte(pem), 0o600))
	}

	command := exec.CommandContext(s.t.Context(), "haproxy", "-db", "-f", "haproxy.cfg")
	command.Dir = folder
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	said := &strings.Builder{}
	command.Stdout, command.Stderr = said, said
	require.NoError(s.t, command.Start())

	s.t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()

		if s.t.Failed() {
			s.t.Logf("haproxy: %s\n%s", said, text)
		}
	})

	for _, rule := range b.Rules {
		require.Eventually(s.t, func() bool {
			connection, err := net.Dial("tcp", net.JoinHostPort(self, strconv.Itoa(rule.EntryPort)))
			if err != nil {
				return false
			}

			return connection.Close() == nil
		}, time.Minute, 50*time.Millisecond, "port %d", rule.EntryPort)
	}
}

// visitBalancer asks the load balancer as a browser does that goes where it is sent, at most four times.
func visitBalancer(t *testing.T, address string) (int, string) {
	t.Helper()

	dialer := &net.Dialer{
		LocalAddr: &net.TCPAddr{
			IP: net.ParseIP(visitor),
		},
	}

	client := &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			// The name is the load balancer's, whoever is asked for.
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				_, port, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}

				return dialer.DialContext(ctx, network, net.JoinHostPort(self, port))
			},
			TLSClientConfig: &tls.Config{
				InsecureSkipVerify: true,
			},
			DisableKeepAlives: true,
		},
	}

	response, err := client.Get(address)
	require.NoError(t, err)
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)

	return response.StatusCode, response.Request.URL.Scheme + "\n" + string(body)
}

func rule(entry string, port int, target string, targetPort int) loadbalancer.Rule {
	return loadbalancer.Rule{
		EntryProtocol:  entry,
		EntryPort:      port,
		TargetProtocol: target,
		TargetPort:     targetPort,
	}
}

// Whoever ends TLS, and whoever redirects: a visitor of a site with an https address ends there, and PHP knows both.
func TestNobodyIsSentInCirclesBehindALoadBalancer(t *testing.T) {
	const page = "www.example.org/show.php"
	const asHTTPS = "https\nREMOTE_ADDR=" + visitor + "\nHTTPS=on\nHTTP_HOST=www.example.org\n"

	s := newSite(t, 1, map[string]string{"url": "https://www.example.org"})
	host(t, "ip address add "+visitor+"/24 dev "+bridge)

	plain := rule("http", 80, "http", 80)
	secure := rule("https", 443, "http", 80)

	plainProxy := rule("http", 80, "http", 8083)
	secureProxy := rule("https", 443, "http", 8083)

	for name, b := range map[string]loadbalancer.Balancer{
		"the load balancer redirects": {
			Rules:           []loadbalancer.Rule{plain, secure},
			RedirectToHTTPS: true,
		},
		"the node redirects": {
			Rules: []loadbalancer.Rule{
				plain,
				secure,
			},
		},
		"the load balancer redirects, by the PROXY protocol": {
			Rules:           []loadbalancer.Rule{plainProxy, secureProxy},
			RedirectToHTTPS: true,
			ProxyProtocol:   true,
		},
		"the node redirects, by the PROXY protocol": {
			Rules:         []loadbalancer.Rule{plainProxy, secureProxy},
			ProxyProtocol: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			s.balance(b)

			for _, scheme := range []string{"http://", "https://"} {
				status, said := visitBalancer(t, scheme+page)
				require.Equal(t, http.StatusOK, status, said)
				require.Equal(t, asHTTPS, said)
			}
		})
	}

	// Bytes that are passed on tell nothing of a scheme: who comes so is answered, and not sent anywhere.
	t.Run("bytes are passed on", func(t *testing.T) {
		s.t = t
		s.balance(loadbalancer.Balancer{
			Rules: []loadbalancer.Rule{
				rule("tcp", 80, "tcp", 8083),
			},
			ProxyProtocol: true,
		})

		status, said := visitBalancer(t, "http://"+page)
		require.Equal(t, http.StatusOK, status, said)
		require.Equal(t, "http\nREMOTE_ADDR="+visitor+"\nHTTPS=\nHTTP_HOST=www.example.org\n", said)
	})
}
