package fleet

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
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
	serve   roles.Serve
	visited *url.URL // the address that visitors use; empty: the load balancer's own
}

// allBalanced are the load balancers of stack.yaml, in its order.
func (f *Fleet) allBalanced() ([]balanced, error) {
	var all []balanced

	for _, balancer := range f.Stack.AllBalancers() {
		b := balanced{Balancer: balancer}
		manifest := f.manifest(b.Nodes)

		var serves bool
		if b.serve, serves = manifest.Balanced(b.Serves); !serves {
			return nil, fmt.Errorf("%s: role %s serves nothing that it could send to", b, b.Nodes)
		}

		var err error
		if b.visited, err = f.visited(manifest, b); err != nil {
			return nil, err
		}

		all = append(all, b)
	}

	return all, nil
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

// endpoint is where it is asked: as visitors ask, if it has a port for that.
func (b balanced) endpoint() (scheme string, port int) {
	if b.HTTPS != 0 && (b.HTTP == 0 || b.visited.Scheme == "https") {
		return "https", b.HTTPS
	}

	return "http", b.HTTP
}

// otherPort is the one that endpoint does not name; 0 where there is none.
func (b balanced) otherPort() int {
	if _, port := b.endpoint(); port == b.HTTP {
		return b.HTTPS
	}

	return b.HTTP
}

// address is where the load balancer is reached from here; "" while it has no address.
func (f *Fleet) address(ctx context.Context, have []godo.LoadBalancer, b balanced) (string, error) {
	balancer, there := f.balancerNamed(have, b.Name)
	if !there || balancer.IP == "" {
		return "", nil
	}

	// A lab's load balancer may have to be reached at another address than its own.
	host := balancer.IP
	if f.Published != nil {
		var err error
		if host, err = f.Published(ctx, host); err != nil {
			return "", err
		}
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
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()

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

	return b.connect(ctx, request.URL.Hostname())
}

// connect tells whether the load balancer listens at its other port, too. Nothing is asked for there: a site may send
// all who come by HTTP elsewhere.
func (b balanced) connect(ctx context.Context, host string) error {
	port := b.otherPort()
	if port == 0 {
		return nil
	}

	at := net.JoinHostPort(host, strconv.Itoa(port))
	dial := new(net.Dialer).DialContext

	if port == b.HTTPS {
		dial = (&tls.Dialer{Config: b.tls()}).DialContext
	}

	connection, err := dial(ctx, "tcp", at)
	if err != nil {
		return err
	}

	return connection.Close()
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
