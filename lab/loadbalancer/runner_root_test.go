//go:build root

package loadbalancer_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/loadbalancer"
	"github.com/hornero/hornero/lab/machine"
)

// TestMain lets the test's own binary be a server in a place of the lab: serve-target ADDRESS NAME READYFILE, or
// serve-kind KIND ADDRESS NAME.
func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == "serve-target" {
		fmt.Fprintln(os.Stderr, serveTarget(os.Args[2], os.Args[3], os.Args[4]))
		os.Exit(1)
	}

	if len(os.Args) == 5 && os.Args[1] == "serve-kind" {
		fmt.Fprintln(os.Stderr, serveKind(os.Args[2], os.Args[3], os.Args[4]))
		os.Exit(1)
	}

	os.Exit(m.Run())
}

func serveTarget(address, name, ready string) error {
	return http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := os.Stat(ready); r.URL.Path == "/readyz" && err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}

		fmt.Fprintf(w,
			"%s for %s over %s",
			name,
			r.Header.Get("X-Forwarded-For"),
			r.Header.Get("X-Forwarded-Proto"),
		)
	}))
}

// farm is a lab of this run's own with a load balancer and web servers behind it.
type farm struct {
	*loadbalancer.Runner
	host   *machine.Host
	site   loadbalancer.Balancer
	folder string
	client *http.Client
}

func newFarm(t *testing.T) *farm {
	t.Helper()

	host := claimHost(t, machine.Config{
		Name:  fmt.Sprintf("p%d-balancer", os.Getpid()),
		State: t.TempDir(),
		Cache: t.TempDir(),
	})

	// also of one that comes up half
	t.Cleanup(func() {
		assert.NoError(t, host.Reset(context.Background()))
	})
	require.NoError(t, host.Up(t.Context()))

	f := &farm{
		host:   host,
		folder: t.TempDir(),
		site:   site(),
	}

	f.site.At = f.at(20)
	f.site.At.Private = netip.Addr{}
	f.site.Targets = nil

	f.site.Health = loadbalancer.Health{
		Protocol:  "http",
		Port:      80,
		Path:      "/readyz",
		Interval:  200 * time.Millisecond,
		Timeout:   time.Second,
		Healthy:   1,
		Unhealthy: 2,
	}

	var pool = http.DefaultTransport.(*http.Transport).Clone()
	certificate, roots := selfSigned(t)
	f.site.Rules[1].Certificate = certificate
	pool.TLSClientConfig = &tls.Config{RootCAs: roots, ServerName: "site.example"}
	t.Cleanup(pool.CloseIdleConnections)

	f.client = &http.Client{
		Transport: pool,
		Timeout:   5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}

	f.restart(t)

	return f
}

// restart takes a new Runner, as a lab that was killed and started again does.
func (f *farm) restart(t *testing.T) {
	if f.Runner != nil {
		f.Runner.Close()
	}

	f.Runner = loadbalancer.New(f.host, f.folder, slog.New(slog.NewTextHandler(t.Output(), nil)))
	t.Cleanup(f.Runner.Close)
}

// claimHost makes a host with the first public range that nothing on this computer uses.
func claimHost(t *testing.T, config machine.Config) *machine.Host {
	t.Helper()

	for n := range 256 {
		third := byte(os.Getpid() + n) // runs that begin at different ranges seldom try the same
		config.Public = netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 19, third, 0}), 24)

		host, err := machine.New(config)
		require.NoError(t, err)

		err = host.Claim(t.Context())
		if errors.Is(err, machine.ErrRangeInUse) {
			continue
		}

		require.NoError(t, err)

		return host
	}

	require.Fail(t, "no range is free")

	return nil
}

// inPublic is an address of the public range.
func (f *farm) inPublic(last byte) netip.Addr {
	bytes := f.host.Public.Addr().As4()
	bytes[3] = last
	return netip.AddrFrom4(bytes)
}

// public is the load balancer's public address.
func (f *farm) public() string { return f.inPublic(20).String() }

// published is where that address is found on loopback.
func (f *farm) published() string { return loadbalancer.Loopback(f.inPublic(20)).String() }

func (f *farm) at(last byte) machine.Attachment {
	return machine.Attachment{
		Public:   f.inPublic(last),
		Private:  netip.AddrFrom4([4]byte{10, 108, 0, last}),
		VPC:      "the-vpc",
		VPCRange: netip.MustParsePrefix("10.108.0.0/20"),
	}
}

// target starts a web server; ready says whether it is found healthy.
func (f *farm) target(t *testing.T, id int, ready bool) loadbalancer.Target {
	t.Helper()
	at := f.at(byte(id))
	name := fmt.Sprintf("web-%d", id)
	require.NoError(t, f.host.Attach(name, at))

	executable, err := os.Executable()
	require.NoError(t, err)

	if ready {
		f.ready(t, id)
	}

	require.NoError(t, f.host.Run(
		name,
		[]string{
			executable,
			"serve-target",
			at.Private.String() + ":80",
			name,
			f.readyFile(id),
		},
		filepath.Join(f.folder, "..", name+".log"),
	))

	return loadbalancer.Target{ID: id, Address: at.Private}
}

func (f *farm) readyFile(id int) string {
	return filepath.Join(
		filepath.Dir(f.folder),
		fmt.Sprintf("ready-%d", id),
	)
}

func (f *farm) ready(t *testing.T, id int) {
	require.NoError(t, os.WriteFile(f.readyFile(id), nil, 0o644))
}

func (f *farm) get(url string) (int, string, error) {
	answer, err := f.client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()

	body, err := io.ReadAll(answer.Body)

	return answer.StatusCode, string(body), err
}

// serves waits until all of the names have answered.
func (f *farm) serves(t *testing.T, url string, names ...string) {
	t.Helper()
	seen := map[string]bool{}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		code, body, err := f.get(url)
		require.NoError(c, err)
		require.Equal(c, http.StatusOK, code)

		name, _, _ := strings.Cut(body, " ")
		seen[name] = true

		for _, name := range names {
			require.True(c, seen[name], "%s has not answered", name)
		}
	}, 15*time.Second, 20*time.Millisecond)
}

func TestBalancer(t *testing.T) {
	f := newFarm(t)
	f.site.Targets = []loadbalancer.Target{f.target(t, 31, true)}
	require.NoError(t, f.Apply(t.Context(), f.site))

	t.Run("serves plain and encrypted, on its address and on loopback", f.servesEverywhere)

	t.Run("a new target is asked nothing before it is healthy, and no request is lost meanwhile", f.targetsChange)

	t.Run("the same again changes nothing, and a new lab finds it", func(t *testing.T) {
		before := f.host.Processes("lb-" + f.site.ID)
		require.NoError(t, f.Apply(t.Context(), f.site))
		f.restart(t)

		_, ok := f.Published(f.site.At.Public)
		require.False(t, ok)
		require.NoError(t, f.Apply(t.Context(), f.site))
		require.Subset(t, before, f.host.Processes("lb-"+f.site.ID))
		f.serves(t, "http://"+f.published()+"/", "web-32")
	})

	t.Run("redirects to https when told to", func(t *testing.T) {
		f.site.RedirectToHTTPS = true
		require.NoError(t, f.Apply(t.Context(), f.site))

		code, _, err := f.get("http://" + f.public() + "/")
		require.NoError(t, err)
		require.Equal(t, http.StatusTemporaryRedirect, code)
	})

	t.Run("what HAProxy refuses is an error, and the old one serves on", func(t *testing.T) {
		wrong := f.site
		wrong.Rules = []loadbalancer.Rule{{
			EntryProtocol:  "https",
			EntryPort:      443,
			TargetProtocol: "http",
			TargetPort:     80,
			Certificate:    "no PEM",
		}}

		require.ErrorContains(t, f.Apply(t.Context(), wrong), "unable to load")
		f.serves(t, "https://"+f.public()+"/", "web-32")
	})

	t.Run("removed, nothing of it is left", f.removedWithoutTrace)
}

func (f *farm) servesEverywhere(t *testing.T) {
	f.serves(t, "http://"+f.public()+"/", "web-31")
	_, body, err := f.get("http://" + f.published() + "/")
	require.NoError(t, err)
	require.Equal(t, "web-31 for "+f.host.Self().String()+" over http", body)

	_, body, err = f.get("https://" + f.published() + "/")
	require.NoError(t, err)
	require.Equal(t, "web-31 for "+f.host.Self().String()+" over https", body)

	address, ok := f.Published(f.site.At.Public)
	require.True(t, ok)
	require.Equal(t, f.published(), address.String())
}

func (f *farm) targetsChange(t *testing.T) {
	public := "http://" + f.public() + "/"
	stop, lost := f.hammer(public)
	f.site.Targets = append(f.site.Targets, f.target(t, 32, false))
	require.NoError(t, f.Apply(t.Context(), f.site))

	// HAProxy takes targets by turns: 50 requests would meet the new one if it counted.
	for range 50 {
		_, body, err := f.get(public)
		require.NoError(t, err)
		require.Contains(t, body, "web-31 ")
	}

	f.ready(t, 32)
	f.serves(t, public, "web-31", "web-32")

	f.site.Targets = f.site.Targets[1:]
	require.NoError(t, f.Apply(t.Context(), f.site))
	f.serves(t, public, "web-32")
	require.NotZero(t, stop())
	require.Empty(t, lost.Load())
}

func (f *farm) removedWithoutTrace(t *testing.T) {
	require.NoError(t, f.Remove(t.Context(), f.site.ID))
	require.NoError(t, f.Remove(t.Context(), f.site.ID))
	require.Empty(t, f.host.Processes("lb-"+f.site.ID))

	names, err := f.List()
	require.NoError(t, err)
	require.Empty(t, names)

	_, _, err = f.get("http://" + f.published() + "/")
	require.Error(t, err)
}

// hammer asks without a pause, each time on a new connection, until stopped; the first request that is lost is kept.
func (f *farm) hammer(url string) (stop func() int64, lost *atomic.Value) {
	lost = &atomic.Value{}
	var asked atomic.Int64
	done, ended := make(chan struct{}), make(chan struct{})

	client := &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true},
		Timeout:   5 * time.Second,
	}

	go func() {
		defer close(ended)

		for {
			select {
			case <-done:
				return
			default:
			}

			answer, err := client.Get(url)
			if err == nil {
				io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					err = fmt.Errorf("answer %s", answer.Status)
				}
			}

			if err != nil {
				lost.CompareAndSwap(nil, err.Error())
			}

			asked.Add(1)
		}
	}()

	return func() int64 {
		close(done)
		<-ended
		return asked.Load()
	}, lost
}
