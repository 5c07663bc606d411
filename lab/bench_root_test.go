//go:build root && bench

package lab_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

// TestFigures measures the lab and prints each figure with its target. It fails only when something does not work.
func TestFigures(t *testing.T) {
	b := newBench(t)
	// the base image is in the cache from here on
	b.createDebian("warm")

	b.figure("create to active with addresses, median of ten", "1.5 s", func() string {
		active, ssh := []time.Duration{}, []time.Duration{}
		for n := range 10 {
			one, two := b.launched(fmt.Sprintf("one-%d", n))
			active, ssh = append(active, one), append(ssh, two)
		}

		b.figure("create to SSH answering, median of ten", "3 s", func() string {
			return seconds(median(ssh))
		})

		return seconds(median(active))
	})

	b.figure("ten at once against one, to SSH answering", "3 times", func() string {
		_, one := b.launched("alone")
		begun := time.Now()
		var group sync.WaitGroup

		for n := range 10 {
			group.Go(func() {
				b.launched(fmt.Sprintf("ten-%d", n))
			})
		}

		group.Wait()

		return fmt.Sprintf(
			"%.1f times (%s against %s)",
			time.Since(begun).Seconds()/one.Seconds(),
			seconds(time.Since(begun)),
			seconds(one),
		)
	})

	b.snapshots()
	b.idle()
}

// figure prints what was measured beside what it is to be.
func (b *bench) figure(what, target string, measure func() string) {
	measured := measure()
	fmt.Printf("%-55s %-32s at most %s\n", what, measured, target)
}

func seconds(d time.Duration) string {
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func median(of []time.Duration) time.Duration {
	slices.Sort(of)
	return of[len(of)/2]
}

// launched makes a Droplet and tells how long it took until it was active with addresses, and until sshd answered.
func (b *bench) launched(name string) (active, ssh time.Duration) {
	begun := time.Now()
	droplet := b.createDebian(name)
	active = time.Since(begun)
	address := b.publicAddress(droplet)

	b.until(time.Minute, "sshd answers", func() error {
		connection, err := net.DialTimeout(
			"tcp",
			address+":22",
			time.Second,
		)
		if err != nil {
			return err
		}
		defer connection.Close()

		connection.SetReadDeadline(time.Now().Add(time.Second))

		_, err = io.ReadFull(connection, make([]byte, 4))

		return err
	})

	return active, time.Since(begun)
}

// snapshots takes them of a Droplet with a GiB of its own on its disk, running and off.
func (b *bench) snapshots() {
	droplet := b.createDebian("full")
	b.run(droplet, "head -c 1G /dev/urandom > /root/gigabyte && sync")

	take := func(name string) string {
		begun := time.Now()
		action, _, err := b.client.DropletActions.Snapshot(
			b.Context(),
			droplet.ID,
			name,
		)
		require.NoError(b, err)
		b.done(action)

		return seconds(time.Since(begun))
	}

	b.figure("snapshot of 1 GiB, running", "3 s", func() string {
		return take("running")
	})

	b.powerOff(droplet)
	b.figure("snapshot of 1 GiB, off", "3 s", func() string { return take("off") })
}

// idle looks at the whole computer while thirty Droplets do nothing.
func (b *bench) idle() {
	droplets, _, err := b.client.Droplets.List(b.Context(), &godo.ListOptions{PerPage: 200})
	require.NoError(b, err)

	for n := len(droplets); n < 31; n++ { // one of those there is off
		b.launched(fmt.Sprintf("idle-%d", n))
	}

	time.Sleep(time.Minute) // first boots end

	before, all := busy(b.T)
	time.Sleep(30 * time.Second)

	after, allAfter := busy(b.T)
	b.figure("thirty idle Droplets, of the CPUs of this computer", "20 %", func() string {
		return fmt.Sprintf("%.1f %%", 100*float64(after-before)/float64(allAfter-all))
	})
}

// busy reads how much CPU time was spent, and how much there was.
func busy(t *testing.T) (spent, all int) {
	text, err := os.ReadFile("/proc/stat")
	require.NoError(t, err)

	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line)[1:9] {
		n, err := strconv.Atoi(field)
		require.NoError(t, err)

		all += n

		if i != 3 && i != 4 { // idle, and waiting for the disk
			spent += n
		}
	}

	return spent, all
}
