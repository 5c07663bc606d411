package acme_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/acme"
	lab "github.com/hornero/hornero/lab/acme"
)

// obtained takes both steps.
func (w *world) obtained(t *testing.T) *acme.Certificate {
	t.Helper()

	first := acme.Step(
		t.Context(),
		w.job,
	)
	require.Nil(t, first.Problem)
	require.NotNil(t, first.Order)
	require.Nil(t, first.Certificate)

	job := w.job
	job.Order = first.Order

	second := acme.Step(
		t.Context(),
		job,
	)
	require.Nil(t, second.Problem)
	require.Nil(t, second.Order)
	require.NotNil(t, second.Certificate)

	return second.Certificate
}

func TestTwoStepsGetACertificate(t *testing.T) {
	w := newWorld(t, "www.example.org", "example.org")
	got := w.obtained(t)

	leaf, others := chainOf(
		t,
		got.Chain,
	)
	require.ElementsMatch(
		t,
		[]string{"www.example.org", "example.org"},
		leaf.DNSNames,
	)

	_, err := leaf.Verify(x509.VerifyOptions{
		DNSName:       "www.example.org",
		Roots:         w.roots(t),
		Intermediates: others,
	})
	require.NoError(t, err)

	_, err = tls.X509KeyPair(
		[]byte(got.Chain),
		[]byte(got.Key),
	)
	require.NoError(t, err)
	require.Equal(
		t,
		2*lab.Views,
		w.asked,
	)
}

// Whoever took the second step may have died before he wrote the certificate down.
func TestAStepThatIsTakenTwiceGivesTheSameCertificate(t *testing.T) {
	w := newWorld(t, "www.example.org")

	job := w.job
	job.Order = acme.Step(t.Context(), w.job).Order
	require.NotNil(t, job.Order)

	one := acme.Step(
		t.Context(),
		job,
	)
	require.Nil(t, one.Problem)

	two := acme.Step(
		t.Context(),
		job,
	)
	require.Nil(t, two.Problem)
	require.Equal(
		t,
		one.Certificate,
		two.Certificate,
	)
	require.Equal(
		t,
		1,
		w.authority.Orders(),
	)
}

func TestARenewalIsOfTheCertificateThatItReplaces(t *testing.T) {
	w := newWorld(t, "www.example.org")
	first := w.obtained(t)

	w.job.Replaces = first.Chain
	window, problem := acme.Renewal(
		t.Context(),
		w.job,
	)
	require.Nil(t, problem)

	leaf, _ := chainOf(
		t,
		first.Chain,
	)
	require.True(
		t,
		window.Start.After(leaf.NotBefore) && window.End.Before(leaf.NotAfter),
		"%v",
		window,
	)
	require.True(
		t,
		window.Again.After(time.Now()),
	)

	second := w.obtained(t)
	require.NotEqual(
		t,
		first.Chain,
		second.Chain,
	)
	require.NotEqual(
		t,
		first.Key,
		second.Key,
	)

	// The authority takes a certificate's place once; it is asked for another as for a new one then.
	third := w.obtained(t)
	require.NotEqual(
		t,
		second.Chain,
		third.Chain,
	)
}

func TestAWrongAnswerIsAProblemOfThatNameAndEndsTheOrder(t *testing.T) {
	w := newWorld(t, "www.example.org")
	w.answers(".another")

	job := w.job
	job.Order = acme.Step(t.Context(), w.job).Order

	result := acme.Step(
		t.Context(),
		job,
	)
	isProblem(t, acme.KindNames, result)
	require.Contains(
		t,
		result.Problem.Text,
		"www.example.org",
	)
	require.Nil(t, result.Order)
	require.Nil(t, result.Certificate)
}

func TestANameThatLeadsNowhereIsAProblem(t *testing.T) {
	w := newWorld(t, "www.nowhere.example")

	job := w.job
	job.Order = acme.Step(t.Context(), w.job).Order

	result := acme.Step(
		t.Context(),
		job,
	)
	isProblem(t, acme.KindNames, result)
}

func TestAnOrderIsKeptWhileTheAuthorityIsDown(t *testing.T) {
	w := newWorld(t, "www.example.org")

	job := w.job
	job.Order = acme.Step(t.Context(), w.job).Order

	w.authority.Break(&lab.Fault{Status: http.StatusServiceUnavailable, Kind: "serverInternal"})

	result := acme.Step(
		t.Context(),
		job,
	)
	isProblem(t, acme.KindUnreachable, result)
	require.Equal(
		t,
		job.Order,
		result.Order,
	)

	w.authority.Break(nil)
	require.NotNil(
		t,
		acme.Step(t.Context(), job).Certificate,
	)
	require.Equal(
		t,
		1,
		w.authority.Orders(),
	)
}

func TestALimitSaysUntilWhen(t *testing.T) {
	w := newWorld(t, "www.example.org")
	w.authority.Break(&lab.Fault{
		Status:     http.StatusTooManyRequests,
		Kind:       "rateLimited",
		RetryAfter: time.Hour,
		OrdersOnly: true,
	})

	result := acme.Step(
		t.Context(),
		w.job,
	)
	isProblem(t, acme.KindLimited, result)
	require.WithinDuration(
		t,
		time.Now().Add(time.Hour),
		result.Problem.Retry,
		patience,
	)
	require.Nil(t, result.Order)
}

// An authority that was made anew knows no account and no order.
func TestAnAuthorityThatForgotAllIsAskedFromTheBeginning(t *testing.T) {
	before := newWorld(t, "www.example.org")
	w := newWorld(t, "www.example.org")

	job := w.job
	job.Order = acme.Step(t.Context(), before.job).Order
	job.Order.URL = w.front.URL + "/my-order/unknown"

	result := acme.Step(
		t.Context(),
		job,
	)
	isProblem(t, acme.KindLost, result)
	require.Nil(t, result.Order)

	require.NotNil(
		t,
		w.obtained(t),
	)
}

func TestAJobThatCannotBeDoneIsNotTried(t *testing.T) {
	w := newWorld(t, "www.example.org")

	for what, spoil := range map[string]func(*acme.Job){
		"directory": func(j *acme.Job) { j.Directory = "" },
		"names":     func(j *acme.Job) { j.Names = nil },
		"account":   func(j *acme.Job) { j.Account = "no key" },
		"authority": func(j *acme.Job) { j.Authority = "no certificate" },
	} {
		job := w.job
		spoil(&job)

		result := acme.Step(
			t.Context(),
			job,
		)
		require.NotNil(
			t,
			result.Problem,
			what,
		)
		require.Equal(
			t,
			acme.KindWrong,
			result.Problem.Kind,
			what,
		)
		require.Contains(
			t,
			result.Problem.Text,
			what,
		)
	}

	require.Zero(
		t,
		w.authority.Orders(),
	)
}

func TestAnAuthorityThatNobodyVouchesForIsNotTrusted(t *testing.T) {
	w := newWorld(t, "www.example.org")
	w.job.Authority = ""

	result := acme.Step(
		t.Context(),
		w.job,
	)
	require.NotNil(t, result.Problem)
	require.Equal(
		t,
		acme.KindUnreachable,
		result.Problem.Kind,
	)
	require.Contains(
		t,
		result.Problem.Text,
		"certificate signed by unknown authority",
	)
}
