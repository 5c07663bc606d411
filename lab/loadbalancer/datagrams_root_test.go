//go:build root

package loadbalancer_test

import (
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/lab/loadbalancer"
)

// datagram asks from a new port each time, so that each is a new flow.
func datagram(address, said string) (string, error) {
	connection, err := net.Dial("udp", address)
	if err != nil {
		return "", err
	}
	defer connection.Close()

	connection.SetDeadline(time.Now().Add(300 * time.Millisecond))

	return converse(connection, said)
}

func converse(connection net.Conn, said string) (string, error) {
	if _, err := io.WriteString(connection, said); err != nil {
		return "", err
	}

	buffer := make([]byte, 1500)
	n, err := connection.Read(buffer)

	return string(buffer[:n]), err
}

func TestDatagrams(t *testing.T) {
	f := newFarm(t)
	f.site.Rules = []loadbalancer.Rule{{
		EntryProtocol:  "udp",
		EntryPort:      5300,
		TargetProtocol: "udp",
		TargetPort:     5353,
	}}

	f.site.Health = checked(5353)

	f.site.Targets = []loadbalancer.Target{
		f.kind(t, "datagrams", 41, 5353),
		f.kind(t, "datagrams", 42, 5353),
	}

	require.NoError(t, f.Apply(t.Context(), f.site))

	f.answers(t, "target-41", "target-42")

	t.Run("a flow keeps its target while it is healthy, and has another after", f.flowKeepsItsTarget)
	f.answers(t, "target-41", "target-42")

	t.Run("the firewall holds for them", f.firewallHoldsForDatagrams)

	t.Run("they go on without the lab", func(t *testing.T) {
		f.Runner.Close()
		answer, err := datagram(f.public()+":5300", "asked")
		require.NoError(t, err)
		require.Contains(t, answer, "asked")
	})

	f.restart(t)
	require.NoError(t, f.Apply(t.Context(), f.site))
	f.answers(t, "target-41", "target-42")

	t.Run("without a rule for them none is passed on", f.noRuleNoDatagrams)
}

// answers waits until these targets, and no others, answer datagrams.
func (f *farm) answers(t *testing.T, names ...string) {
	t.Helper()

	own := loadbalancer.PrivateAddress(f.site.At.VPCRange, f.site.At.Public)

	require.EventuallyWithT(t, func(c *assert.CollectT) {
		got := map[string]bool{}
		for range 6 {
			answer, err := datagram(f.public()+":5300", "asked")
			require.NoError(c, err)

			name, rest, _ := strings.Cut(answer, " ")
			require.Equal(c, "asked "+own.String(), rest, "the target sees the load balancer")

			got[name] = true
		}

		require.Len(c, got, len(names))

		for _, name := range names {
			require.True(c, got[name], name)
		}
	}, 15*time.Second, 100*time.Millisecond)
}

func (f *farm) flowKeepsItsTarget(t *testing.T) {
	flow, err := net.Dial("udp", f.public()+":5300")
	require.NoError(t, err)
	defer flow.Close()

	flow.SetDeadline(time.Now().Add(20 * time.Second))

	first, err := converse(flow, "one")
	require.NoError(t, err)

	name, _, _ := strings.Cut(first, " ")

	for range 5 {
		again, err := converse(flow, "one")
		require.NoError(t, err)
		require.Equal(t, first, again)
	}

	other := map[string]string{"target-41": "target-42", "target-42": "target-41"}[name]
	f.end(t, name)
	f.answers(t, other)

	// what the lost one did not answer may be told of first
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		flow.SetDeadline(time.Now().Add(time.Second))
		moved, err := converse(flow, "one")
		require.NoError(c, err)
		require.Contains(c, moved, other)
	}, 10*time.Second, 50*time.Millisecond)

	// The steps that follow need both targets.
	f.kind(t, "datagrams", number(t, name), 5353)
}

func (f *farm) firewallHoldsForDatagrams(t *testing.T) {
	f.site.Deny = []string{"ip:" + f.host.Self().String()}
	require.NoError(t, f.Apply(t.Context(), f.site))

	_, err := datagram(f.public()+":5300", "asked")
	require.ErrorContains(t, err, "timeout")

	f.site.Deny = nil
	f.site.Allow = []string{"cidr:" + f.host.Public.String()}
	require.NoError(t, f.Apply(t.Context(), f.site))
	f.answers(t, "target-41", "target-42")
}

func (f *farm) noRuleNoDatagrams(t *testing.T) {
	f.site.Rules = []loadbalancer.Rule{{
		EntryProtocol:  "tcp",
		EntryPort:      5300,
		TargetProtocol: "tcp",
		TargetPort:     5353,
	}}

	require.NoError(t, f.Apply(t.Context(), f.site))

	_, err := datagram(f.public()+":5300", "asked")

	// Refused and not lost: the datagram reached the load balancer, where nobody listens.
	require.ErrorIs(t, err, syscall.ECONNREFUSED)

	rules, err := command.Run(t.Context(), command.Command{Args: []string{
		"ip", "netns", "exec", f.host.Namespace("lb-" + f.site.ID), "nft", "list", "ruleset",
	}})
	require.NoError(t, err)
	require.Empty(t, strings.TrimSpace(rules))
}

// end takes a target away, as a Droplet that is lost.
func (f *farm) end(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, f.host.Detach(t.Context(), name, f.at(byte(number(t, name)))))
}

// number is that of a target.
func number(t *testing.T, name string) int {
	t.Helper()
	id, err := strconv.Atoi(strings.TrimPrefix(name, "target-"))
	require.NoError(t, err)

	return id
}
