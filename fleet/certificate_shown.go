package fleet

import (
	"cmp"
	"context"
	"crypto/sha1" // the API names certificates by it
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/stack"
)

// ErrNotShown means that visitors of a load balancer are shown another certificate than it is to use.
var ErrNotShown = errors.New("another certificate is shown")

// DefaultShownWait is how long handshakes may show the certificate before. How long DigitalOcean takes to have another
// one on all machines of a load balancer is written nowhere.
const DefaultShownWait = 2 * time.Minute

// awaitShown waits until handshakes with a load balancer show a certificate. One that is not reached from here is
// believed to do as the API says.
func (f *Fleet) awaitShown(ctx context.Context, b balanced, certificate godo.Certificate) error {
	if b.Network == stack.NetworkInternal || certificate.SHA1Fingerprint == "" {
		return nil
	}

	have, err := f.balancers(ctx)
	if err != nil {
		return err
	}

	host, err := f.host(ctx, have, b)
	if err != nil || host == "" {
		return err
	}

	poll := func(ctx context.Context) (do.State, error) {
		// Each unit is a machine, and a connection comes to any of them.
		for range max(b.Size, stack.DefaultBalancerSize) {
			if err := b.shows(ctx, host, fingerprint(certificate)); err != nil {
				return do.Pending, do.Seen("%v", err)
			}
		}

		return do.Done, nil
	}

	err = do.Wait(ctx, fmt.Sprintf("%s to show certificate %s", b, certificate.Name), poll, do.WaitOptions{
		Timeout: cmp.Or(f.ShownWait, DefaultShownWait),
	})
	if err != nil {
		return fmt.Errorf("%w; the one before is kept, and the next `hornero up` looks again", err)
	}

	return nil
}

// shows tells whether each rule that ends TLS shows the leaf of that SHA-1.
func (b balanced) shows(ctx context.Context, host, sum string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()

	config := b.tls()
	if names := b.certificateNames(); len(names) > 0 {
		config.ServerName = names[0]
	}

	for _, rule := range b.tlsRules() {
		at := net.JoinHostPort(host, strconv.Itoa(rule.Port))

		connection, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", at)
		if err != nil {
			return err
		}

		leaf := connection.(*tls.Conn).ConnectionState().PeerCertificates[0]

		if err := connection.Close(); err != nil {
			return err
		}

		if shown := sha1.Sum(leaf.Raw); hex.EncodeToString(shown[:]) != sum {
			return fmt.Errorf("%w at port %d: that of %s until %s", ErrNotShown, rule.Port, leaf.Subject.CommonName,
				leaf.NotAfter.Format("2006-01-02"))
		}
	}

	return nil
}
