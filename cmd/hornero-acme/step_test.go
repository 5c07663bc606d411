package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/acme"
)

func run(t *testing.T, input string, words ...string) (string, error) {
	t.Helper()

	var out bytes.Buffer

	c := command()
	c.SetArgs(words)
	c.SetIn(strings.NewReader(input))
	c.SetOut(&out)

	err := c.ExecuteContext(t.Context())

	return out.String(), err
}

// What cannot be done is a result, too: whoever asked reads it there.
func TestAStepAnswersWithAResult(t *testing.T) {
	out, err := run(t, `{"names": ["www.example.org"], "account": ""}`, "step")
	require.NoError(t, err)

	var result acme.Result
	require.NoError(t, json.Unmarshal([]byte(out), &result))
	require.NotNil(t, result.Problem)
	require.Equal(t, acme.KindWrong, result.Problem.Kind)
}

func TestAJobThatIsNotUnderstoodIsRefused(t *testing.T) {
	for _, job := range []string{"", "{", `{"nmaes": []}`} {
		_, err := run(t, job, "step")
		require.ErrorContains(t, err, "read the job", job)
	}
}

func TestARenewalWantsACertificate(t *testing.T) {
	_, err := run(t, `{"directory": "https://127.0.0.1:1/", "names": ["www.example.org"]}`, "renewal")
	require.ErrorContains(t, err, "the certificate to be renewed")
}
