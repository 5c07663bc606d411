package media_test

import (
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
)

// A service that answers by itself: what the lab's Spaces do not do.
type oddSpace struct {
	*httptest.Server

	tag    string
	bodies func(w http.ResponseWriter, r *http.Request)
}

const oddText = "a film in two pieces"

func newOddSpace(t *testing.T, tag string, bodies func(http.ResponseWriter, *http.Request)) *oddSpace {
	t.Helper()

	s := &oddSpace{tag: tag, bodies: bodies}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("list-type") {
			w.Header().Set("ETag", `"`+tag+`"`)
			w.Header().Set("Content-Length", fmt.Sprint(len(oddText)))
			bodies(w, r)

			return
		}

		_, _ = fmt.Fprintf(w, `<ListBucketResult><Contents><Key>u/film.mp4</Key><Size>%d</Size><ETag>"%s"</ETag>`+
			`<LastModified>2024-01-02T10:30:45.000Z</LastModified></Contents></ListBucketResult>`, len(oddText), tag)
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

	job := spaceImport{node: one, address: odd.URL + "/b/u", input: fullKey, stall: 200 * time.Millisecond}
	out, err := job.run(t.Context())
	require.NoError(t, err, out)
	require.Equal(t, oddText, one.read("film.mp4"))
	require.Equal(t, int64(3), read.Load())
}
