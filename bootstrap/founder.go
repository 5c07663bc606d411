package bootstrap

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/roles"
)

// DefaultFoundWithin is for how long after it was made a document lets its node found the peer set: an hour for the
// launch, and one for clocks that differ.
const DefaultFoundWithin = 2 * time.Hour

// A founder's user-data says for ever that it may found. When its disk is made anew (a Droplet can be rebuilt
// in place) it must not: the peer set that it founded lives on without it. Its empty disk knows nothing of
// that, but two things outside it do.

// founds tells whether this node may found the peer set, and otherwise why not.
func (a *Agent) founds() (bool, string) {
	switch {
	case !a.node.Found:
		return false, "ask to join the peer set"
	case slices.Contains(a.origin.Droplet.Tags, cloudinit.FoundedTag(a.node.Stack)):
		return false, "this Droplet founded the peer set already (it has the tag) and its disk is new; wait for " +
			"a member to look for it here"
	}

	certificate, err := pki.ParseCertificate(a.node.TLS.Certificate)
	if err != nil || a.origin.First.IsZero() {
		return err == nil, "" // the certificate was read before; a node of an older version kept no time
	}

	if age := a.origin.First.Sub(certificate.NotBefore.Add(pki.Skew)); age > a.FoundWithin {
		return false, "this node's document is too old to found a peer set by (" + age.Round(time.Minute).String() +
			" when its disk first saw it); wait for a member to look for it here"
	}

	return true, ""
}

// hear lets members that look for this node at its address, as they do every few seconds, tell the client where
// they are. The document of a founder names none: there was none when it was made.
func (a *Agent) hear(ctx context.Context, client *api.Client) (stop func(), err error) {
	config, err := a.peerTLS()
	if err != nil {
		return nil, err
	}

	listener := a.listen(ctx, roles.AgentPort, a.address)
	if listener == nil {
		return nil, ctx.Err()
	}

	server := &http.Server{
		TLSConfig:         config,
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			host, _, err := net.SplitHostPort(r.RemoteAddr)
			name, unnamed := pki.NameOf(r.TLS.PeerCertificates[0])
			if err == nil && unnamed == nil && peerset.MemberOnly(name.Kind, name.Role) == nil {
				a.Log.Info("a member looked for this node", "member", name.Node, "address", host)
				client.SetMembers([]string{host})
			}

			http.Error(w, "this node is not in the peer set yet", http.StatusServiceUnavailable)
		}),
	}

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			a.Log.Warn("listen for members", "err", err)
		}
	}()

	return func() {
		server.Close()
		<-ended
	}, nil
}
