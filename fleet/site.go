package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	neturl "net/url"
	"strings"
	"time"
)

// serves asks the site for its front page through the load balancer.
func (f *Fleet) serves(ctx context.Context) (string, error) {
	url, err := f.url(ctx)
	if err != nil {
		return "", err
	}

	if url == "" {
		return "", errors.New("the load balancer has no address yet")
	}

	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}

	named, err := neturl.Parse(f.Stack.Site.URL)
	if err == nil && named.Host != "" {
		request.Host = named.Host // else WordPress redirects to the name, which need not point here yet
	}

	response, err := siteClient().Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()

	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", err
	}

	// A page without the title is an error page or an installer that answers 200.
	titled := strings.Contains(html.UnescapeString(string(body)), f.Stack.Site.Title)
	if response.StatusCode != http.StatusOK || !titled {
		return "", fmt.Errorf("the front page answers %s", response.Status)
	}

	return url, nil
}

// siteClient asks whether the site serves, not whether its certificate is trusted here: it is the stack's own.
func siteClient() *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &http.Transport{
			Proxy:             nil,
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		},
	}
}

// url returns where the site is reached from here; "" while the balancer has no address.
func (f *Fleet) url(ctx context.Context) (string, error) {
	balancer, there, err := f.balancer(ctx)
	if err != nil || !there || balancer.IP == "" {
		return "", err
	}

	// A lab's load balancer may have to be reached at another address than its own.
	address := balancer.IP
	if f.Published != nil {
		if address, err = f.Published(ctx, address); err != nil {
			return "", err
		}
	}

	// The load balancer may speak HTTPS only.
	scheme, port, usual := "http", f.Stack.LoadBalancer.HTTP, 80
	if port == 0 {
		scheme = "https"
		port = f.Stack.LoadBalancer.HTTPS
		usual = 443
	}

	if port == usual {
		return scheme + "://" + address + "/", nil
	}

	return fmt.Sprintf("%s://%s:%d/", scheme, address, port), nil
}
