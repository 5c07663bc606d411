//go:build root

package lab_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab"
)

// balancer makes a load balancer of the Droplets tagged test, and waits until it is active.
func (b *bench) balancer(ask *godo.LoadBalancerRequest) *godo.LoadBalancer {
	b.Helper()
	ask.Region, ask.Tag = "nyc3", "test"
	made, _, err := b.client.LoadBalancers.Create(b.Context(), ask)
	require.NoError(b, err)

	b.until(time.Minute, "load balancer active", func() (err error) {
		made, _, err = b.client.LoadBalancers.Get(b.Context(), made.ID)
		if err == nil && made.Status != "active" {
			err = errors.New(made.Status)
		}

		return err
	})

	return made
}

// quick is the quickest health check that DigitalOcean allows, by connections to a port.
func quick(port int) *godo.HealthCheck {
	return &godo.HealthCheck{
		Protocol:               "tcp",
		Port:                   port,
		CheckIntervalSeconds:   3,
		ResponseTimeoutSeconds: 3,
		HealthyThreshold:       2,
		UnhealthyThreshold:     2,
	}
}

// whoServes is what a Droplet runs for the tests: on port 80 it tells its name and the headers that it got, on
// 5353 it tells its name by datagrams, and on 3306 the first line of each connection.
const whoServes = `#!/usr/bin/python3
import http.server, socket, socketserver, threading
name = socket.gethostname()
class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        told = [self.headers.get("X-Forwarded-" + x, "") for x in ("For", "Proto", "Port")]
        self.wfile.write("|".join([name] + told).encode())
class Line(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())
class Name(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(name.encode(), self.client_address)
for server in (socketserver.ThreadingTCPServer(("", 3306), Line), socketserver.ThreadingUDPServer(("", 5353), Name)):
    threading.Thread(target=server.serve_forever).start()
http.server.ThreadingHTTPServer(("", 80), Web).serve_forever()
`

// page is what a load balancer's port answers, when it does.
func page(url string) (string, error) {
	response, err := (&http.Client{
		Timeout:   2 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true},
	}).Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}

	return string(body), err
}

func TestLoadBalancersOfDroplets(t *testing.T) {
	b := newBench(t)
	userData := "#cloud-config\nwrite_files:\n- path: /root/serve\n  permissions: '0755'\n  " +
		"content: |\n    " + strings.ReplaceAll(whoServes, "\n", "\n    ") +
		"\nruncmd:\n- systemd-run /root/serve\n"
	one := b.create("one", debian13, userData)
	two := b.create("two", debian13, userData)
	b.run(one, "cloud-init status --wait >/dev/null; hostname")
	b.run(two, "cloud-init status --wait >/dev/null; hostname")

	web := []godo.ForwardingRule{{
		EntryProtocol:  "http",
		EntryPort:      80,
		TargetProtocol: "http",
		TargetPort:     80,
	}}

	t.Run("an internal one is reached from its VPC and from nowhere else", func(t *testing.T) {
		b.within(t).internalBalancer(one, web)
	})

	t.Run("PROXY protocol, datagrams and a firewall, changed while it runs", func(t *testing.T) {
		b.within(t).changingBalancer(two, web)
	})
}

// within is the same bench in a subtest.
func (b *bench) within(t *testing.T) *bench {
	inner := *b
	inner.T = t
	return &inner
}

func (b *bench) internalBalancer(one *godo.Droplet, web []godo.ForwardingRule) {
	require := require.New(b)
	inner := b.balancer(&godo.LoadBalancerRequest{
		Name:            "inner",
		Network:         "INTERNAL",
		ForwardingRules: web,
		HealthCheck:     quick(80),
	})

	private := b.privateAddress(one)

	require.Equal(
		private[:strings.LastIndex(private, ".")],
		inner.IP[:strings.LastIndex(inner.IP, ".")],
	)

	b.until(time.Minute, "served in the VPC", func() error {
		got := b.run(one, "curl -sf -m 2 http://"+inner.IP+"/ || true")
		if !strings.HasSuffix(got, "|"+private+"|http|80") {
			return fmt.Errorf("got %q", got)
		}

		return nil
	})

	address := b.publicAddress(one)

	require.Contains(
		b.run(one, "curl -sS -m 2 --interface "+address+" http://"+inner.IP+"/ 2>&1 || true"),
		"curl: (",
		"not from a public address",
	)

	endpoint := b.endpoint()
	_, err := endpoint.Published(b.Context(), inner.IP)
	require.ErrorIs(err, lab.ErrNotPublished)

	_, err = b.client.LoadBalancers.Delete(b.Context(), inner.ID)
	require.NoError(err)

	b.until(30*time.Second, "gone", func() error {
		got := b.run(one, "curl -sS -m 2 http://"+inner.IP+"/ 2>&1 || true")
		if !strings.Contains(got, "curl: (") {
			return fmt.Errorf("got %q", got)
		}

		return nil
	})
}

func (b *bench) changingBalancer(two *godo.Droplet, web []godo.ForwardingRule) {
	require := require.New(b)
	ask := &godo.LoadBalancerRequest{
		Name: "outer",
		ForwardingRules: append(web,
			godo.ForwardingRule{
				EntryProtocol:  "tcp",
				EntryPort:      3306,
				TargetProtocol: "tcp",
				TargetPort:     3306,
			},
			godo.ForwardingRule{
				EntryProtocol:  "udp",
				EntryPort:      5300,
				TargetProtocol: "udp",
				TargetPort:     5353,
			}),
		HealthCheck: quick(80),
	}

	outer := b.balancer(ask)
	b.until(time.Minute, "both serve", func() error {
		return answeredBy(outer.IP, "one", "two")
	})

	got, err := page("http://" + outer.IP + "/")
	require.NoError(err)
	require.Contains(got, "|http|80")

	require.NoError(faultKill(b, two.ID))
	b.until(time.Minute, "only the other serves", func() error {
		return answeredBy(outer.IP, "one")
	})

	ask.EnableProxyProtocol, ask.HealthCheck = true, quick(3306)
	_, _, err = b.client.LoadBalancers.Update(
		b.Context(),
		outer.ID,
		ask,
	)
	require.NoError(err)

	b.until(time.Minute, "the PROXY protocol's line comes", func() error {
		connection, err := net.DialTimeout(
			"tcp",
			outer.IP+":3306",
			time.Second,
		)
		if err != nil {
			return err
		}
		defer connection.Close()

		connection.SetDeadline(time.Now().Add(time.Second))

		line, err := io.ReadAll(connection)
		if err == nil && !strings.HasPrefix(string(line), "PROXY TCP4 ") {
			err = fmt.Errorf("got %q", line)
		}

		return err
	})

	ask.EnableProxyProtocol, ask.HealthCheck = false, quick(80)
	ask.Firewall = &godo.LBFirewall{Deny: []string{"cidr:" + b.public}}
	_, _, err = b.client.LoadBalancers.Update(
		b.Context(),
		outer.ID,
		ask,
	)
	require.NoError(err)

	b.until(time.Minute, "denied", func() error {
		_, err := page("http://" + outer.IP + "/")
		if err == nil {
			return errors.New("it serves")
		}

		cutOff := strings.Contains(err.Error(), "reset") || strings.Contains(err.Error(), "EOF")
		if cutOff {
			return nil
		}

		return err
	})
}

// faultKill loses a Droplet.
func faultKill(b *bench, id int) error {
	endpoint := b.endpoint()
	err := endpoint.Kill(b.Context(), id)
	b.status(id, "off")

	return err
}

// answeredBy tells whether these Droplets, and no others, answer pages and datagrams.
func answeredBy(address string, names ...string) error {
	got := map[string]bool{}
	for range 6 {
		body, err := page("http://" + address + "/")
		if err != nil {
			return err
		}

		name, _, _ := strings.Cut(body, "|")
		got["page "+name] = true
		name, err = said(address + ":5300")
		if err != nil {
			return err
		}

		got["datagram "+name] = true
	}

	if len(got) != 2*len(names) {
		return fmt.Errorf("answered by %v", got)
	}

	for _, name := range names {
		if !got["page "+name] || !got["datagram "+name] {
			return fmt.Errorf("answered by %v", got)
		}
	}

	return nil
}

// said is what a datagram is answered with.
func said(address string) (string, error) {
	connection, err := net.Dial("udp", address)
	if err != nil {
		return "", err
	}
	defer connection.Close()

	connection.SetDeadline(time.Now().Add(time.Second))

	if _, err := connection.Write([]byte("who?")); err != nil {
		return "", err
	}

	buffer := make([]byte, 100)
	n, err := connection.Read(buffer)

	return string(buffer[:n]), err
}
