package acme

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hornero/hornero/internal/certificates"
)

// Shares of a certificate's life. It is renewed at a third: from a quarter on something is wrong.
const (
	warnShare  = 4
	alarmShare = 8
)

// told is what there is to tell of a certificate.
func (k known) told(wanted Wanted, now time.Time) Told {
	t := Told{
		Names: wanted.Names,
		Next:  k.progress.Next,
	}
	t.Fallback = k.progress.Given && k.certificate != nil

	if problem := k.progress.Trouble; problem != nil {
		t.Trouble = problem.Error()
	}

	if k.certificate == nil {
		if t.Trouble != "" {
			t.Alarm = "no certificate yet: " + t.Trouble
		}

		return t
	}

	leaf, err := leafOf(k.certificate.Chain)
	if err != nil {
		t.Alarm = "the certificate cannot be read"
		return t
	}

	t.Ends, t.Renews = leaf.NotAfter.UTC(), renewalOf(leaf, k.progress.Window).UTC().Truncate(time.Second)
	t.Serial = leaf.SerialNumber.Text(16)

	life, left := leaf.NotAfter.Sub(leaf.NotBefore), leaf.NotAfter.Sub(now)

	switch {
	case left <= 0:
		t.Alarm = "ended " + t.Ends.Format(time.RFC3339)
	case left < life/alarmShare:
		t.Alarm = "ends soon, " + t.Ends.Format(time.RFC3339)
	case left < life/warnShare:
		t.Alarm = "should have been renewed " + t.Renews.Format(time.RFC3339)
	}

	if t.Alarm != "" && t.Trouble != "" {
		t.Alarm += ": " + t.Trouble
	}

	return t
}

// tell writes down what is told of the certificate, where that has changed.
func (r *run) tell(ctx context.Context, all map[string]string) error {
	text, err := json.Marshal(r.known.told(r.wanted, r.Now()))
	if err != nil {
		return err
	}

	name := certificates.ToldPrefix + r.wanted.Name
	if all[name] == string(text) {
		return nil
	}

	if err := r.Store.Write(ctx, name, string(text)); err != nil {
		return fmt.Errorf("tell: %w", err)
	}

	return nil
}
