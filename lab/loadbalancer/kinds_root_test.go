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
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/loadbalancer"
)

// seen is what a target of a kind says of a request.
type seen struct {
	Name   string      // the target's
	Proxy  string      // the PROXY protocol's line
	HTTP   string      // the version that the target was spoken to in
	TLS    bool        // between load balancer and target
	Header http.Header // of the request
	Host   string
}

// serveKind is a target: http, https (and HTTP/2), with-proxy (HTTP behind the PROXY protocol), echo-with-proxy
// (says the PROXY protocol's line and all that comes) or datagrams (says its name to each). Of UDP, a TCP
// listener says it is healthy.
func serveKind(kind, address, name string) error {
	if kind == "datagrams" {
		return serveDatagrams(address, name)
	}

	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}

	switch kind {
	case "https":
		certificate, err := tls.LoadX509KeyPair(name, name) // a target's name is its certificate's file
		if err != nil {
			return err
		}

		listener = tls.NewListener(listener, &tls.Config{
			Certificates: []tls.Certificate{certificate},
			NextProtos:   []string{"h2", "http/1.1"},
		})

	case "with-proxy":
		listener = proxied{listener}
	case "echo-with-proxy":
		return echo(proxied{listener})
	}

	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		line, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)

		answer := seen{
			Name:   name,
			HTTP:   r.Proto,
			TLS:    r.TLS != nil,
			Header: r.Header,
			Host:   r.Host,
		}
		if kind == "with-proxy" {
			answer.Proxy = line.String()
		}

		json.NewEncoder(w).Encode(answer)
	})}

	return server.Serve(listener)
}

// proxied takes the PROXY protocol's line off each connection; one without it is closed. The line stands for the
// connection's own address.
type proxied struct{ net.Listener }

type proxiedConn struct {
	net.Conn
	reader *bufio.Reader
	line   string
}

func (c *proxiedConn) Read(p []byte) (int, error) {
	return c.reader.Read(p)
}
func (c *proxiedConn) LocalAddr() net.Addr {
	return lineAddr(c.line)
}

type lineAddr string

func (lineAddr) Network() string  { return "tcp" }
func (a lineAddr) String() string { return string(a) }

func (l proxied) Accept() (net.Conn, error) {
	for {
		connection, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}

		reader := bufio.NewReader(connection)
		line, err := reader.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "PROXY ") {
			connection.Close()
			continue
		}

		return &proxiedConn{connection, reader, strings.TrimSpace(line)}, nil
	}
}

func echo(listener net.Listener) error {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}

		go func() {
			defer connection.Close()

			fmt.Fprintln(connection, connection.LocalAddr())
			io.Copy(connection, connection)
		}()
	}
}

func serveDatagrams(address, name string) error {
	listener, err := net.Listen("tcp", address) // what is healthy accepts connections
	if err != nil {
		return err
	}
	defer listener.Close()

	socket, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}

	buffer := make([]byte, 1500)

	for {
		n, from, err := socket.ReadFrom(buffer)
		if err != nil {
			return err
		}

		host, _, _ := net.SplitHostPort(from.String())

		if _, err := socket.WriteTo(
			[]byte(fmt.Sprintf("%s %s %s", name, buffer[:n], host)),
			from,
		); err != nil {
			return err
		}
	}
}

// kind starts a target of a kind on a port.
func (f *farm) kind(t *testing.T, kind string, id, port int) loadbalancer.Target {
	t.Helper()
	at, name := f.at(byte(id)), fmt.Sprintf("target-%d", id)
	require.NoError(t, f.host.Attach(name, at))

	called := name
	if kind == "https" {
		certificate, _ := selfSigned(t)
		called = filepath.Join(t.TempDir(), "target.pem")
		require.NoError(t, os.WriteFile(called, []byte(certificate), 0o600))
	}

	executable, err := os.Executable()
	require.NoError(t, err)

	args := []string{
		executable,
		"serve-kind",
		kind,
		fmt.Sprintf("%s:%d", at.Private, port),
		called,
	}
	require.NoError(t, f.host.Run(name, args, filepath.Join(f.folder, "..", name+".log")))

	return loadbalancer.Target{ID: id, Address: at.Private}
}
