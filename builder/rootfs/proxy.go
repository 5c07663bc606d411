package rootfs

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"runtime"
	"sync"

	"github.com/vishvananda/netns"
)

// proxy lets a machine that has nothing but loopback fetch what it asks for: it listens there, and asks from
// here, through the proxy that this process' environment names, if any.
type proxy struct {
	listener net.Listener
	server   http.Server
	forward  httputil.ReverseProxy
	tunnels  sync.WaitGroup
}

// startProxy listens on loopback of a network namespace.
func startProxy(namespace string) (*proxy, error) {
	p := &proxy{}
	p.forward = httputil.ReverseProxy{
		Rewrite:   func(*httputil.ProxyRequest) {}, // the address that was asked for is the one to ask
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableCompression: true},
	}

	var err error
	if p.listener, err = listenIn(namespace); err != nil {
		return nil, fmt.Errorf("listen in the root's network: %w", err)
	}

	p.server.Handler = p

	// ends with close
	go func() {
		_ = p.server.Serve(p.listener)
	}()

	return p, nil
}

// listenIn opens a listener in a namespace; it stays there, whoever accepts from it.
func listenIn(namespace string) (listener net.Listener, err error) {
	target, err := netns.GetFromPath(namespace)
	if err != nil {
		return nil, err
	}
	defer target.Close()

	own, err := netns.Get()
	if err != nil {
		return nil, err
	}
	defer own.Close()

	// nspawn's child is in this machine's network for a moment; its loopback would be ours.
	if target.Equal(own) {
		return nil, errors.New("it is this machine's own")
	}

	done := make(chan struct{})
	go func() {
		defer close(done)

		runtime.LockOSThread() // never unlocked: the thread, which is in the namespace, ends with the goroutine
		if err = netns.Set(target); err == nil {
			listener, err = net.Listen("tcp", "127.0.0.1:0")
		}
	}()

	<-done

	return listener, err
}

// URL is where the machine finds it.
func (p *proxy) URL() string {
	return "http://" + p.listener.Addr().String()
}

func (p *proxy) close() {
	_ = p.server.Close()
	p.tunnels.Wait()
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodConnect:
		p.tunnel(w, r)
	case r.URL.IsAbs():
		p.forward.ServeHTTP(w, r)
	default:
		http.Error(w, "this is a proxy", http.StatusBadRequest)
	}
}

// tunnel joins two connections for what is encrypted between them. A proxy of this machine's own is not asked
// for these.
func (p *proxy) tunnel(w http.ResponseWriter, r *http.Request) {
	out, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}

	in, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		out.Close()
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}

	if _, err := io.WriteString(in, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		in.Close()
		out.Close()
		return
	}

	// The server no longer counts a hijacked connection: close waits for these two.
	p.tunnels.Go(func() { copyAndClose(in, out) })
	p.tunnels.Go(func() { copyAndClose(out, in) })
}

// copyAndClose copies one way until either end is closed, and closes both.
func copyAndClose(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	to.Close()
	from.Close()
}
