package do_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/do"
)

// hurried gives up each request at once: what is left is what DeleteDroplet bears by itself.
var hurried = do.Retries{
	Max:     1,
	MinWait: time.Millisecond,
	MaxWait: time.Millisecond,
}

func TestDeleteDropletOutlastsAFailingAPI(t *testing.T) {
	var deletes, gets atomic.Int32

	client := serveTo(t, hurried, func(w http.ResponseWriter, r *http.Request) {
		switch {
		// It is done, and nobody is told.
		case r.Method == http.MethodDelete && deletes.Add(1) < 8:
			refuse(w, http.StatusServiceUnavailable, "try again")
		case r.Method == http.MethodDelete:
			refuse(w, http.StatusNotFound, "not there")
		case gets.Add(1) < 6:
			refuse(w, http.StatusInternalServerError, "try again")
		default:
			refuse(w, http.StatusNotFound, "not there")
		}
	})

	require.NoError(t, do.DeleteDroplet(t.Context(), client, 1, quick))

	require.EqualValues(t, 8, deletes.Load())
	require.EqualValues(t, 6, gets.Load())
}

func TestDeleteDropletTellsWhatKeepsFailing(t *testing.T) {
	client := serveTo(t, hurried, func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "your token may not")
	})

	err := do.DeleteDroplet(t.Context(), client, 1, quick)
	require.ErrorContains(t, err, "delete Droplet 1: ")
	require.ErrorContains(t, err, "your token may not")
}

func TestDeleteImageOutlastsAFailingAPI(t *testing.T) {
	var deletes atomic.Int32

	client := serveTo(t, hurried, func(w http.ResponseWriter, _ *http.Request) {
		if deletes.Add(1) < 5 {
			refuse(w, http.StatusBadGateway, "try again")
		} else {
			refuse(w, http.StatusNotFound, "not there")
		}
	})

	require.NoError(t, do.DeleteImage(t.Context(), client, 1, quick))
	require.EqualValues(t, 5, deletes.Load())
}
