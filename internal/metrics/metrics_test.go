package metrics_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/metrics"
)

func text(t *testing.T, r *metrics.Registry) string {
	var out bytes.Buffer
	require.NoError(t, r.Write(&out))
	return out.String()
}

func TestPrometheusReadsWhatIsWritten(t *testing.T) {
	var r metrics.Registry
	r.Counter("hornero_reports_total", "Reports.\nSent.", "result").Add(2, "ok")

	r.Counter("hornero_reports_total", "ignored", "result").Add(
		1,
		`a "quoted" \ line`+"\nand \xff more",
	)

	r.Gauge("hornero_size", "Size.").Set(1.5)
	r.Counter("hornero_never_total", "Not yet.")
	r.Gauge("hornero_nothing", "No labels' values yet.", "a")

	r.Read("hornero_read", "Read.", []string{"a", "b"}, func(set func(float64, ...string)) {
		set(1e21, "x", "y")
		set(-3, "x")
	})

	r.Process(time.Unix(7, 0))

	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text(t, &r)))
	require.NoError(t, err)

	reports := families["hornero_reports_total"]
	require.Equal(t, "Reports.\nSent.", reports.GetHelp())

	got := map[string]float64{}

	for _, metric := range reports.GetMetric() {
		got[metric.GetLabel()[0].GetValue()] = metric.GetCounter().GetValue()
	}

	require.Equal(t, map[string]float64{"ok": 2, `a "quoted" \ line` + "\nand ? more": 1}, got)
	require.Equal(t, 1.5, families["hornero_size"].GetMetric()[0].GetGauge().GetValue())
	require.Zero(t, families["hornero_never_total"].GetMetric()[0].GetCounter().GetValue())
	require.NotContains(t, families, "hornero_nothing")
	require.Len(t, families["hornero_read"].GetMetric(), 2)

	require.Equal(t,
		7.0,
		families["process_start_time_seconds"].GetMetric()[0].GetGauge().GetValue(),
	)

	require.Greater(t,
		families["process_resident_memory_bytes"].GetMetric()[0].GetGauge().GetValue(),
		1e6,
	)

	problems, err := promlint.New(strings.NewReader(text(t, &r))).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestEverybodyMayCountAtOnce(t *testing.T) {
	var r metrics.Registry
	var all sync.WaitGroup

	for range 8 {
		all.Go(func() {
			for range 1000 {
				r.Counter("x_total", "X.", "l").Add(1, "a")
			}
		})
	}

	all.Wait()
	require.Contains(t, text(t, &r), `x_total{l="a"} 8000`+"\n")
}
