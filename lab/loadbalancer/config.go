package loadbalancer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"text/template"
	"time"
)

// The files of a load balancer, in its folder, which HAProxy has for its working directory.
const (
	configFile = "haproxy.cfg"
	stateFile  = "servers.state"
	socketFile = "admin.sock"
	pidFile    = "haproxy.pid"
	logFile    = "haproxy.log"
	// datagramFile holds nftables' chains, for a person to read.
	datagramFile = "datagrams.nft"
)

// showHealth asks a running HAProxy which targets are healthy.
const showHealth = "show servers state health"

// Config writes HAProxy's configuration. Targets are checked once, in the backend "health"; the rules' own backends
// follow it.
func Config(balancer Balancer) (text, digest string, err error) {
	balancer = balancer.withDefaults()

	if err := balancer.check(); err != nil {
		return "", "", err
	}

	var body strings.Builder

	if err := configTemplate().Execute(&body, balancer); err != nil {
		return "", "", fmt.Errorf("write the configuration: %w", err)
	}

	// The digest is taken with the mark still in the text: it cannot hold its own digest.
	sum := sha256.Sum256([]byte(body.String()))
	digest = hex.EncodeToString(sum[:16])

	return strings.Replace(body.String(), digestMark, digest, 1), digest, nil
}

// digestMark stands where the text's own digest goes: a running HAProxy says by it what it was configured with.
const digestMark = "@digest@"

func configTemplate() *template.Template {
	return template.Must(template.New("haproxy").Funcs(configFunctions()).Parse(configText))
}

func configFunctions() template.FuncMap {
	return template.FuncMap{
		"ms": func(d time.Duration) string {
			return fmt.Sprintf("%dms", d.Milliseconds())
		},
		"seconds": func(d time.Duration) int { return int(d.Seconds()) },

		"front":       Balancer.front,
		"source":      source,
		"certificate": certificateFile,

		"plain":     Rule.plain,
		"encrypted": Rule.encrypted,
		"datagrams": func(r Rule) bool { return r.EntryProtocol == UDP },
		"redirects": func(b Balancer, r Rule) bool {
			return b.RedirectToHTTPS && r.EntryProtocol == HTTP && r.EntryPort == 80
		},
		"targetTLS": func(r Rule) bool {
			return !r.plain() && r.TargetProtocol != HTTP
		},

		"proxyChecks": Balancer.proxyChecks,
		"checkTLS":    func(h Health) bool { return h.Protocol == HTTPS },
		"checkHTTP": func(h Health) bool {
			return h.Protocol == HTTP || h.Protocol == HTTPS
		},
	}
}

// source takes the kind off ip:ADDRESS and cidr:RANGE.
func source(text string) string {
	_, address, ok := strings.Cut(text, ":")
	if !ok {
		return text
	}

	return address
}

// strongCiphers of TLS 1.2 have forward secrecy and authenticated encryption. Those of TLS 1.3 all have.
const strongCiphers = "ECDHE-ECDSA-AES128-GCM-SHA256:" +
	"ECDHE-RSA-AES128-GCM-SHA256:" +
	"ECDHE-ECDSA-AES256-GCM-SHA384:" +
	"ECDHE-RSA-AES256-GCM-SHA384:" +
	"ECDHE-ECDSA-CHACHA20-POLY1305:" +
	"ECDHE-RSA-CHACHA20-POLY1305"

// checkedServer is a target in the backend "health".
const checkedServer = "server droplet-{{.ID}} {{.Address}}:{{$.Health.Port}} id {{.ID}} " +
	"check inter {{ms $.Health.Interval}} rise {{$.Health.Healthy}} fall {{$.Health.Unhealthy}}"

// stickyCookie names the target that a client came to, and is kept from the targets themselves.
const stickyCookie = "cookie {{$.Sticky.Cookie}} insert indirect nocache httponly " +
	"maxlife {{seconds $.Sticky.TTL}}s attr Max-Age={{seconds $.Sticky.TTL}}"

const configText = `global
    description ` + digestMark + `
    stats socket unix@` + socketFile + ` mode 600 level admin expose-fd listeners
    server-state-file ` + stateFile + `
    user haproxy
    group haproxy
    nbthread 1
    maxconn 4000
    hard-stop-after 60s
    tune.ssl.default-dh-param 2048
    ssl-default-bind-options ssl-min-ver TLSv1.2
    ssl-default-server-options ssl-min-ver TLSv1.2
{{- if .StrongCiphers}}
    ssl-default-bind-ciphers ` + strongCiphers + `
    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256
{{- end}}

defaults
    mode http
    load-server-state-from-file global
    option redispatch 1
    option dontlognull
    retries 3
    timeout connect 2s
    timeout client {{ms .IdleTimeout}}
    timeout server {{ms .IdleTimeout}}
    timeout http-request 60s
    timeout http-keep-alive {{ms .IdleTimeout}}
    timeout queue 30s
    timeout tunnel 1h
    timeout check {{ms .Health.Timeout}}

backend health
{{- if checkHTTP .Health}}
    option httpchk
    http-check send meth GET uri {{.Health.Path}} ver HTTP/1.1 hdr Host {{front .}} hdr Connection close
{{- else}}
    mode tcp
{{- end}}
{{- range .Targets}}
    ` + checkedServer + `
{{- if proxyChecks $}} check-send-proxy{{end}}
{{- if checkTLS $.Health}} check-ssl verify none{{end}}
{{- end}}
{{range .Rules}}{{$rule := .}}{{if not (datagrams .)}}
frontend {{.EntryProtocol}}-{{.EntryPort}}
{{- if plain .}}
    mode tcp
{{- end}}
    bind {{front $}}:{{.EntryPort}}
{{- if encrypted .}} ssl crt {{certificate .Certificate}} alpn {{if eq .EntryProtocol "http2"}}h2,{{end}}http/1.1{{end}}
{{- range $.Deny}}
    tcp-request connection reject if { src {{source .}} }
{{- end}}
{{- range $.Allow}}
    acl allowed src {{source .}}
{{- end}}
{{- if $.Allow}}
    tcp-request connection reject unless allowed
{{- end}}
{{- if not (plain .)}}
    option forwardfor
    http-request set-header X-Forwarded-Proto {{if encrypted .}}https{{else}}http{{end}}
    http-request set-header X-Forwarded-Port {{.EntryPort}}
{{- if redirects $ .}}
    http-request redirect scheme https code 307
{{- end}}
{{- end}}
    default_backend to-{{.EntryProtocol}}-{{.EntryPort}}

backend to-{{.EntryProtocol}}-{{.EntryPort}}
{{- if plain .}}
    mode tcp
{{- else}}
{{- if not $.BackendKeepalive}}
    option http-server-close
{{- end}}
{{- if $.Sticky.Cookie}}
    ` + stickyCookie + `
{{- end}}
{{- end}}
    balance roundrobin
{{- range $.Targets}}
    server droplet-{{.ID}} {{.Address}}:{{$rule.TargetPort}} id {{.ID}} track health/droplet-{{.ID}}
{{- if targetTLS $rule}} ssl verify none{{if eq $rule.TargetProtocol "http2"}} alpn h2{{end}}{{end}}
{{- if $.ProxyProtocol}} send-proxy{{end}}
{{- if and $.Sticky.Cookie (not (plain $rule))}} cookie {{.ID}}{{end}}
{{- end}}
{{end}}{{end}}`
