package builder_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyDeadBuildsAreSwept(t *testing.T) {
	c := newCloud(t)
	living := ownTag(t, c)
	fields := strings.Split(living, "-")
	changed := func(at int, value string) string {
		other := slices.Clone(fields)
		other[at] = value
		return strings.Join(other, "-")
	}

	// Fields of a tag: "hornero", "build:HOST", process, its start, time, nonce.
	elsewhere := changed(1, "build:0123456789ab")

	old := func(tag string) string {
		parts := strings.Split(tag, "-")
		parts[4] = "1000000000"
		return strings.Join(parts, "-")
	}

	want := map[string]bool{ // whether it stays
		living:                true,  // this very process, earlier
		changed(2, "4194305"): false, // a process that this host does not have
		changed(3, "1"):       false, // its number is another process' now
		elsewhere:             true,
		old(elsewhere):        false,
		"hornero-build:what":  true, // not a form that we know
	}

	for tag := range want {
		c.add("keys", object{"name": tag})
		c.add("droplets", object{
			"name":   "left",
			"tags":   []any{"hornero-build", tag},
			"status": "active",
		})
	}

	_, err := bake(t.Context(), t, prepared(t, c, object{"force": true}))
	require.NoError(t, err)

	for tag, stays := range want {
		require.Equal(t, stays, len(c.list("droplets", tag)) == 1, "Droplet of %s", tag)
		require.Equal(t, stays, len(c.listBy("keys", "name", tag)) == 1, "key of %s", tag)
	}
}

// ownTag bakes once and returns the tag that the build's Droplet had.
func ownTag(t *testing.T, c *cloud) string {
	t.Helper()
	var tag string
	c.before = func(_ http.ResponseWriter, _ *http.Request, call string) bool {
		if call == "POST droplets" {
			c.mutex.Lock()
			tag = tagOfKey(c)
			c.mutex.Unlock()
		}

		return false
	}

	_, err := bake(t.Context(), t, prepared(t, c, nil))
	require.NoError(t, err)

	c.before = nil

	return tag
}

func TestAHalfMadeImageOfADeadBuildIsSwept(t *testing.T) {
	c := newCloud(t)
	living := ownTag(t, c)
	fields := strings.Split(living, "-")
	fields[2] = "4194305" // a process that this host does not have
	dead := strings.Join(fields, "-")
	digest := "hornero:digest:aa"
	stays := map[int]bool{}

	for _, image := range []struct {
		name  string
		tags  []any
		stays bool
	}{
		{
			name:  dead,
			tags:  []any{},
			stays: false,
		},
		{
			name:  dead,
			tags:  []any{dead, "hornero"},
			stays: false,
		},
		{
			name:  "ours",
			tags:  []any{dead, "hornero"},
			stays: false,
		},
		{
			name:  "ours",
			tags:  []any{dead, digest},
			stays: true,
		},
		{
			name:  living,
			tags:  []any{},
			stays: true,
		},
		{
			name:  "ours",
			tags:  []any{living},
			stays: true,
		},
		{
			name:  "theirs",
			tags:  []any{},
			stays: true,
		},
	} {
		added := c.add("images", object{
			"name": image.name,
			"tags": image.tags,
		})
		stays[added["id"].(int)] = image.stays
	}

	c.tags[dead] = true
	c.tags[living] = true

	// unchanged since ownTag, and swept all the same
	_, err := bake(t.Context(), t, prepared(t, c, nil))
	require.NoError(t, err)
	require.Equal(t, 1, c.count("POST droplets"))

	for id, stays := range stays {
		_, there := c.thing["images"][id]
		require.Equal(t, stays, there, "image %d", id)
	}

	require.NotContains(t, c.tags, dead)
	require.Contains(t, c.tags, living)
}
