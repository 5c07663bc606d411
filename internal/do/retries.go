package do

import (
	"net/http"
	"time"
)

// Retries says how one request is repeated on 429, on 5xx, on broken connections and on answers that are cut short: at
// most Max times, and from MinWait to MaxWait apart, or as the API says. Its other fields have defaults.
type Retries struct {
	Max              int
	MinWait, MaxWait time.Duration

	// Reading and Writing bound the first try of a GET and of any other request, to the last byte of its answer. The
	// tries after it may take twice as long each time, up to Writing.
	Reading, Writing time.Duration // 0 means DefaultReading and DefaultWriting

	// Patience bounds all tries of one request, with the waits between them. 0: none.
	Patience time.Duration

	// Burst is how many requests may be made at once, and Rate how many a second after them.
	Burst int     // 0 means DefaultBurst
	Rate  float64 // 0 means DefaultRate

	// Tell is told, a line each, that the API is in trouble and how long is waited, and that it answers again. Nil
	// tells nobody.
	Tell func(line string)
}

// DefaultRetries outlast the minute-long burst limit.
var DefaultRetries = Retries{
	Max:     5,
	MinWait: 500 * time.Millisecond,
	MaxWait: 30 * time.Second,
}

// Bounds of one try. The API answers in well below a second; what it makes, it makes after its answer.
const (
	DefaultReading = 10 * time.Second
	DefaultWriting = 30 * time.Second
)

// DigitalOcean allows 250 requests a minute and 5,000 an hour for a token. A run of commands, or two operators, share
// a token: these leave room for them.
const (
	DefaultBurst = 100
	DefaultRate  = 2.5
)

func (r Retries) withDefaults() Retries {
	if r.Reading == 0 {
		r.Reading = DefaultReading
	}
	if r.Writing == 0 {
		r.Writing = DefaultWriting
	}
	if r.Burst == 0 {
		r.Burst = DefaultBurst
	}
	if r.Rate == 0 {
		r.Rate = DefaultRate
	}

	return r
}

// limit bounds one try of a request; the first is try 0. What is slow today may need longer than the first try had.
func (r Retries) limit(method string, try int) time.Duration {
	if method != http.MethodGet && method != http.MethodHead {
		return r.Writing
	}

	limit := r.Reading
	for range try {
		limit *= 2
	}

	return min(limit, max(r.Reading, r.Writing))
}

// backOff is the wait after a try, where the API does not say how long.
func (r Retries) backOff(try int) time.Duration {
	wait := r.MinWait
	for range try {
		wait = min(2*wait, r.MaxWait)
	}

	return wait
}

// mayRepeat tells whether a request that was answered so may be made again. The API has no idempotency key: a POST is
// repeated only when it was refused before any work was done, as a second one can make a second Droplet.
func mayRepeat(method string, response *http.Response, err error) bool {
	if err != nil {
		return wasLost(err) && (method != http.MethodPost || refused(err))
	}

	if response.StatusCode == http.StatusTooManyRequests {
		return true
	}

	return serverFailed(response.StatusCode) && method != http.MethodPost
}

// serverFailed tells a failure that may pass from one that will not: the API does not know what it has not
// implemented in a moment either.
func serverFailed(status int) bool {
	return status >= http.StatusInternalServerError && status != http.StatusNotImplemented
}
