package media_test

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/media"
)

// A service that answers by itself: what the lab's Spaces do not do.
type oddSpace struct {
	*httptest.Server

	size int // of its object
}

const oddText = "a film in two pieces"

func newOddSpace(t *testing.T, tag string, bodies func(http.ResponseWriter, *http.Request)) *oddSpace {
	t.Helper()

	s := &oddSpace{size: len(oddText)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("list-type") {
			w.Header().Set("ETag", `"`+tag+`"`)
			w.Header().Set("Content-Length", fmt.Sprint(s.size))
			bodies(w, r)

			return
		}

		_, _ = fmt.Fprintf(w, `<ListBucketResult><Contents><Key>u/film.mp4</Key><Size>%d</Size><ETag>"%s"</ETag>`+
			`<LastModified>2024-01-02T10:30:45.000Z</LastModified></Contents></ListBucketResult>`, s.size, tag)
	}))
	t.Cleanup(s.Close)

	return s
}

// The tag of an object that was put in pieces says nothing of its bytes. It is not read again all the same.
func TestAnObjectOfPiecesIsReadOnce(t *testing.T) {
	all := newNodes(t, "web-1")
	one := all.start("web-1")

	var read atomic.Int64

	odd := newOddSpace(t, "d41d8cd98f00b204e9800998ecf8427e-2", func(w http.ResponseWriter, _ *http.Request) {
		read.Add(1)
		_, _ = io.WriteString(w, oddText)
	})

	for range 2 {
		out, err := spaceImport{node: one, address: odd.URL + "/b/u", input: fullKey}.run(t.Context())
		require.NoError(t, err, out)
	}

	require.Equal(t, oddText, one.read("film.mp4"))
	require.Equal(t, int64(1), read.Load())
}

// A body that stands still is asked for anew, and one with other bytes than its tag says is not taken.
func TestABodyThatStandsStillIsAskedForAnew(t *testing.T) {
	all := newNodes(t, "web-1")
	one := all.start("web-1")

	var read atomic.Int64

	odd := newOddSpace(t, fmt.Sprintf("%x", md5.Sum([]byte(oddText))), func(w http.ResponseWriter, r *http.Request) {
		switch read.Add(1) {
		case 1:
			_, _ = io.WriteString(w, oddText[:5])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case 2:
			_, _ = io.WriteString(w, strings.ToUpper(oddText))
		default:
			_, _ = io.WriteString(w, oddText)
		}
	})

	job := spaceImport{
		node:    one,
		address: odd.URL + "/b/u",
		input:   fullKey,
		stall:   200 * time.Millisecond,
	}
	out, err := job.run(t.Context())
	require.NoError(t, err, out)
	require.Equal(t, oddText, one.read("film.mp4"))
	require.Equal(t, int64(3), read.Load())
}

// One whose bytes are never what its tag says is named. The others are copied.
func TestADamagedObjectIsNamed(t *testing.T) {
	all := newNodes(t, "web-1")
	one := all.start("web-1")

	odd := newOddSpace(t, "d41d8cd98f00b204e9800998ecf8427e", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, oddText)
	})

	out, err := spaceImport{node: one, address: odd.URL + "/b/u", input: fullKey}.run(t.Context())
	require.ErrorIs(t, err, media.ErrIncomplete)
	require.Contains(
		t,
		out,
		"not copied: u/film.mp4: keep film.mp4: "+media.ErrDamaged.Error(),
	)
	require.Empty(t, one.read("film.mp4"))
}

// pack packs a text as plugins do.
func pack(t *testing.T, text string) string {
	t.Helper()

	var out bytes.Buffer

	packer := gzip.NewWriter(&out)
	_, err := io.WriteString(packer, text)
	require.NoError(t, err)
	require.NoError(t, packer.Close())

	return out.String()
}

// What a plugin packed for browsers is a file as everybody reads it.
func TestAPackedObjectIsUnpacked(t *testing.T) {
	all := newNodes(t, "web-1")
	one := all.start("web-1")
	sent := pack(t, oddText)

	var read atomic.Int64

	odd := newOddSpace(t, fmt.Sprintf("%x", md5.Sum([]byte(sent))), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")

		// The first time a byte is wrong that gzip does not look at.
		if read.Add(1) == 1 {
			_, _ = io.WriteString(w, sent[:9]+"?"+sent[10:])
			return
		}

		_, _ = io.WriteString(w, sent)
	})
	odd.size = len(sent)

	out, err := spaceImport{node: one, address: odd.URL + "/b/u", input: fullKey}.run(t.Context())
	require.NoError(t, err, out)
	require.Equal(t, oddText, one.read("film.mp4"))
	require.Equal(t, int64(2), read.Load())
}

// encoding has requests say how a body is packed.
type encoding struct{}

func (encoding) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("Content-Encoding", "gzip")
	return http.DefaultTransport.RoundTrip(r)
}

// packing is the Space for who packs what it puts.
func (s *store) packing() *store {
	client := *s.client
	client.HTTP = &http.Client{Transport: encoding{}}

	return &store{client: &client}
}

// In the stack's own Space such an object stays as it is, and its address answers as before.
func TestAPackedObjectOfTheStacksOwnSpaceIsServed(t *testing.T) {
	all, store := newNodes(t, "web-1"), newStore(t)
	packing := store.packing()
	sent := pack(t, "<svg/>")
	packing.put(t, "wp-content/uploads/a.svg", sent)
	packing.put(t, "wp-content/uploads/plain.svg", "<svg>said to be packed</svg>")

	one := all.start("web-1", store.in)
	one.eventually("knows its Space", one.daemon.Listed)

	for range 2 {
		status, text := one.get("a.svg")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "<svg/>", text)

		_, text = one.get("plain.svg")
		require.Equal(t, "<svg>said to be packed</svg>", text)

		// It is no other file than the object.
		one.compared()
	}

	require.NotEmpty(t, one.read("a.svg"), "it was not dropped")
	require.Equal(t, sent, store.has(t, "a.svg"))
}

// compared has the node compare all it knows.
func (n *node) compared() {
	n.t.Helper()

	status, said := n.ask("/compare")
	require.Equal(n.t, http.StatusNoContent, status, said)
}
