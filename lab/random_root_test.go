//go:build root

package lab_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab"
	"github.com/hornero/hornero/lab/api/randomcall"
	"github.com/hornero/hornero/lab/state"
)

// A sequence on real Droplets is that of the API's own test (lab/api), with as many Droplets as two cores boot
// in a while.
const (
	sequenceCalls    = 200
	sequenceClients  = 8
	sequenceKills    = 3
	sequenceDroplets = 4
)

// TestRandomCallsOnRealDroplets lets eight clients call whatever they like, kills the lab's process in between,
// and looks at what is there in the end; that nothing is left after the reset is looked at as in every test
// here. HORNERO_FUZZ_SEED asks for the calls of an earlier run.
func TestRandomCallsOnRealDroplets(t *testing.T) {
	seed := uint64(time.Now().UnixNano())

	if text := os.Getenv("HORNERO_FUZZ_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}

	t.Logf("HORNERO_FUZZ_SEED=%d", seed)

	b := newBench(t)
	dice := rand.New(rand.NewPCG(seed, 0))
	var answered, done atomic.Int64
	var failures sync.Map
	var clients sync.WaitGroup

	for range sequenceClients {
		own := rand.New(rand.NewPCG(dice.Uint64(), dice.Uint64()))
		clients.Go(func() {
			for range sequenceCalls / sequenceClients {
				call := randomcall.Next(own, labState(), sequenceDroplets)
				status, text := b.send(call)
				if status >= 500 {
					failures.Store(call, fmt.Sprintf("%d %s", status, text))
				}
				if status >= 200 && status < 300 {
					done.Add(1)
				}

				answered.Add(1)
				time.Sleep(time.Duration(own.IntN(200)) * time.Millisecond)
			}
		})
	}

	for i := range int64(sequenceKills) {
		b.until(4*time.Minute, "calls answered", func() error {
			if n := answered.Load(); n < (i+1)*sequenceCalls/(sequenceKills+1) {
				return fmt.Errorf("%d", n)
			}

			return nil
		})

		b.kill()
		b.startAgain()
	}

	clients.Wait()

	failures.Range(func(call, answer any) bool {
		t.Errorf("%v: %s", call, answer)
		return true
	})

	b.rests()

	t.Logf(
		"%d of %d calls did what they asked; %d Droplets and %d images at rest",
		done.Load(),
		sequenceCalls,
		len(labState().Droplets),
		len(labState().Images),
	)

	b.holds()
}

// labState is what the lab's process wrote down last.
func labState() *state.Document {
	for {
		var d state.Document

		data, err := os.ReadFile(filepath.Join(
			filepath.Dir(lab.FolderOf(testLab).TokenFile()),
			"state.json",
		))
		if err == nil && json.Unmarshal(data, &d) == nil {
			return &d
		}

		time.Sleep(10 * time.Millisecond)
	}
}

// send makes a request; one that a kill cuts off has no status.
func (b *bench) send(call randomcall.Call) (int, string) {
	endpoint, err := lab.Locate(testLab)
	if err != nil {
		return 0, ""
	}

	request, err := http.NewRequestWithContext(
		b.Context(),
		call.Method,
		endpoint.URL+call.Path,
		strings.NewReader(call.Body),
	)
	if err != nil {
		return http.StatusInternalServerError, err.Error()
	}

	request.Header.Set("Authorization", "Bearer "+endpoint.Token)

	answer, err := (&http.Client{Timeout: time.Minute}).Do(request)
	if err != nil {
		return 0, ""
	}
	defer answer.Body.Close()

	text, _ := io.ReadAll(answer.Body)

	return answer.StatusCode, string(text)
}

// rests waits until nothing is under way.
func (b *bench) rests() {
	b.Helper()

	b.until(3*time.Minute, "everything that began ends", func() error {
		d := labState()
		for _, action := range d.Actions {
			if action.Status == state.ActionInProgress {
				return fmt.Errorf("%s of %d goes on", action.Type, action.ResourceID)
			}
		}

		for _, droplet := range d.Droplets {
			if droplet.Locked || droplet.Deleting {
				return fmt.Errorf("Droplet %d is locked", droplet.ID)
			}
		}

		return nil
	})
}

// holds looks at what must be true of every lab at rest.
func (b *bench) holds() {
	b.Helper()
	require := require.New(b)
	droplets, _, err := b.client.Droplets.List(b.Context(), &godo.ListOptions{PerPage: 200})
	require.NoError(err)

	status := b.labStatus()
	require.Len(status.Droplets, len(droplets))

	owners := map[string]int{}
	wanted := []string{}

	for _, droplet := range droplets {
		for _, address := range droplet.Networks.V4 {
			require.Zero(
				owners[address.IPAddress],
				"%s belongs to %d and %d",
				address.IPAddress,
				owners[address.IPAddress],
				droplet.ID,
			)

			owners[address.IPAddress] = droplet.ID
		}

		wanted = append(wanted, fmt.Sprintf("hornero-%s-%d", testLab, droplet.ID))
	}

	for _, droplet := range status.Droplets {
		require.Equal(
			droplet.Status == "active",
			droplet.PID != 0,
			"Droplet %d is %s",
			droplet.ID,
			droplet.Status,
		)
	}

	namespaces, err := filepath.Glob("/run/netns/hornero-" + testLab + "-*")
	require.NoError(err)

	there := []string{}

	for _, path := range namespaces {
		there = append(there, filepath.Base(path))
	}

	slices.Sort(wanted)
	slices.Sort(there)

	require.Equal(
		wanted,
		there,
		"networks of Droplets that are gone, or none of one that is there",
	)
}
