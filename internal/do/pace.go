package do

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pace keeps the requests of a client within the API's limits.
type pace struct {
	bucket *rate.Limiter

	mutex sync.Mutex
	held  time.Time // until when the API wants no request
}

func newPace(retries Retries) *pace {
	return &pace{bucket: rate.NewLimiter(rate.Limit(retries.Rate), retries.Burst)}
}

// hold keeps all requests back for a while.
func (p *pace) hold(span time.Duration) {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	until := time.Now().Add(span)
	if until.After(p.held) {
		p.held = until
	}
}

func (p *pace) heldUntil() time.Time {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	return p.held
}

// wait returns when a request may be made. One that would have to wait beyond the end of ctx fails at once.
func (p *pace) wait(ctx context.Context) error {
	until := p.heldUntil()
	span := time.Until(until)

	if span > 0 {
		if !fits(ctx, span) {
			return lostf("the API wants no request before %s", until.Format(time.TimeOnly))
		}

		if !sleep(ctx, span) {
			return ctx.Err()
		}
	}

	err := p.bucket.Wait(ctx)
	if err == nil || ctx.Err() != nil {
		return err
	}

	// At the very end of ctx the bucket refuses before ctx has ended: that is no fault of the API.
	if !fits(ctx, 0) {
		<-ctx.Done()
		return ctx.Err()
	}

	return lostf("too many requests for the API's limits: %w", err)
}
