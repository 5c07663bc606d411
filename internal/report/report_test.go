package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/report"
)

type site struct {
	Title string   `yaml:"title"`
	Nodes []node   `yaml:"nodes"`
	Tags  []string `yaml:"tags"`
}

type node struct {
	Name  string `yaml:"name"`
	Count int    `yaml:"count"`
}

func TestAllProblemsAreToldInOneRunInOrderOfLine(t *testing.T) {
	document, err := report.Parse(
		"site.yaml",
		[]byte("titel: x\nnodes:\n- name: web\n  count: three\n- name: [db]\ntags: yes please\n"),
	)
	require.NoError(t, err)
	var s site
	document.Decode(&s)
	document.Add("nodes[0].size", "is needed")

	err = document.Problems()
	problems, ok := report.Of(fmt.Errorf("read it: %w", err))
	require.True(t, ok)

	lines := []int{}

	for _, problem := range problems.Sorted() {
		lines = append(lines, problem.Line)
	}

	require.IsNonDecreasing(t, lines)

	for _, want := range []string{
		"site.yaml:1:1: error: titel: " +
			"unknown key", `"title"`, "site.yaml:4:10: error: " +
			"nodes[0].count: ", "site.yaml:5:9: error: nodes[1].name: ", "site.yaml:6:7: error: tags: ",
		"site.yaml:3:3: error: nodes[0].size: is needed", // at its nearest parent
	} {
		require.ErrorContains(t, err, want)
	}

	require.NotContains(t, err.Error(), "report_test", "no name of a Go type reaches a person")
	require.Equal(t, "web", s.Nodes[0].Name, "what is right is read")
}

func TestDocumentsThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "a.yaml:1:1: error: the document is empty",
		"a: [":               "not valid YAML",
		"a: 1\n---\nb: 2\n":  "more than one YAML document",
		"a:\n\tb: 1\n":       "a.yaml:2:1: error: not valid YAML",
		"title: x\ntitle: y": "title",
	} {
		document, err := report.Parse("a.yaml", []byte(text))
		if err == nil {
			document.Decode(&site{})
			err = document.Problems()
		}

		require.ErrorContains(t, err, want, "%q", text)
	}
}

func TestNoPrintedFormShowsASecret(t *testing.T) {
	const word = "correct horse battery staple"
	holder := struct {
		Password report.Secret
		List     []report.Secret
	}{word, []report.Secret{word}}

	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("secret",
		"one", holder.Password,
		"all", holder,
	)

	encoded, err := json.Marshal(holder)
	require.NoError(t, err)

	for _, text := range []string{
		fmt.Sprint(holder),
		fmt.Sprintf(
			"%+v %#v %s %q %v",
			holder,
			holder,
			holder.Password,
			holder.Password,
			holder.List,
		),
		string(encoded),
		logged.String(),
	} {
		require.NotContains(t, text, "horse")
	}

	require.Equal(t, word, holder.Password.Reveal())
}

func TestNearest(t *testing.T) {
	require.Equal(t,
		"region",
		report.Nearest("regoin", []string{"name", "region", "size"}),
	)

	require.Empty(t, report.Nearest("xylophone", []string{"name", "region", "size"}))
}

// A duration is a number for Go only.
func TestAWrongDurationIsToldAsOne(t *testing.T) {
	for text, want := range map[string]string{
		"every: 5":    `a.yaml:1:8: error: every: must be a duration, as in 90s or 6h, got "5"`,
		"every: soon": `a.yaml:1:8: error: every: must be a duration, as in 90s or 6h, got "soon"`,
		"every: [1s]": "a.yaml:1:8: error: every: must be a duration, as in 90s or 6h, got a list",
	} {
		document, err := report.Parse("a.yaml", []byte(text))
		require.NoError(t, err)

		var held struct {
			Every time.Duration `yaml:"every"`
		}
		document.Decode(&held)
		require.EqualError(t, document.Problems(), want)
	}
}

func TestALargeFileIsRefusedAtOnce(t *testing.T) {
	large := []byte("a:\n" + strings.Repeat("  - x\n", 200_000))
	_, err := report.Parse("large.yaml", large)
	require.EqualError(t, err, "large.yaml:1:1: error: holds 1200003 bytes, at most 1048576; is it the right file?")
}
