//go:build root

package loadbalancer_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/loadbalancer"
)

// checked is a health check by connections to a port, fast enough for a test.
func checked(port int) loadbalancer.Health {
	return loadbalancer.Health{
		Protocol:  "tcp",
		Port:      port,
		Interval:  100 * time.Millisecond,
		Timeout:   time.Second,
		Healthy:   1,
		Unhealthy: 2,
	}
}

// ask asks until a target answers, and returns what it has seen.
func (f *farm) ask(t *testing.T, url string) (answer seen, response *http.Response) {
	t.Helper()

	require.EventuallyWithT(t, func(c *assert.CollectT) {
		var err error
		response, err = f.client.Get(url)
		require.NoError(c, err)
		defer response.Body.Close()

		require.Equal(c, http.StatusOK, response.StatusCode)

		answer = seen{}
		require.NoError(c, json.NewDecoder(response.Body).Decode(&answer))
	}, 15*time.Second, 20*time.Millisecond)

	return answer, response
}

// tls gives the client one connection a request, with settings of TLS changed.
func (f *farm) tls(change func(*tls.Config)) {
	transport := f.client.Transport.(*http.Transport).Clone()
	transport.TLSClientConfig = transport.TLSClientConfig.Clone()
	transport.DisableKeepAlives, transport.ForceAttemptHTTP2 = true, true
	change(transport.TLSClientConfig)

	f.client.Transport = transport
}

func TestHeadersAndProtocols(t *testing.T) {
	f := newFarm(t)
	certificate := f.site.Rules[1].Certificate
	plain, secure := f.kind(t, "http", 41, 80), f.kind(t, "https", 42, 443)
	f.site.Targets, f.site.Health = []loadbalancer.Target{plain}, checked(80)

	f.site.Rules = []loadbalancer.Rule{
		{
			EntryProtocol:  "http",
			EntryPort:      80,
			TargetProtocol: "http",
			TargetPort:     80,
		},
		{
			EntryProtocol:  "https",
			EntryPort:      443,
			TargetProtocol: "http",
			TargetPort:     80,
			Certificate:    certificate,
		},
		{
			EntryProtocol:  "http2",
			EntryPort:      8443,
			TargetProtocol: "http",
			TargetPort:     80,
			Certificate:    certificate,
		},
	}

	require.NoError(t, f.Apply(t.Context(), f.site))
	f.tls(func(c *tls.Config) { c.NextProtos = nil })

	for entry, want := range map[string][]string{
		"http://" + f.public():            {"http", "80", "HTTP/1.1"},
		"https://" + f.public():           {"https", "443", "HTTP/1.1"}, // a rule for https offers no HTTP/2
		"https://" + f.public() + ":8443": {"https", "8443", "HTTP/2.0"},
	} {
		answer, response := f.ask(t, entry+"/")
		require.Equal(t, []string{f.host.Self().String()}, answer.Header["X-Forwarded-For"], entry)

		got := []string{
			answer.Header.Get("X-Forwarded-Proto"),
			answer.Header.Get("X-Forwarded-Port"),
			response.Proto,
		}
		require.Equal(t, want, got, entry)
	}

	f.site.Targets, f.site.Health = []loadbalancer.Target{secure}, loadbalancer.Health{
		Protocol:  "https",
		Port:      443,
		Path:      "/",
		Interval:  100 * time.Millisecond,
		Timeout:   time.Second,
		Healthy:   1,
		Unhealthy: 2,
	}

	f.site.Rules = []loadbalancer.Rule{
		{
			EntryProtocol:  "http",
			EntryPort:      80,
			TargetProtocol: "https",
			TargetPort:     443,
		},
		{
			EntryProtocol:  "http2",
			EntryPort:      443,
			TargetProtocol: "http2",
			TargetPort:     443,
			Certificate:    certificate,
		},
		{
			EntryProtocol:  "https",
			EntryPort:      444,
			TargetProtocol: "https",
			TargetPort:     443,
			TLSPassthrough: true,
		},
	}

	require.NoError(t, f.Apply(t.Context(), f.site))

	answer, _ := f.ask(t, "http://"+f.public()+"/")
	require.True(t, answer.TLS, "encrypted towards the target")
	require.Equal(t, "HTTP/1.1", answer.HTTP)

	answer, _ = f.ask(t, "https://"+f.public()+"/")
	require.Equal(t, []any{true, "HTTP/2.0"}, []any{answer.TLS, answer.HTTP})
	f.tls(func(c *tls.Config) { c.InsecureSkipVerify = true })

	answer, response := f.ask(t, "https://"+f.public()+":444/")
	require.Equal(t, "HTTP/2.0", response.Proto, "passed through, the target's TLS is the client's")
	require.Empty(t, answer.Header["X-Forwarded-For"])

	require.NotEqual(t,
		f.leaf(t, f.public()+":443"),
		f.leaf(t, f.public()+":444"),
		"the certificate is the target's own",
	)
}

// leaf is the certificate that a port shows.
func (f *farm) leaf(t *testing.T, address string) string {
	t.Helper()
	connection, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer connection.Close()

	return string(connection.ConnectionState().PeerCertificates[0].Raw)
}

func TestCipherPolicy(t *testing.T) {
	f := newFarm(t)
	f.site.Targets, f.site.Health = []loadbalancer.Target{f.kind(t, "http", 41, 80)}, checked(80)
	require.NoError(t, f.Apply(t.Context(), f.site))
	f.ask(t, "https://"+f.public()+"/")

	offer := func(version uint16, cipher uint16) error {
		connection, err := tls.Dial("tcp", f.public()+":443", &tls.Config{
			InsecureSkipVerify: true,
			MinVersion:         version,
			MaxVersion:         version,
			CipherSuites:       []uint16{cipher},
		})
		if err == nil {
			connection.Close()
		}

		return err
	}

	weak, strong := tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	require.NoError(t, offer(tls.VersionTLS12, weak))
	require.Error(t, offer(tls.VersionTLS11, weak), "TLS 1.2 is the least")

	f.site.StrongCiphers = true
	require.NoError(t, f.Apply(t.Context(), f.site))
	require.ErrorContains(t, offer(tls.VersionTLS12, weak), "handshake failure")
	require.NoError(t, offer(tls.VersionTLS12, strong))
	require.NoError(t, offer(tls.VersionTLS13, strong))
}

func TestProxyProtocol(t *testing.T) {
	f := newFarm(t)
	f.site.Rules = []loadbalancer.Rule{
		{
			EntryProtocol:  "http",
			EntryPort:      80,
			TargetProtocol: "http",
			TargetPort:     80,
		},
		{
			EntryProtocol:  "tcp",
			EntryPort:      3306,
			TargetProtocol: "tcp",
			TargetPort:     3306,
		},
	}

	f.site.Health = checked(80)
	f.site.Health.Protocol, f.site.Health.Path = "http", "/" // a check without the protocol is closed by the target

	f.site.Targets, f.site.ProxyProtocol = []loadbalancer.Target{f.kind(t,
		"with-proxy",
		41,
		80,
	)}, true

	require.NoError(t, f.Apply(t.Context(), f.site))

	answer, _ := f.ask(t, "http://"+f.public()+"/")
	require.Regexp(t, f.proxyLine(80), answer.Proxy)

	no := false
	f.site.Health.ProxyProtocol = &no
	require.NoError(t, f.Apply(t.Context(), f.site))

	require.EventuallyWithT(t, func(c *assert.CollectT) {
		code, _, err := f.get("http://" + f.public() + "/")
		require.NoError(c, err)

		require.Equal(c,
			http.StatusServiceUnavailable,
			code,
			"checks without the protocol find it unhealthy",
		)
	}, 10*time.Second, 50*time.Millisecond)

	f.site.Health = checked(3306)
	f.site.Targets = []loadbalancer.Target{f.kind(t, "echo-with-proxy", 42, 3306)}
	require.NoError(t, f.Apply(t.Context(), f.site))

	require.EventuallyWithT(t, func(c *assert.CollectT) {
		connection, err := net.Dial("tcp", f.public()+":3306")
		require.NoError(c, err)
		defer connection.Close()

		fmt.Fprintln(connection, "said")

		lines := bufio.NewScanner(connection)
		require.True(c, lines.Scan())
		require.Regexp(c, f.proxyLine(3306), lines.Text())
		require.True(c, lines.Scan())
		require.Equal(c, "said", lines.Text())
	}, 10*time.Second, 50*time.Millisecond)
}

// proxyLine matches the line by which the PROXY protocol names a client on this computer.
func (f *farm) proxyLine(port int) string {
	self, public := regexp.QuoteMeta(f.host.Self().String()), regexp.QuoteMeta(f.public())
	return fmt.Sprintf(`^PROXY TCP4 %s %s \d+ %d$`, self, public, port)
}

func TestStickySessions(t *testing.T) {
	f := newFarm(t)
	f.site.Targets = []loadbalancer.Target{
		f.kind(t, "http", 41, 80),
		f.kind(t, "http", 42, 80),
	}

	f.site.Health, f.site.Sticky = checked(80), loadbalancer.Sticky{
		Cookie: "NODE",
		TTL:    2 * time.Second,
	}

	require.NoError(t, f.Apply(t.Context(), f.site))

	names := map[string]bool{}
	require.Eventually(t, func() bool {
		answer, _ := f.ask(t, "http://"+f.public()+"/")
		names[answer.Name] = true
		return len(names) == 2
	}, 10*time.Second, 20*time.Millisecond, "without a cookie the targets take turns")

	_, response := f.ask(t, "http://"+f.public()+"/")
	cookies := response.Cookies()
	require.Len(t, cookies, 1)
	require.Equal(t, []any{"NODE", 2, true}, []any{
		cookies[0].Name, cookies[0].MaxAge, cookies[0].HttpOnly,
	})

	jar, err := cookiejar.New(nil)
	require.NoError(t, err)

	f.client.Jar = jar
	first, _ := f.ask(t, "http://"+f.public()+"/")

	for range 10 {
		again, response := f.ask(t, "http://"+f.public()+"/")
		require.Equal(t, first.Name, again.Name)
		require.Empty(t, again.Header["Cookie"], "the target does not see the cookie")
		require.Empty(t, response.Cookies())
	}

	where := &url.URL{Scheme: "http", Host: f.public()}
	kept := jar.Cookies(where)
	f.client.Jar = nil

	require.Eventually(t, func() bool { // a client that keeps the cookie for too long gets a new one
		request, err := http.NewRequest("GET", where.String(), nil)
		require.NoError(t, err)
		request.AddCookie(kept[0])

		response, err := f.client.Do(request)
		require.NoError(t, err)
		response.Body.Close()

		return len(response.Cookies()) == 1
	}, 10*time.Second, 100*time.Millisecond)
}

func TestFirewallOfABalancer(t *testing.T) {
	f := newFarm(t)
	f.site.Targets, f.site.Health = []loadbalancer.Target{f.kind(t, "http", 41, 80)}, checked(80)
	require.NoError(t, f.Apply(t.Context(), f.site))
	f.ask(t, "http://"+f.public()+"/")

	// The firewall looks at new connections only.
	f.client.Transport.(*http.Transport).DisableKeepAlives = true

	for name, c := range map[string]struct {
		allow, deny []string
		served      bool
	}{
		"one denied": {
			allow:  nil,
			deny:   []string{"ip:" + f.host.Self().String()},
			served: false,
		},
		"a range denied": {
			allow:  nil,
			deny:   []string{"cidr:" + f.host.Public.String()},
			served: false,
		},
		"another denied": {
			allow:  nil,
			deny:   []string{"ip:" + f.inPublic(3).String()},
			served: true,
		},
		"only others allowed": {
			allow:  []string{"ip:" + f.inPublic(3).String()},
			deny:   nil,
			served: false,
		},
		"allowed": {
			allow:  []string{"ip:" + f.inPublic(3).String(), "cidr:" + f.inPublic(0).String() + "/28"},
			deny:   nil,
			served: true,
		},
		"allowed, yet denied": {
			allow:  []string{"cidr:" + f.host.Public.String()},
			deny:   []string{"ip:" + f.host.Self().String()},
			served: false,
		},
		"neither, as at first": {nil, nil, true},
	} {
		f.site.Allow = c.allow
		f.site.Deny = c.deny
		require.NoError(t, f.Apply(t.Context(), f.site))

		require.EventuallyWithT(t, func(col *assert.CollectT) { // a reload leaves the old one a moment
			_, _, err := f.get("http://" + f.public() + "/")
			require.Equal(col, c.served, err == nil, "%s: %v", name, err)
		}, 5*time.Second, 50*time.Millisecond)
	}
}

func TestRedirectAndIdleTimeout(t *testing.T) {
	f := newFarm(t)
	f.site.Targets, f.site.Health = []loadbalancer.Target{f.kind(t, "http", 41, 80)}, checked(80)

	f.site.Rules = append(f.site.Rules, loadbalancer.Rule{
		EntryProtocol:  "http",
		EntryPort:      8080,
		TargetProtocol: "http",
		TargetPort:     80,
	})

	f.site.RedirectToHTTPS = true
	f.site.IdleTimeout = time.Second
	require.NoError(t, f.Apply(t.Context(), f.site))
	f.ask(t, "http://"+f.public()+":8080/")

	response, err := f.client.Get("http://" + f.public() + "/a?b=c")
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusTemporaryRedirect, response.StatusCode)
	require.Equal(t, "https://"+f.public()+"/a?b=c", response.Header.Get("Location"))

	connection, err := net.Dial("tcp", f.public()+":8080")
	require.NoError(t, err)
	defer connection.Close()

	require.NoError(t, connection.SetDeadline(time.Now().Add(10*time.Second)))

	reader := bufio.NewReader(connection)

	for range 2 { // kept alive from one request to the next
		fmt.Fprintf(connection, "GET / HTTP/1.1\r\nHost: site.example\r\n\r\n")
		response, err = http.ReadResponse(reader, nil)
		require.NoError(t, err)

		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
	}

	begun := time.Now()
	_, err = reader.ReadByte()
	require.ErrorIs(t, err, io.EOF, "who asks no more is cut off")
	require.InDelta(t, 1, time.Since(begun).Seconds(), 0.9)
}

func TestManyChangesOneAfterAnother(t *testing.T) {
	f := newFarm(t)
	f.site.Targets, f.site.Health = []loadbalancer.Target{f.kind(t, "http", 41, 80)}, checked(80)

	for i := range 30 { // some of them while HAProxy's master begins anew, and hears nothing
		f.site.StrongCiphers = i%2 == 0
		require.NoError(t, f.Apply(t.Context(), f.site))
	}

	f.ask(t, "http://"+f.public()+"/")
}
