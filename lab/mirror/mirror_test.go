package mirror_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/mirror"
)

// source is a package source that counts what it is asked, and a client that asks it through a mirror.
type source struct {
	*http.Client
	url    string
	folder string
	asked  atomic.Int32
}

func newSource(t *testing.T, answer http.HandlerFunc) *source {
	t.Helper()
	s := &source{folder: t.TempDir()}
	counted := func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		answer(w, r)
	}

	upstream := httptest.NewServer(http.HandlerFunc(counted))
	t.Cleanup(upstream.Close)

	s.url = upstream.URL
	host := strings.TrimPrefix(upstream.URL, "http://")
	handler := mirror.New(mirror.Config{
		Folder: s.folder,
		Hosts:  func() []string { return []string{host} },
	})

	proxy := httptest.NewServer(handler)
	t.Cleanup(proxy.Close)

	through, err := url.Parse(proxy.URL)
	require.NoError(t, err)

	transport := &http.Transport{Proxy: http.ProxyURL(through)}
	t.Cleanup(transport.CloseIdleConnections)

	s.Client = &http.Client{Transport: transport}

	return s
}

func (s *source) get(t *testing.T, address string) (int, string) {
	t.Helper()
	answer, err := s.Get(address)
	require.NoError(t, err)
	defer answer.Body.Close()

	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)

	return answer.StatusCode, string(body)
}

const deb = "/debian/pool/main/h/hello/hello_2.10-3_amd64.deb"

func TestAPackageIsFetchedOnce(t *testing.T) {
	text := strings.Repeat("package", 100_000)
	s := newSource(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, text)
	})

	for range 3 {
		code, body := s.get(t, s.url+deb)
		require.Equal(t, http.StatusOK, code)
		require.Equal(t, text, body)
	}

	require.EqualValues(t, 1, s.asked.Load())
}

func TestRequestsAtOnceShareAFetchAndItsBytesAsTheyCome(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	s := newSource(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first,")
		w.(http.Flusher).Flush()
		close(begun)
		<-goOn
		io.WriteString(w, "second")
	})

	var all sync.WaitGroup

	for range 4 {
		all.Go(func() {
			answer, err := s.Get(s.url + deb)
			if !assertNoError(t, err) {
				return
			}
			defer answer.Body.Close()

			first := make([]byte, 6)
			_, err = io.ReadFull(answer.Body, first)
			assertNoError(t, err)

			rest, err := io.ReadAll(answer.Body)
			assertNoError(t, err)

			if string(first)+string(rest) != "first,second" {
				t.Errorf("got %q and %q", first, rest)
			}
		})
	}

	<-begun
	close(goOn)
	all.Wait()
	require.EqualValues(t, 1, s.asked.Load())
}

func assertNoError(t *testing.T, err error) bool {
	if err != nil {
		t.Error(err)
	}

	return err == nil
}

func TestAPartIsNeverKept(t *testing.T) {
	whole := atomic.Bool{}
	s := newSource(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "8")
		io.WriteString(w, "half")
		if whole.Load() {
			io.WriteString(w, "more")
		}
	})

	answer, err := s.Get(s.url + deb)
	if err == nil {
		_, err = io.ReadAll(answer.Body)
		answer.Body.Close()
	}

	require.Error(t, err)
	whole.Store(true)

	// one more may be cut off: the fetch that was is still being forgotten
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		answer, err := s.Get(s.url + deb)
		require.NoError(c, err)
		defer answer.Body.Close()

		body, err := io.ReadAll(answer.Body)
		require.NoError(c, err)
		require.Equal(c, http.StatusOK, answer.StatusCode)
		require.Equal(c, "halfmore", string(body))
	}, 5*time.Second, 10*time.Millisecond)

	kept := filepath.Join(s.folder, "*", filepath.Dir(deb))
	parts, err := filepath.Glob(kept + "/.part-*")
	require.NoError(t, err)
	require.Empty(t, parts)
}

func TestListsAreNotKept(t *testing.T) {
	s := newSource(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Host+r.URL.Path)
	})

	const list = "/debian/dists/trixie/InRelease"
	host := strings.TrimPrefix(s.url, "http://")

	for range 2 {
		code, body := s.get(t, s.url+list)
		require.Equal(t, http.StatusOK, code)
		require.Equal(t, host+list, body)
	}

	require.EqualValues(t, 2, s.asked.Load())

	kept, err := os.ReadDir(s.folder)
	require.NoError(t, err)
	require.Empty(t, kept)
}

func TestWhatTheSourceRefusesIsRefused(t *testing.T) {
	s := newSource(t, http.NotFound)
	code, _ := s.get(t, s.url+deb)
	require.Equal(t, http.StatusNotFound, code)
}

func TestOnlySourcesAreLetThrough(t *testing.T) {
	s := newSource(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "no")
	})
	code, body := s.get(t, "http://elsewhere.example/")
	require.Equal(t, http.StatusForbidden, code)
	require.Contains(t, body, `"elsewhere.example"`)

	answer, err := s.Post(s.url+"/", "text/plain", nil)
	require.NoError(t, err)
	defer answer.Body.Close()

	require.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode)
	require.Zero(t, s.asked.Load())
}

func TestAPathThatClimbsIsNotKept(t *testing.T) {
	s := newSource(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "x")
	})
	s.get(t, s.url+"/debian/pool/..%2f..%2f..%2fx.deb")

	kept, err := os.ReadDir(s.folder)
	require.NoError(t, err)
	require.Empty(t, kept)
}

func TestVendorDataIsABoothook(t *testing.T) {
	want := "#cloud-boothook\n#!/bin/sh\n" +
		"printf 'Acquire::http::Proxy \"%s\";\\n' 'http://198.51.100.1:3128' > /" + mirror.AptFile + "\n"

	require.Equal(t, want, mirror.VendorData("http://198.51.100.1:3128"))
}
