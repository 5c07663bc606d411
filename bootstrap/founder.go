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

// founds tells whether this node may found the peer set, and otherwise why not.
//
// A founder's user-data says for ever that it may found. When its disk is made anew (a Droplet can be rebuilt in
// place) it must not: the peer set that it founded lives on without it. Its empty disk knows nothing of that, but
// two things outside it do: the Droplet's tag, and the age of the document.
func (a *Agent) founds() (bool, string) {
	switch {
	case !a.node.Found:
		return false, "ask to join the peer set"
	case slices.Contains(a.origin.Droplet.Tags, cloudinit.FoundedTag(a.node.Stack)):
		return false, "this Droplet founded the peer set already (it has the tag) and its disk is new; wait for " +
			"a member to look for it here"
	}

	// The certificate tells the document's age: both are made at the same time.
	certificate, err := pki.ParseCertificate(a.node.TLS.Certificate)
	if err != nil || a.origin.First.IsZero() {
		// The certificate was read before, so it is valid. A node of an older version kept no time of its first boot.
		return err == nil, ""
	}

	// A certificate begins that much before it was issued, for clocks that differ.
	issued := certificate.NotBefore.Add(pki.Skew)

	if age := a.origin.First.Sub(issued); age > a.FoundWithin {
		return false, "this node's document is too old to found a peer set by (" + age.Round(time.Minute).String() +
			" when its disk first saw it); wait for a member to look for it here"
	}

	return true, ""
}

// listenForMembers lets members that look for this node at its address, as they do every few seconds, tell the
// client where they are. The document of a founder names none: there was none when it was made.
func (a *Agent) listenForMembers(ctx context.Context, client *api.Client) (stop func(), err error) {
	config, err := a.peerTLS()
	if err != nil {
		return nil, err
	}

	listener := a.listen(ctx, roles.AgentPort, a.address)
	if listener == nil {
		return nil, ctx.Err()
	}

	// This is not the agents' API yet: every call fails, and only its sender's address matters.
	server := &http.Server{
		TLSConfig:         config,
		ReadHeaderTimeout: checkTimeout,
		ErrorLog:          log.New(io.Discard, "", 0),
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if name, address, ok := callingMember(r); ok {
				a.Log.Info("a member looked for this node", "member", name, "address", address)
				client.SetMembers([]string{address})
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
		// The agents' API needs the same port: it must be free before this returns.
		server.Close()
		<-ended
	}, nil
}

// callingMember names the member that sent a request; anybody else is not ok.
func callingMember(r *http.Request) (name, address string, ok bool) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "", "", false
	}

	caller, err := pki.NameOf(r.TLS.PeerCertificates[0])
	if err != nil || peerset.MemberOnly(caller.Kind, caller.Role) != nil {
		return "", "", false
	}

	return caller.Node, host, true
}
