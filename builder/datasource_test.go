package builder_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/hornero/hornero/builder"
)

// baked adds a published image of a role and returns its id.
func baked(c *cloud, role, release, digest string, regions ...string) int {
	return bakedWith(c, nil, role, release, digest, regions...)
}

// bakedWith is baked with tags more.
func bakedWith(c *cloud, tags []any, role, release, digest string, regions ...string) int {
	return c.add("images", object{
		"name":       role + " " + digest,
		"created_at": "2026-01-02T03:04:05Z",
		"regions":    regions,
		"status":     "available",
		"tags": append(tags,
			"hornero",
			"hornero:role:"+role,
			"hornero:release:"+release,
			"hornero:digest:"+digest,
		),
	})["id"].(int)
}

const (
	oldDigest = "0123456789abcdef0123456789abcdef"
	newDigest = "fedcba9876543210fedcba9876543210"
)

func TestAnImageIsLookedUp(t *testing.T) {
	c := newCloud(t)
	first := baked(c, "web", "debian-13", oldDigest, "nyc3", "ams3")
	newest := baked(c, "web", "debian-13", newDigest, "nyc3")
	rejected := bakedWith(c, []any{"hornero:rejected"}, "web", "debian-13", "bb"+newDigest[2:], "nyc3")
	twelve := baked(c, "web", "debian-12", newDigest, "nyc3")
	baked(c, "db", "debian-13", "aa"+newDigest[2:], "nyc3")

	for name, test := range map[string]struct {
		more object
		want int
		err  string
	}{
		"newest": {more: object{}, want: newest},
		"in a region": {
			more: object{"region": "ams3"},
			want: first,
		},
		"by digest": {
			more: object{"digest": oldDigest},
			want: first,
		},
		"by its head": {
			more: object{"digest": oldDigest[:12]},
			want: first,
		},
		"by more digits": {
			more: object{"digest": oldDigest + oldDigest},
			want: first,
		},
		"a rejected one, by digest only": {
			more: object{"digest": "bb" + newDigest[2:]},
			want: rejected,
		},
		"another release": {
			more: object{"release": "debian-12"},
			want: twelve,
		},
		"none": {
			more: object{"region": "ams3", "digest": newDigest},
			err: "no such image: none of role web and release debian-13 with digest " + newDigest +
				" in ams3: bake it, or look at what there is with `hornero images list`",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := new(builder.Datasource)
			require.NoError(t, d.Configure(
				object{
					"api_url":   c.URL,
					"api_token": "token",
					"role":      "web",
				},
				test.more,
			))

			value, err := d.Execute()
			if test.err != "" {
				require.EqualError(t, err, test.err)
				return
			}

			require.NoError(t, err)

			require.True(t,
				value.GetAttr("id").RawEquals(cty.NumberIntVal(int64(test.want))),
				value.GetAttr("id").GoString(),
			)

			require.Equal(t, "web", value.GetAttr("role").AsString())
			require.Equal(t, "2026-01-02T03:04:05Z", value.GetAttr("created").AsString())
			require.NotZero(t, value.GetAttr("regions").LengthInt())
			require.Len(t, value.GetAttr("digest").AsString(), 32)
			require.NotEmpty(t,
				value.GetAttr("name").AsString()+value.GetAttr("release").AsString(),
			)
		})
	}
}

func TestTheDataSourceNamesEachWrongOption(t *testing.T) {
	t.Setenv("DIGITALOCEAN_ACCESS_TOKEN", "")
	t.Setenv("DIGITALOCEAN_TOKEN", "")

	err := new(builder.Datasource).Configure(object{
		"digest":         "0123",
		"region":         "New York",
		"http_retry_max": -1,
		"rolle":          "web",
	})

	for _, told := range []string{
		"rolle", "role: ", "digest: wrong configuration: must be 12 to 64 hexadecimal digits",
		"region: ", "http_retry_max: ", "set DIGITALOCEAN_ACCESS_TOKEN",
	} {
		require.ErrorContains(t, err, told)
	}
}

func TestTheDataSourceExplainsARefusedToken(t *testing.T) {
	c := newCloud(t)
	c.before = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		refuse(w, http.StatusUnauthorized, "no")
		return true
	}

	d := new(builder.Datasource)
	require.NoError(t, d.Configure(object{
		"api_url":   c.URL,
		"api_token": "token",
		"role":      "web",
	}))

	_, err := d.Execute()
	require.ErrorContains(t, err, "set DIGITALOCEAN_ACCESS_TOKEN")
}
