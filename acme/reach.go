package acme

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/hornero/hornero/internal/derived"
	"github.com/hornero/hornero/internal/report"
)

const (
	reachTimeout = 10 * time.Second
	answerBytes  = 1 << 10
)

// ChallengePath is where an authority asks a name for its answer (RFC 8555, 8.3); the token follows.
const ChallengePath = "/.well-known/acme-challenge/"

// Reacher looks whether names lead to this stack, before an authority is asked for anything: what it finds wrong counts
// against the names.
type Reacher struct {
	Config Config
	Lookup func(ctx context.Context, name string) (
		[]netip.Addr,
		error,
	)
	// Dial connects to where a name leads; nil: as everybody does.
	Dial func(ctx context.Context, network, address string) (
		net.Conn,
		error,
	)
}

// Lookup asks the system's resolver.
func Lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(
		ctx,
		"ip",
		name,
	)
}

// Reach tells why a name of a certificate does not lead here.
func (r Reacher) Reach(ctx context.Context, wanted Wanted) error {
	var errs []error
	for _, name := range wanted.Names {
		errs = append(
			errs,
			r.reach(ctx, wanted, name),
		)
	}

	return errors.Join(errs...)
}

func (r Reacher) reach(ctx context.Context, wanted Wanted, name string) error {
	ctx, cancel := context.WithTimeout(
		ctx,
		reachTimeout,
	)
	defer cancel()

	addresses, err := r.Lookup(
		ctx,
		name,
	)

	// A node whose resolver does not answer knows nothing of the name. The authority has one of its own.
	var said *net.DNSError
	if errors.As(err, &said) && !said.IsNotFound {
		return nil
	}

	if err != nil || len(addresses) == 0 {
		return fmt.Errorf("waits for DNS: %s has no address yet", name)
	}

	if r.Config.Request.Address != "" && !wanted.Fronted {
		return sameAddress(
			name,
			addresses,
			r.Config.Request.Address,
		)
	}

	return r.probe(ctx, name)
}

// sameAddress holds all of a name's addresses to the stack's: an authority asks any of them, IPv6 first.
func sameAddress(name string, addresses []netip.Addr, own string) error {
	for _, address := range addresses {
		if address.Unmap().String() != own {
			return fmt.Errorf(
				"waits for DNS: %s leads to %s, and must lead to %s alone",
				name,
				address.Unmap(),
				own,
			)
		}
	}

	return nil
}

// probe asks a name as an authority does. The answer tells that whoever answers is a node of this stack.
func (r Reacher) probe(ctx context.Context, name string) error {
	thumbprint, err := derived.Thumbprint(report.Secret(r.Config.Secret))
	if err != nil {
		return err
	}

	token := rand.Text()
	address := "http://" + name + ChallengePath + token

	request, err := http.NewRequestWithContext(
		ctx,
		http.MethodGet,
		address,
		nil,
	)
	if err != nil {
		return err
	}

	client := &http.Client{Transport: &http.Transport{
		DialContext:       r.Dial,
		DisableKeepAlives: true,
		// An authority takes any certificate here, too: there is no right one yet.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}

	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf(
			"waits for DNS: ask %s: %w",
			name,
			err,
		)
	}
	defer response.Body.Close()

	text, err := io.ReadAll(io.LimitReader(response.Body, answerBytes))
	if err != nil {
		return fmt.Errorf(
			"waits for DNS: ask %s: %w",
			name,
			err,
		)
	}

	if string(text) != token+"."+thumbprint {
		return fmt.Errorf("waits for DNS: %s leads to somebody who answers %s, and is no node of this stack",
			name, response.Status)
	}

	return nil
}
