package main

import (
	"bytes"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/haproxy"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// everything is an agent with the metrics of all drivers.
func everything(t *testing.T) *bootstrap.Agent {
	agent := bootstrap.New(bootstrap.Config{
		State:   t.TempDir(),
		Version: "test",
		Release: "debian-13",
		Log:     slog.New(slog.DiscardHandler),
	})

	measure := galeraMetrics(agent.Metrics, galera.DataDir{Path: t.TempDir()}.Space)
	measure(galera.Status{Facts: map[string]string{
		galera.FactClusterStatus: "Primary",
		galera.FactSize:          "3",
		galera.FactState:         "4",
	}})

	haproxyMetrics(agent.Metrics)(haproxy.CountedReload)

	return agent
}

func monitoring(t *testing.T) string {
	text, err := os.ReadFile("../../docs/monitoring.md")
	require.NoError(t, err)

	return string(text)
}

// firstColumn is what the first group of an expression finds in the rows of a table, sorted.
func firstColumn(row *regexp.Regexp, table string) []string {
	var found []string
	for _, match := range row.FindAllStringSubmatch(table, -1) {
		found = append(found, match[1])
	}

	slices.Sort(found)

	return found
}

func TestEveryMetricIsDocumentedAndEveryDocumentedOneExists(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (?:gauge|counter) ")
	documented := firstColumn(row, monitoring(t))
	require.Equal(t, everything(t).Metrics.Names(), documented)
}

func TestTheAlertsAskForWhatThereIs(t *testing.T) {
	_, rest, found := strings.Cut(monitoring(t), "```yaml\ngroups:")
	require.True(t, found)

	text, _, _ := strings.Cut(rest, "```")

	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Expr        string
				For         string
				Annotations map[string]string
			}
		}
	}

	decoder := yaml.NewDecoder(strings.NewReader("groups:" + text))
	decoder.KnownFields(false)
	require.NoError(t, decoder.Decode(&rules))

	names := everything(t).Metrics.Names()
	metric := regexp.MustCompile(`\bhornero_[a-z_]+`)

	for _, rule := range rules.Groups[0].Rules {
		require.NotEmpty(t, rule.Annotations["summary"], rule.Alert)

		for _, name := range metric.FindAllString(rule.Expr, -1) {
			require.Contains(t, names, name, rule.Alert)
		}
	}
}

func TestMetricsAreAsPrometheusLikesThem(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, everything(t).Metrics.Write(&out))

	problems, err := promlint.New(&out).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestEveryKindOfEventIsDocumented(t *testing.T) {
	_, rest, found := strings.Cut(monitoring(t), "| kind | when |")
	require.True(t, found)

	table, _, _ := strings.Cut(rest, "\n\n")
	row := regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|")
	require.Equal(t, peerset.EventKinds(), firstColumn(row, table))
}

func TestADatabaseNodesStatesMakeEvents(t *testing.T) {
	var noted []string
	enter := galeraEvents(func(kind, text string) {
		noted = append(noted, kind+": "+text)
	})

	for _, state := range []galera.State{
		galera.StateWaiting,
		galera.StateBootstrapping,
		galera.StateSynced,
		galera.StateSynced,
		galera.StateDonor,
		galera.StateSynced,

		// Galera got back by itself.
		galera.StateNonPrimary,
		galera.StateSynced,

		galera.StateWaiting,
		galera.StateRecovering,
		galera.StateWaiting,
		galera.StateJoining,
		galera.StateSynced,

		galera.StateRecovering,
		galera.StateWaiting,
		galera.StateBootstrapping,
		galera.StateSynced,

		galera.StateWaiting,
		galera.StateJoining,
		galera.StateSynced,
	} {
		enter(galera.Status{State: state, Reason: "so\nit is"})
	}

	require.Equal(t, []string{
		"galera-bootstrapped: synced after bootstrapping: so it is",
		"galera-donor: donor after synced: so it is",
		"galera-non-primary: non-primary after synced: so it is",
		"galera-recovered: synced after non-primary: so it is",
		"galera-recovered: synced after recovering: so it is",
		"galera-bootstrapped: synced after bootstrapping: so it is",
		"galera-synced: synced after joining: so it is",
	}, noted)
}
