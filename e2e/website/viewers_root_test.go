//go:build root && browser

package website_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"
)

const (
	// enoughViews is how many requests a picture must pass before its author goes on.
	enoughViews = 1000

	viewersAtOnce = 5
)

// viewers ask all nodes for a picture, over and over.
type viewers struct {
	site  *site
	path  string
	want  string
	right atomic.Int64  // answers
	wrong chan string   // the first answers that were not the picture
	ended chan struct{} // closed when they shall go
	end   func()
	wait  sync.WaitGroup
}

// view has viewers ask for a picture from now on. What the first node shows is the picture.
func (s *site) view(path string) *viewers {
	s.t.Helper()

	first := s.living()[0].visit(path)
	require.Equal(s.t, http.StatusOK, first.status, path)

	v := &viewers{
		site:  s,
		path:  path,
		want:  first.body,
		wrong: make(chan string, viewersAtOnce),
		ended: make(chan struct{}),
	}

	v.end = sync.OnceFunc(func() {
		close(v.ended)
		v.wait.Wait()
	})
	s.t.Cleanup(v.end)

	for number := range viewersAtOnce {
		v.wait.Go(func() { v.run(number) })
	}

	return v
}

// run asks one node after the other, until one answers something else.
func (v *viewers) run(number int) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()

	client := &http.Client{
		Timeout:   browserPatience,
		Transport: transport,
	}

	for at := number; ; at++ {
		select {
		case <-v.ended:
			return
		default:
		}

		nodes := *v.site.serving.Load()
		node := nodes[at%len(nodes)]

		err := v.ask(client, node)
		if err == nil {
			v.right.Add(1)
			continue
		}

		// Who was at a node when it went is sent to another by the load balancer.
		if !slices.Contains(*v.site.serving.Load(), node) {
			continue
		}

		v.wrong <- fmt.Sprintf("%s: %s: %v", node.name, v.path, err)

		return
	}
}

func (v *viewers) ask(client *http.Client, node *webNode) error {
	request, err := http.NewRequestWithContext(
		context.Background(),
		http.MethodGet,
		"http://"+node.address+v.path,
		nil,
	)
	if err != nil {
		return err
	}

	request.Host = siteName
	request.Header.Set("X-Forwarded-Proto", "https")

	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)

	switch {
	case err != nil:
		return err
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("%s", response.Status)
	case string(body) != v.want:
		return fmt.Errorf("%d bytes that are another file's", len(body))
	}

	return nil
}

// enough waits until a thousand more requests have got the picture, and wants that none has not.
func (v *viewers) enough() {
	v.site.t.Helper()

	until := v.right.Load() + enoughViews

	require.Eventually(v.site.t, func() bool {
		return len(v.wrong) > 0 || v.right.Load() >= until
	}, browserPatience, tick)
	v.fine()
}

// fine wants that no request has got anything else.
func (v *viewers) fine() {
	v.site.t.Helper()

	select {
	case wrong := <-v.wrong:
		require.Fail(v.site.t, "the picture was not seen", "%s, after %d right answers", wrong, v.right.Load())
	default:
	}
}
