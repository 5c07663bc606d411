//go:build root

package e2e_test

import (
	"errors"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

// attemptsFromOutside are what somebody tries who has no node: this computer is on the internet of the lab.
var attemptsFromOutside = []attempt{
	{
		attacker: "somebody outside",
		tries:    "finds a port of a node or the load balancer that nobody declared open",
		succeeds: func(s *stack) bool { return len(s.undeclared()) > 0 },
		// Whom the walls let in: a database node opens the very ports that the scan found shut.
		without: func(s *stack) bool {
			const door = "4567"

			from := s.oneOfEach()[2]
			to := s.nodes()[nextDatabase(from)].Addresses.Private
			_, err := s.tryOn(from, "timeout 5 bash -c 'exec 3<>/dev/tcp/"+to+"/"+door+"'")

			return err == nil
		},
	},
}

// undeclared are the ports that answer outside, of the load balancer and of a node of each role, beyond those that
// stack.yaml opens to everybody.
func (s *stack) undeclared() (found []string) {
	s.t.Helper()

	declared := map[string][]string{s.balancerAddress(): {"80", "443"}}

	for _, name := range s.oneOfEach() {
		declared[s.nodes()[name].Addresses.Public] = []string{"22"}
	}

	for address, open := range openPortsOf(slices.Collect(maps.Keys(declared))) {
		want := declared[address]

		// What is declared answers: else the scan saw nothing.
		for _, port := range want {
			require.NoError(s.t, connects(address, port, 10*time.Second))
		}

		for _, port := range open {
			if !slices.Contains(want, port) {
				found = append(found, net.JoinHostPort(address, port))
			}
		}
	}

	slices.Sort(found)
	s.t.Logf("open and not declared: %v", found)

	return found
}

func connects(address, port string, within time.Duration) error {
	connection, err := net.DialTimeout("tcp", net.JoinHostPort(address, port), within)
	if err != nil {
		return err
	}

	return connection.Close()
}

// openPortsOf finds the open ports of addresses, all at once: most of it is waiting.
func openPortsOf(addresses []string) map[string][]string {
	var (
		mutex   sync.Mutex
		waiting sync.WaitGroup
	)

	found := map[string][]string{}

	for _, address := range addresses {
		waiting.Go(func() {
			open := openPorts(address)

			mutex.Lock()
			defer mutex.Unlock()

			found[address] = open
		})
	}

	waiting.Wait()

	return found
}

// openPorts connects to all TCP ports of an address. What a firewall drops gets no answer: many wait at once.
func openPorts(address string) (open []string) {
	const (
		ports  = 1 << 16
		atOnce = 3000
		answer = 1500 * time.Millisecond
	)

	var (
		mutex   sync.Mutex
		waiting sync.WaitGroup
	)

	free := make(chan struct{}, atOnce)

	for port := 1; port < ports; port++ {
		free <- struct{}{}

		waiting.Go(func() {
			defer func() { <-free }()

			number := strconv.Itoa(port)

			// A port that could not be looked at, for want of files, is not shut.
			err := connects(address, number, answer)
			if err != nil && !errors.Is(err, syscall.EMFILE) {
				return
			}

			mutex.Lock()
			defer mutex.Unlock()

			open = append(open, number)
		})
	}

	waiting.Wait()

	return open
}
