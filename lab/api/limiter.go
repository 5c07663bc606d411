package api

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// DigitalOcean's limits: requests in an hour and in a minute, and listings of SSH keys in a minute.
const (
	hourlyLimit  = 5000
	minuteLimit  = 250
	keyListLimit = 10
)

// limiter counts requests, and tells the hourly limit in each answer's headers. Whether a request that is one too many
// is refused, its caller decides.
type limiter struct {
	mutex              sync.Mutex
	hour, minute, keys window
}

// window is a span of time and the requests in it.
type window struct {
	ends time.Time
	used int
}

// count counts a request in the window, or in a new one when it has ended, and returns how many there are.
func (w *window) count(now time.Time, span time.Duration) int {
	if !now.Before(w.ends) {
		w.ends = now.Add(span)
		w.used = 0
	}

	w.used++

	return w.used
}

// count counts a request, sets the headers, and tells whether it is one too many.
func (l *limiter) count(header http.Header, r *http.Request, now time.Time) (over bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()

	hour := l.hour.count(now, time.Hour)
	minute := l.minute.count(now, time.Minute)

	header.Set("ratelimit-limit", strconv.Itoa(hourlyLimit))
	header.Set("ratelimit-remaining", strconv.Itoa(max(hourlyLimit-hour, 0)))
	header.Set("ratelimit-reset", strconv.FormatInt(l.hour.ends.Unix(), 10))

	retry := func(w window) {
		header.Set("retry-after", strconv.Itoa(int(w.ends.Sub(now)/time.Second)+1))
	}

	listsKeys := r.Method == http.MethodGet && r.URL.Path == "/v2/account/keys"
	if listsKeys && l.keys.count(now, time.Minute) > keyListLimit {
		retry(l.keys)
		return true
	}

	if minute > minuteLimit {
		retry(l.minute)
		return true
	}

	return hour > hourlyLimit
}
