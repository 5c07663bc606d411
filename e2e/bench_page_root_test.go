//go:build root && bench

package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// pageWithin is how long a page may take to come, from the moment at which its node is asked first: Ansible's.
const pageWithin = 30 * time.Minute

// pageWatch asks web nodes for the front page until all have given it.
type pageWatch struct {
	stack   *stack
	group   sync.WaitGroup
	install sync.Once // one visitor fills in WordPress' form, where nobody else installs it

	mutex sync.Mutex
	last  time.Time
	late  []string
}

func (s *stack) watchPages(web map[string]int) *pageWatch {
	w := &pageWatch{stack: s}

	for name, id := range web {
		w.group.Go(func() { w.watch(name, id) })
	}

	return w
}

// wait returns when the last of them gave the page first.
func (w *pageWatch) wait() time.Time {
	w.stack.t.Helper()
	w.group.Wait()
	require.Empty(w.stack.t, w.late, "who gives no page")

	return w.last
}

func (w *pageWatch) watch(name string, id int) {
	client := &http.Client{
		Timeout: 2 * time.Minute,
		Transport: &http.Transport{
			DialContext:       w.stack.dialInside(id),
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}

	for end := time.Now().Add(pageWithin); time.Now().Before(end); time.Sleep(lookEvery) {
		if !w.isShown(client) {
			continue
		}

		w.mutex.Lock()
		w.last = latest(w.last, time.Now())
		w.mutex.Unlock()

		return
	}

	w.mutex.Lock()
	defer w.mutex.Unlock()

	w.late = append(w.late, name)
}

// isShown asks for the front page once.
func (w *pageWatch) isShown(client *http.Client) bool {
	response, err := client.Get("http://127.0.0.1/")
	if err != nil {
		return false
	}
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	if err != nil {
		return false
	}

	if strings.Contains(response.Header.Get("Location"), "install.php") {
		w.install.Do(func() { fillIn(client) })
		return false
	}

	// nginx's own page of a node that has no site yet has no generator.
	return response.StatusCode == http.StatusOK && strings.Contains(string(body), "WordPress")
}

// fillIn installs WordPress by its own form.
func fillIn(client *http.Client) {
	response, err := client.PostForm("http://127.0.0.1/wp-admin/install.php?step=2", url.Values{
		"weblog_title":    {"Bench"},
		"user_name":       {"admin"},
		"admin_password":  {"a long word of the bench"},
		"admin_password2": {"a long word of the bench"},
		"pw_weak":         {"on"},
		"admin_email":     {"admin@example.org"},
		"blog_public":     {"0"},
	})
	if err == nil {
		response.Body.Close()
	}
}

// dialInside connects from within a Droplet's network namespace, so that nothing between the client and the node's own
// loopback is measured.
func (s *stack) dialInside(id int) func(context.Context, string, string) (net.Conn, error) {
	path := fmt.Sprintf("/run/netns/hornero-%s-%d", s.lab, id)

	return func(_ context.Context, network, address string) (net.Conn, error) {
		runtime.LockOSThread()

		here, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return nil, err
		}
		defer here.Close()

		there, err := os.Open(path)
		if err != nil {
			runtime.UnlockOSThread()
			return nil, err
		}
		defer there.Close()

		if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			return nil, err
		}

		connection, err := net.DialTimeout(network, address, time.Second)

		// A thread that cannot come back stays locked, and ends with its goroutine.
		if unix.Setns(int(here.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}

		return connection, err
	}
}
