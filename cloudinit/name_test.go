package cloudinit_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
)

func TestNamesThatAreNone(t *testing.T) {
	for _, name := range []string{
		"web/1",
		"../web-1",
		"web-1\nphase serving",
		"web-1\x1b[2J",
		"web 1",
		"-web",
		".web",
		"wéb",
		"web\x00",
		strings.Repeat("w", 64),
	} {
		for what, change := range map[string]func(*cloudinit.Node){
			"node":         func(n *cloudinit.Node) { n.Node = name },
			"role":         func(n *cloudinit.Node) { n.Role = name },
			"stack":        func(n *cloudinit.Node) { n.Stack = name },
			"expected.web": func(n *cloudinit.Node) { n.Expected = map[string][]string{"web": {"web-1", name}} },
		} {
			t.Run(fmt.Sprintf("%s %q", what, name), func(t *testing.T) {
				node := named()
				change(&node)

				data, err := cloudinit.Encode(node)
				require.NoError(t, err)

				_, err = cloudinit.Decode("test", data)
				require.ErrorContains(t, err, what+": must be letters, digits")
				require.NotContains(t, err.Error(), "\nphase")
			})
		}
	}
}

func TestNamesThatAreSome(t *testing.T) {
	for _, name := range []string{"web-1", "Web_1.blue", "9", strings.Repeat("w", 63)} {
		node := named()
		node.Node = name

		data, err := cloudinit.Encode(node)
		require.NoError(t, err)

		got, err := cloudinit.Decode("test", data)
		require.NoError(t, err)
		require.Equal(t, name, got.Node)
	}
}

// named is a document that is complete.
func named() cloudinit.Node {
	return cloudinit.Node{
		Stack:       "blog",
		Role:        "web",
		Node:        "web-1",
		Incarnation: 1,
		TLS:         cloudinit.TLS{CA: "ca", Certificate: "certificate", Key: "key"},
	}
}
