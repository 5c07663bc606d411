package fleet

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// balanced is a load balancer of stack.yaml with what the role behind it serves.
type balanced struct {
	stack.Balancer
	serve   roles.Serve           // what it points at, or its first rule does
	forward []godo.ForwardingRule // without the certificate's number
	visited *url.URL              // the address that visitors use; empty: the load balancer's own
}

// allBalanced are the load balancers of stack.yaml, in its order.
func (f *Fleet) allBalanced() ([]balanced, error) {
	var all []balanced

	for _, balancer := range f.Stack.AllBalancers() {
		b := balanced{Balancer: balancer}
		manifest := f.manifest(b.Nodes)

		var err error
		if b.forward, b.serve, err = forwarding(b, manifest); err != nil {
			return nil, err
		}

		if b.visited, err = f.visited(manifest, b); err != nil {
			return nil, err
		}

		all = append(all, b)
	}

	return all, nil
}

// forwarding are the rules of a load balancer, and what it points at: what its first rule does, where it says nothing.
func forwarding(b balanced, manifest *roles.Manifest) ([]godo.ForwardingRule, roles.Serve, error) {
	var all []godo.ForwardingRule
	first, found := manifest.Balanced(b.Serves)

	for _, rule := range b.AllRules() {
		serve, serves := manifest.Balanced(rule.Serves)
		if !serves && rule.TargetPort == 0 {
			return nil, first, fmt.Errorf("%s: role %s serves nothing that it could send to", b, b.Nodes)
		}

		if serves && !found {
			first, found = serve, true
		}

		port := cmp.Or(rule.TargetPort, serve.Port)

		// The same, where each connection begins with the visitor's address.
		if b.ProxyProtocol && rule.TargetPort == 0 {
			port = cmp.Or(serve.ProxyPort, port)
		}

		all = append(all, godo.ForwardingRule{
			EntryProtocol:  rule.Protocol,
			EntryPort:      rule.Port,
			TargetProtocol: rule.To,
			TargetPort:     port,
			TlsPassthrough: rule.Passthrough,
		})
	}

	return all, first, nil
}

// visited is the address that visitors use: what the role's manifest makes of the settings of its first node.
func (f *Fleet) visited(manifest *roles.Manifest, b balanced) (*url.URL, error) {
	facts := roles.Facts{
		Stack:   f.Stack.Name,
		Role:    b.Nodes,
		Release: f.Stack.Release,
	}

	for _, node := range f.Stack.All() {
		if node.Role == b.Nodes {
			facts.Settings = f.Stack.SettingsOf(node, manifest)
			maps.Copy(facts.Settings, f.Stack.SiteSettings(manifest, f.Manifests, f.Secrets))

			break
		}
	}

	text, err := manifest.RenderText("serves."+b.serve.Name+".url", b.serve.URL, facts)
	if err != nil {
		return nil, err
	}

	visited, err := url.Parse(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("read the address of what role %s serves: %w", b.Nodes, err)
	}

	return visited, nil
}

// String names the load balancer in messages.
func (b balanced) String() string {
	if b.Name == "" {
		return "load balancer"
	}

	return "load balancer " + b.Name
}

// endpoint is where it is asked: as visitors ask, if it has a port for that. One that listens for datagrams alone is
// not asked at all.
func (b balanced) endpoint() (scheme string, port int) {
	plain, http := b.Listens(func(r stack.Rule) bool { return r.Protocol == stack.ProtocolHTTP })
	secure, https := b.Listens(stack.Rule.Secure)
	stream, tcp := b.Listens(func(r stack.Rule) bool { return r.Protocol == stack.ProtocolTCP })

	switch {
	case https && (!http || b.Redirect || b.visited.Scheme == "https"):
		return "https", secure.Port
	case http:
		return "http", plain.Port
	case tcp:
		return "tcp", stream.Port
	}

	return "udp", b.AllRules()[0].Port
}

// host is the address that the load balancer is reached at from here; "" while it has none.
func (f *Fleet) host(ctx context.Context, have []godo.LoadBalancer, b balanced) (string, error) {
	balancer, there := f.balancerNamed(have, b.Name)
	if !there || balancer.IP == "" || f.Published == nil || b.Network == stack.NetworkInternal {
		return balancer.IP, nil
	}

	// A lab's load balancer may have to be reached at another address than its own.
	return f.Published(ctx, balancer.IP)
}

// address is where the load balancer is reached from here, as a URL; "" while it has no address.
func (f *Fleet) address(ctx context.Context, have []godo.LoadBalancer, b balanced) (string, error) {
	host, err := f.host(ctx, have, b)
	if err != nil || host == "" {
		return "", err
	}

	scheme, port := b.endpoint()
	if port == usualPorts[scheme] {
		return scheme + "://" + host + "/", nil
	}

	return fmt.Sprintf("%s://%s:%d/", scheme, host, port), nil
}

var usualPorts = map[string]int{"http": 80, "https": 443}

// askTimeout bounds one question to a load balancer.
const askTimeout = 5 * time.Second

// ask asks for what the role's manifest says through the load balancer at the address, under the name that visitors
// use, and returns why it does not serve. The text of the page is not looked at: editors change it.
func (b balanced) ask(ctx context.Context, address string) error {
	// It is not reached from outside of its VPC; that it is there the API says.
	if b.Network == stack.NetworkInternal {
		return nil
	}

	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()

	err := b.askAt(ctx, address)
	if err != nil && len(b.Allow) > 0 {
		return fmt.Errorf("%w (only who is in allow gets in: is this machine?)", err)
	}

	return err
}

func (b balanced) askAt(ctx context.Context, address string) error {
	at, err := url.Parse(address)
	if err != nil {
		return err
	}

	if at.Scheme == "http" || at.Scheme == "https" {
		if err := b.askPage(ctx, address); err != nil {
			return err
		}
	}

	return b.connect(ctx, at.Hostname())
}

func (b balanced) askPage(ctx context.Context, address string) error {
	page := strings.TrimSuffix(address, "/") + cmp.Or(b.serve.Ready.Path, "/")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return err
	}

	// The name need not point here yet, and what is asked under another name may send visitors to it.
	if b.visited.Host != "" {
		request.Host = b.visited.Host
	}

	response, err := b.client().Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()

	if !b.serve.Ready.Answers(response.StatusCode) {
		return fmt.Errorf("%s answers %s", page, response.Status)
	}

	return nil
}

// connect tells whether the load balancer listens at its other ports, too. Nothing is asked for there: a site may send
// all who come by HTTP elsewhere.
func (b balanced) connect(ctx context.Context, host string) error {
	_, asked := b.endpoint()

	for _, rule := range b.AllRules() {
		if rule.Datagrams() || rule.Port == asked && rule.Protocol != stack.ProtocolTCP {
			continue
		}

		dial := new(net.Dialer).DialContext
		if rule.EndsTLS() {
			dial = (&tls.Dialer{Config: b.tls()}).DialContext
		}

		connection, err := dial(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(rule.Port)))
		if err != nil {
			return err
		}

		if err := connection.Close(); err != nil {
			return err
		}
	}

	return nil
}

// client asks whether the stack serves, not whether its certificate is trusted here: it is the stack's own. A redirect
// is an answer; where it leads may be elsewhere.
func (b balanced) client() *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &http.Transport{
			Proxy:             nil,
			DisableKeepAlives: true,
			TLSClientConfig:   b.tls(),
		},
	}
}

func (b balanced) tls() *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true,
		ServerName:         b.visited.Hostname(),
	}
}
