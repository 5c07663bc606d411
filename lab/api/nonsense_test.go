package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// nonsensePaths are paths that take a body.
func nonsensePaths() []string {
	return []string{
		"account/keys",
		"droplets",
		"images",
		"tags",
		"vpcs",
		"reserved_ips",
		"load_balancers",
		"certificates",
		"firewalls",
		"domains",
		"projects",
		"volumes",
		"spaces/keys",

		"droplets/actions?tag_name=x",
		"volumes/actions",
		"domains/example.com/records",
		"images/1/actions",
		"tags/none/resources",
	}
}

// nonsenseBodies are what no client should send anywhere.
func nonsenseBodies() []string {
	deep := strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000)

	return []string{
		``,
		`{`,
		`[]`,
		`"x"`,
		`7`,
		`null`,
		`{}`,
		`{"name":7}`,
		`{"name":["x"]}`,
		`{"name":""}`,
		`{"name":"` + strings.Repeat("x", 300) + `"}`,
		"{\"name\":\"\xff\xfe\"}",
		`{"type":{}}`,
		`{"size_gigabytes":"many"}`,
		`{"region":null,"name":null}`,
		`{"name":"x y","region":"mars1"}`,
		`{"tags":"x"}`,
		`{"tags":[7]}`,
		`{"droplet_ids":{}}`,
		`{"resources":7}`,
		deep,
		`{"image":{}}`,
		`{"public_key":"ssh-rsa AAAA"}`,
	}
}

// TestNothingIsHalfMadeOfNonsense sends nonsense everywhere: the answer is never a 5xx, and nothing changes.
func TestNothingIsHalfMadeOfNonsense(t *testing.T) {
	w := newWorld(t)
	droplet := w.create(request("one"))
	w.domain("example.com")

	before := w.store.View()
	paths := append(nonsensePaths(), fmt.Sprintf("droplets/%d/actions", droplet.ID))

	for _, path := range paths {
		for _, body := range nonsenseBodies() {
			status, answer, _ := w.raw("POST", "/v2/"+path, body)
			require.GreaterOrEqual(t, status, 400, "%s %.80s: %v", path, body, answer)
			require.Less(t, status, 500, "%s %.80s: %v", path, body, answer)
			require.NotEmpty(t, answer["message"], path)
		}
	}

	require.Equal(t, before, w.store.View())
}
