package acme

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/hornero/hornero/internal/report"
)

// windowEvery is how often the authority is asked for its wish when it does not say so itself.
const windowEvery = 6 * time.Hour

// Manager sees to it that there are the certificates that a configuration wants. One node at a time runs it.
type Manager struct {
	Config Config
	Store  Store
	Log    *slog.Logger
	// Reach tells why a name does not lead to this stack; nil: it does. It is asked before an order is made.
	Reach func(ctx context.Context, wanted Wanted) error
	Now   func() time.Time
}

// Run does what is to be done now, for all certificates. What an authority refuses is no error: it is kept, told, and
// tried again later. An error is what could not be kept.
func (m *Manager) Run(ctx context.Context) error {
	all, err := m.Store.Read(ctx)
	if err != nil {
		return fmt.Errorf("read what is kept: %w", err)
	}

	var errs []error

	for _, wanted := range m.Config.Request.Certificates {
		one := &run{
			Manager: m,
			wanted:  wanted,
			keeper:  keeper{store: m.Store, secret: report.Secret(m.Config.Secret)},
			log:     m.Log.With("certificate", wanted.Name),
		}
		one.known = one.keeper.read(
			all,
			wanted.Name,
		)

		// One that fails does not hold the others up.
		if err := one.all(ctx); err != nil {
			errs = append(
				errs,
				fmt.Errorf("certificate %s: %w", wanted.Name, err),
			)
			continue
		}

		errs = append(
			errs,
			one.tell(ctx, all),
		)
	}

	return errors.Join(errs...)
}

// run is one certificate's.
type run struct {
	*Manager
	wanted Wanted
	keeper keeper
	known  known
	log    *slog.Logger
}

// mostSteps bounds a run: to ask, to begin, to go on.
const mostSteps = 4

// all does step after step until there is nothing to do, or one fails.
func (r *run) all(ctx context.Context) error {
	for range mostSteps {
		r.choose()

		what, reason := r.known.decide(
			r.wanted,
			r.Now(),
		)
		if what == rest {
			return nil
		}

		r.log.Info(
			"certificate",
			"reason",
			reason,
		)

		if err := r.do(ctx, what); err != nil {
			return err
		}
	}

	return nil
}

func (r *run) do(ctx context.Context, what action) error {
	p := r.progress()

	// Who gave the certificate knows when it is to be renewed.
	asked := p.Fallback
	if what == ask {
		asked = p.Given
	}

	job, err := jobOf(r.Config, r.wanted, asked)
	if err != nil {
		return err
	}

	// Of another's certificate an authority knows nothing.
	if r.known.certificate != nil && asked == p.Given {
		job.Replaces = r.known.certificate.Chain
	}

	if what == ask {
		return r.askWindow(ctx, job)
	}

	if what == begin {
		if err := r.Reach(ctx, r.wanted); err != nil {
			return r.fail(
				ctx,
				Problem{Kind: KindNames, Text: err.Error()},
				pauseAfter(1),
			)
		}
	} else {
		job.Order = p.Order
	}

	return r.step(ctx, job)
}

// askWindow asks when the authority wants the certificate renewed. That it does not say is no trouble: there is a time
// without it.
func (r *run) askWindow(ctx context.Context, job Job) error {
	window, problem := Renewal(ctx, job)
	if problem != nil {
		r.log.Warn(
			"ask when to renew",
			"problem",
			problem.Kind,
			"text",
			problem.Text,
		)
		window = r.known.progress.Window
	}

	if again := r.Now().Add(windowEvery); window.Again.Before(again) {
		window.Again = again
	}

	r.progress().Window = window

	return r.keep(ctx)
}

// progress is that of the names that are wanted: what was asked and paid for others does not count for these.
func (r *run) progress() *Progress {
	if !slices.Equal(r.known.progress.Names, r.wanted.Names) {
		r.known.progress = Progress{
			Names: r.wanted.Names,
			Given: r.known.progress.Given,
		}
	}

	return &r.known.progress
}

// step takes a step of the order, and writes down what came of it before the next.
func (r *run) step(ctx context.Context, job Job) error {
	result := Step(ctx, job)
	p := r.progress()
	p.Order = result.Order

	if result.Certificate != nil {
		return r.got(
			ctx,
			*result.Certificate,
		)
	}

	if result.Problem != nil {
		p.Failures++

		return r.fail(
			ctx,
			*result.Problem,
			pauseAfter(p.Failures),
		)
	}

	return r.keep(ctx)
}

// got keeps a certificate, and only then that its order is over: whoever dies in between leaves the order to be asked
// for again, which gives the same certificate.
func (r *run) got(ctx context.Context, certificate Certificate) error {
	err := r.keeper.writeCertificate(ctx, r.wanted.Name, certificate)

	// It will be as large the next time.
	if errors.Is(err, errTooLarge) {
		return r.fail(ctx, Problem{Kind: KindWrong, Text: err.Error()}, pauseAfter(len(pauses)))
	}

	if err != nil {
		return fmt.Errorf("keep it: %w", err)
	}

	r.known.certificate = &certificate

	paid := append(
		r.known.progress.Paid,
		r.Now(),
	)
	r.known.progress = Progress{
		Names: r.wanted.Names,
		Paid:  paid[max(0, len(paid)-paidMost):],
		Given: r.known.progress.Fallback,
	}

	r.log.Info(
		"certificate kept",
		"names",
		r.wanted.Names,
	)

	return r.keep(ctx)
}

// fail notes a problem, and when to try again.
func (r *run) fail(ctx context.Context, problem Problem, pause time.Duration) error {
	r.log.Warn(
		"no certificate",
		"problem",
		problem.Kind,
		"text",
		problem.Text,
	)

	p := r.progress()
	if p.Fallback {
		problem.Text = "the second authority: " + problem.Text
	}

	problem.Text = plain(problem.Text)
	p.Trouble = &problem
	p.Next = r.Now().Add(pause)

	// Each authority in turn, from when the second was first asked.
	if r.alternates(problem) {
		p.swap()
		return r.keep(ctx)
	}

	// The authority knows better when it takes questions again.
	if problem.Retry.After(p.Next) {
		p.Next = problem.Retry
	}

	return r.keep(ctx)
}

// mostText is how much of a problem's text is kept: what is kept has little room.
const mostText = 500

// plain is a text of somebody else's for operators' terminals: without control characters, and not long.
func plain(text string) string {
	if len(text) > mostText {
		text = text[:mostText]
	}

	return strings.Map(func(letter rune) rune {
		if !unicode.IsPrint(letter) {
			return '?'
		}

		return letter
	}, strings.ToValidUTF8(text, ""))
}

func (r *run) keep(ctx context.Context) error {
	err := r.keeper.writeProgress(
		ctx,
		r.wanted.Name,
		r.known.progress,
	)
	if err != nil {
		return fmt.Errorf("keep how far it is: %w", err)
	}

	return nil
}
