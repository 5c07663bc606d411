package api_test

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/state"
)

// BenchmarkGetOf200Droplets asks for one Droplet and for a page of all while the lab knows 200.
func BenchmarkGetOf200Droplets(b *testing.B) {
	for name, path := range map[string]string{"one": "/v2/droplets/%d", "page": "/v2/droplets?per_page=20"} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b)
			require.NoError(b, w.store.Update(func(d *state.Document) error {
				vpc := d.DefaultVPC("nyc3")
				for n := range 200 {
					public, _ := d.TakePublic(netip.MustParsePrefix("198.51.100.0/24"))
					private, _ := d.TakePrivate(vpc)
					d.Droplets = append(d.Droplets, state.Droplet{
						ID:      d.NextID(),
						Name:    fmt.Sprint("d-", n),
						Region:  "nyc3",
						Size:    "s-1vcpu-1gb",
						Image:   d.Images[0],
						Status:  state.DropletActive,
						Ready:   true,
						VPC:     vpc.ID,
						Public:  public,
						Private: private,
						Network: vpc.Range,
					})
				}

				return nil
			}))

			if name == "one" {
				path = fmt.Sprintf(path, w.store.View().Droplets[100].ID)
			}

			took := make([]time.Duration, 0, b.N)

			for b.Loop() {
				begun := time.Now()
				request, err := http.NewRequest("GET", w.http.URL+path, nil)
				require.NoError(b, err)

				answer, err := (&http.Client{Transport: bearer(token)}).Do(request)
				require.NoError(b, err)

				_, err = io.Copy(io.Discard, answer.Body)
				require.NoError(b, err)
				answer.Body.Close()

				took = append(took, time.Since(begun))
			}

			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
		})
	}
}
