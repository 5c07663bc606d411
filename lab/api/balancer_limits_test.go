package api_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
)

// clockAhead has the lab's clock ahead of the machine's.
func clockAhead(by *atomic.Int64) func(*api.Options) {
	return func(o *api.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(by.Load())) }
	}
}

func TestASecondLoadBalancerOfANameIsRefused(t *testing.T) {
	w := newWorld(t)

	first := w.balancer(balancerRequest())
	_, _, err := w.LoadBalancers.Create(t.Context(), balancerRequest())
	refused(t, err, 422, "is there already")

	other := balancerRequest()
	other.Name = "other"
	second := w.balancer(other)

	again := second.AsRequest()
	again.Name = first.Name
	_, _, err = w.LoadBalancers.Update(t.Context(), second.ID, again)
	refused(t, err, 422, "is there already")

	_, _, err = w.LoadBalancers.Update(t.Context(), first.ID, first.AsRequest())
	require.NoError(t, err, "its own name is no other's")
}

func TestALoadBalancerIsResizedOnceAnHour(t *testing.T) {
	later := &atomic.Int64{}
	w := newWorld(t, clockAhead(later))

	made := w.balancer(balancerRequest())

	resize := func(units uint32) error {
		request := made.AsRequest()
		request.SizeUnit = units
		_, _, err := w.LoadBalancers.Update(t.Context(), made.ID, request)

		return err
	}

	refused(t, resize(2), 422, "resized once an hour")
	require.NoError(t, resize(1), "all else is changed at any time")

	later.Store(int64(time.Hour))
	require.NoError(t, resize(2))
	refused(t, resize(1), 422, "resized once an hour")

	later.Store(int64(2 * time.Hour))
	require.NoError(t, resize(1))
}

func TestALoadBalancerTakesOneChangeAtATime(t *testing.T) {
	later := &atomic.Int64{}
	w := newWorld(t, clockAhead(later), func(o *api.Options) { o.Delays.Balancer = time.Hour })

	made := w.balancer(balancerRequest())
	request := made.AsRequest()
	request.RedirectHttpToHttps = true

	const busy = "can't be updated while it processes previous actions"

	_, _, err := w.LoadBalancers.Update(t.Context(), made.ID, request)
	refused(t, err, 403, busy)

	_, err = w.LoadBalancers.AddForwardingRules(t.Context(), made.ID, godo.ForwardingRule{
		EntryProtocol:  "tcp",
		EntryPort:      7,
		TargetProtocol: "tcp",
		TargetPort:     7,
	})
	refused(t, err, 403, busy)

	later.Store(int64(time.Hour))
	_, _, err = w.LoadBalancers.Update(t.Context(), made.ID, request)
	require.NoError(t, err)

	_, _, err = w.LoadBalancers.Update(t.Context(), made.ID, request)
	refused(t, err, 403, busy)

	_, err = w.LoadBalancers.Delete(t.Context(), made.ID)
	require.NoError(t, err, "it may go at any time")
}

// What the lab does not serve is kept as it was asked for, and shown.
func TestWhatIsNotServedIsReadBack(t *testing.T) {
	w := newWorld(t)
	key, _, err := w.Certificates.Create(t.Context(), certificate(t, "http3.example"))
	require.NoError(t, err)

	ask := balancerRequest()
	ask.NetworkStack = "DUALSTACK"
	ask.SizeUnit = 100
	ask.ForwardingRules = []godo.ForwardingRule{
		{EntryProtocol: "https", EntryPort: 443, TargetProtocol: "http", TargetPort: 80, CertificateID: key.ID},
		{EntryProtocol: "http3", EntryPort: 443, TargetProtocol: "http", TargetPort: 80, CertificateID: key.ID},
	}

	made := w.balancer(ask)
	require.Equal(t, ask.ForwardingRules, made.ForwardingRules)
	require.Equal(t, "DUALSTACK", made.NetworkStack)
	require.EqualValues(t, 100, made.SizeUnit)

	request := made.AsRequest()
	request.NetworkStack = "IPV4"
	_, _, err = w.LoadBalancers.Update(t.Context(), made.ID, request)
	refused(t, err, 422, "network_stack can't be changed")
}
