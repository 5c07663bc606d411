package haproxy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/haproxy"
)

// server writes a server in short: "writer/db-1 10.0.0.1 up", with "maint", "up" and "passed" as needed.
func TestShape(t *testing.T) {
	base := `global
	maxconn 10
backend writer
	server db-1 10.0.0.1:3306 track readers/db-1
	server db-2 10.0.0.2:3306 disabled
peers edge
	server edge-1
	server edge-2 10.0.0.52:8444
`

	for _, c := range []struct {
		name string
		text string
		same bool
	}{
		{
			name: "address",
			text: strings.Replace(base, "10.0.0.1", "10.0.0.9", 1),
			same: true,
		},
		{
			name: "disabled",
			text: strings.Replace(base, " disabled", "", 1),
			same: true,
		},
		{
			name: "comment and blanks",
			text: "# hello\n\n" + strings.ReplaceAll(base, "\t", "    "),
			same: true,
		},
		{
			name: "a new server",
			text: strings.Replace(base, "peers", "\tserver db-3 10.0.0.3:3306\npeers", 1),
			same: false,
		},
		{
			name: "another name",
			text: strings.Replace(base, "server db-2", "server db-7", 1),
			same: false,
		},
		{
			name: "address of another HAProxy",
			text: strings.Replace(base, "10.0.0.52", "10.0.0.53", 1),
			same: false,
		},
		{
			name: "another option",
			text: strings.Replace(base, "maxconn 10", "maxconn 20", 1),
			same: false,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, after := haproxy.Shape([]byte(base)), haproxy.Shape([]byte(c.text))
			require.Equal(t, c.same, before == after)
		})
	}

	require.Equal(t,
		[]string{"writer/db-1", "writer/db-2"},
		haproxy.Slots([]byte(base)),
	)
}
