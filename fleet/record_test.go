package fleet_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/stack"
)

// domainText is the usual stack with names of a domain.
const domainText = text + `domain:
  name: example.org
  records:
    - {name: "@"}
    - {name: www, ttl: 60}
`

// newDomainWorld has an account with the domain.
func newDomainWorld(t *testing.T) *world {
	w := newWorldOf(t, domainText, nil)
	_, _, err := w.config.Client.Domains.Create(t.Context(), &godo.DomainCreateRequest{Name: "example.org"})
	require.NoError(t, err)

	return w
}

// records are the addresses of names, a line each, sorted.
func (w *world) records() []string {
	all, err := do.DomainRecords(w.t.Context(), w.config.Client, "example.org", "A")
	require.NoError(w.t, err)

	lines := []string{}
	for _, record := range all {
		lines = append(lines, record.Name+" "+strconv.Itoa(record.TTL)+" "+record.Data)
	}

	slices.Sort(lines)

	return lines
}

// record is the only one of a name.
func (w *world) record(name string) godo.DomainRecord {
	all, err := do.DomainRecords(w.t.Context(), w.config.Client, "example.org", "A")
	require.NoError(w.t, err)

	named := slices.DeleteFunc(all, func(record godo.DomainRecord) bool { return record.Name != name })
	require.Len(w.t, named, 1)

	return named[0]
}

func (w *world) createRecord(name, address string) {
	_, _, err := w.config.Client.Domains.CreateRecord(w.t.Context(), "example.org", &godo.DomainRecordEditRequest{
		Type: "A",
		Name: name,
		Data: address,
		TTL:  60,
	})
	require.NoError(w.t, err)
}

func (w *world) editRecord(name, address string, ttl int) {
	record := w.record(name)
	_, _, err := w.config.Client.Domains.EditRecord(
		w.t.Context(),
		"example.org",
		record.ID,
		&godo.DomainRecordEditRequest{
			Type: "A",
			Name: name,
			Data: address,
			TTL:  ttl,
		},
	)
	require.NoError(w.t, err)
}

func (w *world) balancerIP() string {
	all, err := do.LoadBalancers(w.t.Context(), w.config.Client)
	require.NoError(w.t, err)
	require.Len(w.t, all, 1)

	return all[0].IP
}

func TestTheNamesOfStackYamlPointAtTheStack(t *testing.T) {
	t.Parallel()

	w := newDomainWorld(t)
	w.createRecord("mail", "203.0.113.1")

	lines := w.plan()
	require.Contains(t, lines, "create record example.org: it is not there")
	require.Contains(
		t,
		lines,
		"create record www.example.org: it is not there",
	)

	require.NoError(t, w.up())

	address := w.balancerIP()
	require.Equal(t, []string{
		"@ 300 " + address,
		"mail 60 203.0.113.1",
		"www 60 " + address,
	}, w.records())
	require.Empty(t, w.plan())

	require.NoError(t, w.fleet().Destroy(t.Context()))
	require.Equal(t, []string{"mail 60 203.0.113.1"}, w.records())
}

func TestThePlanShowsWhatWasChangedOfARecord(t *testing.T) {
	t.Parallel()

	w := newDomainWorld(t)
	require.NoError(t, w.up())

	address := w.balancerIP()

	for _, c := range []struct {
		what string
		do   func()
		want string
	}{
		{
			what: "it is deleted",
			do: func() {
				id := w.record("www").ID
				_, err := w.config.Client.Domains.DeleteRecord(t.Context(), "example.org", id)
				require.NoError(t, err)
			},
			want: "create record www.example.org: it is not there",
		},
		{
			what: "it points elsewhere",
			do: func() {
				w.editRecord("@", "203.0.113.1", 300)
			},
			want: "change record example.org: address 203.0.113.1 -> " + address,
		},
		{
			what: "another time",
			do: func() {
				w.editRecord("www", address, 1800)
			},
			want: "change record www.example.org: ttl 1800 s -> 60 s",
		},
		{
			what: "a second address",
			do: func() {
				w.createRecord("www", "203.0.113.1")
			},
			want: "change record www.example.org: address " + address + ", 203.0.113.1 -> " + address,
		},
	} {
		c.do()
		require.Equal(t, []string{c.want}, w.plan(), c.what)
		require.NoError(t, w.up(), c.what)
		require.Empty(t, w.plan(), c.what)
	}

	// What points elsewhere is not the stack's to delete.
	w.editRecord("www", "203.0.113.1", 60)
	require.NoError(t, w.fleet().Destroy(t.Context()))
	require.Equal(t, []string{"www 60 203.0.113.1"}, w.records())
}

// A name that points at another load balancer follows it.
func TestARecordFollowsWhatItPointsAt(t *testing.T) {
	t.Parallel()

	w := newDomainWorld(t)
	require.NoError(t, w.up())

	before := w.balancerIP()
	w.deleteBalancer()
	require.Contains(t, w.plan(),
		"change record www.example.org: address "+before+" -> that of load balancer hornero-blog")

	w.config.Stack.ReservedIP = &stack.ReservedIP{Nodes: "proxy", Address: "198.51.100.250"}
	w.config.Stack.Domain.Records[1].To = stack.ToReservedIP
	require.Contains(
		t,
		w.plan(),
		"change record www.example.org: address "+before+" -> 198.51.100.250",
	)
}

func TestADomainThatTheAccountHasNotIsToldBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, domainText, nil)

	err := w.up()
	require.ErrorIs(t, err, fleet.ErrDomain)
	require.ErrorContains(
		t,
		err,
		"the account has no example.org; add it at DigitalOcean, or by `doctl compute ",
	)
	require.Empty(t, w.names())
	require.Empty(t, w.network())

	require.Contains(
		t,
		w.plan(),
		"nothing record example.org: "+err.Error(),
	)
	require.NoError(t, w.fleet().Destroy(t.Context()))
}

// The API takes two records of a name.
func TestARecordIsNotMadeTwiceWhenTheAnswerIsLost(t *testing.T) {
	t.Parallel()

	w := newDomainWorld(t)
	lost := false
	b := w.faulty(eager)
	b.set(w.losesFirst("/records", &lost))
	w.mustUp()
	require.True(t, lost)

	address := w.balancerIP()
	require.Equal(t, []string{"@ 300 " + address, "www 60 " + address}, w.records())
	w.nothingToDo()
}
