package roles

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/hornero/hornero/internal/report"
)

// Protocols of what a role serves.
const (
	ProtocolHTTP = "http"
	ProtocolTCP  = "tcp"
)

// Status codes of HTTP (RFC 9110, 15): this package opens no connection, and does without net/http.
const (
	statusOK         = 200
	statusBadRequest = 400
	maxStatus        = 599
)

// DefaultHealthInterval is between two checks that a node makes of itself.
const DefaultHealthInterval = time.Second

// DefaultServeTimeout is DigitalOcean's own for a load balancer (its API description: http_idle_timeout_seconds).
const DefaultServeTimeout = time.Minute

// Limits of a load balancer's patience (its API description: http_idle_timeout_seconds).
const (
	minServeTimeout = 30 * time.Second
	maxServeTimeout = 10 * time.Minute
)

// Serve is something that the role offers: what a load balancer may point at.
type Serve struct {
	Name string `yaml:"name"` // what stack.yaml calls it
	Port int    `yaml:"port"` // on the VPC address
	// ProxyPort is the port at which connections must begin with the PROXY protocol; 0: there is none.
	ProxyPort int `yaml:"proxy_port"`
	// Protocol is ProtocolHTTP (the default) or ProtocolTCP.
	Protocol string `yaml:"protocol"`
	// URL is the address that visitors use, a template over the role's settings; empty: the load balancer's own.
	URL string `yaml:"url"`
	// Health is how the node asks itself whether it serves; nil: what runs is healthy.
	Health *Health `yaml:"health"`
	// Timeout is how long an answer may take: a load balancer waits that long for its next byte. Default one minute,
	// from 30 s to ten minutes.
	Timeout time.Duration `yaml:"timeout"`
	// Counters is the name (syslog's identifier) under which the server writes into the journal what it answers: a line
	// a request that ends in `status=CODE seconds=TIME`. A roll compares new nodes with old ones by it.
	Counters string `yaml:"counters"`
	// Sticky is the cookie by which the application knows a visitor: a site with affinity: application keeps him with
	// a node by it.
	Sticky string `yaml:"sticky"`
	// Brake are the ways in where who fails too often is held off by an edge.
	Brake []Brake `yaml:"brake"`
	// Ready is what `hornero up` asks for through the load balancer.
	Ready Ready `yaml:"ready"`
}

// Listens are the ports at which it is served: with the PROXY protocol where it is, too.
func (s *Serve) Listens() []int {
	if s.ProxyPort == 0 {
		return []int{s.Port}
	}

	return []int{s.Port, s.ProxyPort}
}

// Brake is a way in that is guessed at, such as a login. An edge counts the failures of each visitor's address there.
type Brake struct {
	// Path is what a POST's path has in it, from a slash on, as in /login.php.
	Path string `yaml:"path" json:"path"`
	// Failed is the status of an answer to who failed; 0: each POST counts as a failure.
	Failed int `yaml:"failed" json:"failed,omitempty"`
}

func (b Brake) check(doc *report.Document, at string) {
	if !brakePath.MatchString(b.Path) {
		doc.Add(at+".path", "must be a slash and letters, digits, dots, hyphens or _, as in /login.php, got %q", b.Path)
	}
	if b.Failed != 0 && (b.Failed < statusOK || b.Failed > maxStatus) {
		doc.Add(at+".failed", "must be a status from %d to %d, got %d", statusOK, maxStatus, b.Failed)
	}
}

// Health is a question that a node asks itself on loopback. A driver may add its own condition.
type Health struct {
	Port     int           `yaml:"port"`     // default: the port that is served
	Path     string        `yaml:"path"`     // default "/"
	First    string        `yaml:"first"`    // a path that is asked instead until it passed once: for what takes longer
	Status   int           `yaml:"status"`   // default 200
	Text     string        `yaml:"text"`     // what the answer must hold; default anything
	Interval time.Duration `yaml:"interval"` // default DefaultHealthInterval
}

// Ready is a page that a stack must answer before `hornero up` calls it served. Its text is nobody's business: editors
// change it.
type Ready struct {
	Path   string `yaml:"path"`   // default "/"
	Status int    `yaml:"status"` // default: any below 400
}

// Check is a health check with its defaults filled in.
type Check struct {
	URL      string
	First    string // is asked instead until it passed once; empty: there is none
	Status   int
	Text     string
	Interval time.Duration
}

// Checks are the health checks of all that the role serves, in the manifest's order.
func (m *Manifest) Checks() []Check {
	var checks []Check

	for _, serve := range m.Serves {
		if serve.Health == nil {
			continue
		}

		port := cmp.Or(serve.Health.Port, serve.Port)
		host := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))

		first := ""
		if serve.Health.First != "" {
			first = "http://" + host + serve.Health.First
		}

		checks = append(checks, Check{
			First:    first,
			URL:      "http://" + host + cmp.Or(serve.Health.Path, "/"),
			Status:   cmp.Or(serve.Health.Status, statusOK),
			Text:     serve.Health.Text,
			Interval: cmp.Or(serve.Health.Interval, DefaultHealthInterval),
		})
	}

	return checks
}

// Balanced is what the role offers to a load balancer: what is named, or the first that speaks HTTP.
func (m *Manifest) Balanced(name string) (Serve, bool) {
	at := slices.IndexFunc(m.Serves, func(serve Serve) bool {
		if name != "" {
			return serve.Name == name
		}

		return serve.HTTP()
	})
	if at < 0 {
		return Serve{}, false
	}

	return m.Serves[at], true
}

// HTTP tells whether it speaks HTTP.
func (s Serve) HTTP() bool {
	return cmp.Or(s.Protocol, ProtocolHTTP) == ProtocolHTTP
}

// Answers tells whether a status code is one of a stack that serves.
func (r Ready) Answers(status int) bool {
	if r.Status != 0 {
		return status == r.Status
	}

	return status < statusBadRequest
}
