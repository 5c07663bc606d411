package catalog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/catalog"
)

func image(id int, role, release string, regions ...string) catalog.Image {
	return catalog.Image{
		ID:      id,
		Name:    role + "-image",
		Role:    role,
		Release: release,
		Digest:  "0123456789abcdef",
		Regions: regions,
	}
}

func ids(images []catalog.Image) []int {
	list := []int{}
	for _, image := range images {
		list = append(list, image.ID)
	}

	return list
}

func TestSurplus(t *testing.T) {
	run := func(image catalog.Image) catalog.Image {
		image.Droplets = []catalog.Droplet{{ID: 7, Name: "web-1"}}
		return image
	}

	rejected := func(image catalog.Image) catalog.Image {
		image.Rejected = true
		return image
	}

	for name, test := range map[string]struct {
		images []catalog.Image
		keep   int
		want   []int
	}{
		"a rejected one takes no other's place": {
			images: []catalog.Image{
				image(1, "web", "debian-13", "nyc3"),
				image(2, "web", "debian-13", "nyc3"),
				rejected(image(3, "web", "debian-13", "nyc3")),
				rejected(image(4, "web", "debian-13", "nyc3")),
			},
			keep: 1,
			want: []int{1},
		},
		"a rejected one goes when it is old": {
			images: []catalog.Image{
				rejected(image(1, "web", "debian-13", "nyc3")),
				image(2, "web", "debian-13", "nyc3"),
			},
			keep: 1,
			want: []int{1},
		},
		"the newest stay": {
			images: []catalog.Image{
				image(1, "web", "debian-13", "nyc3"),
				image(3, "web", "debian-13", "nyc3"),
				image(2, "web", "debian-13", "nyc3"),
			},
			keep: 2,
			want: []int{1},
		},
		"what a Droplet runs stays": {
			images: []catalog.Image{
				run(image(1, "web", "debian-13", "nyc3")),
				image(2, "web", "debian-13", "nyc3"),
				image(3, "web", "debian-13", "nyc3"),
			},
			keep: 1,
			want: []int{2},
		},
		"roles are apart": {
			images: []catalog.Image{
				image(1, "web", "debian-13", "nyc3"),
				image(2, "db", "debian-13", "nyc3"),
			},
			keep: 1,
			want: []int{},
		},
		"releases are apart": {
			images: []catalog.Image{
				image(1, "web", "debian-12", "nyc3"),
				image(2, "web", "debian-13", "nyc3"),
			},
			keep: 1,
			want: []int{},
		},
		"regions are apart": {
			images: []catalog.Image{
				image(1, "web", "debian-13", "nyc3"),
				image(2, "web", "debian-13", "ams3"),
			},
			keep: 1,
			want: []int{},
		},
		"one that a region keeps stays": {
			images: []catalog.Image{
				image(1, "web", "debian-13", "nyc3", "ams3"),
				image(2, "web", "debian-13", "nyc3"),
			},
			keep: 1,
			want: []int{},
		},
		"one that no region keeps goes": {
			images: []catalog.Image{
				image(1, "web", "debian-13", "nyc3", "ams3"),
				image(2, "web", "debian-13", "nyc3"),
				image(3, "web", "debian-13", "ams3"),
			},
			keep: 1,
			want: []int{1},
		},
		"keep none": {
			images: []catalog.Image{
				image(1, "web", "debian-13", "nyc3"),
				run(image(2, "web", "debian-13", "nyc3")),
			},
			keep: 0,
			want: []int{1},
		},
		"one that is being published stays": {
			images: []catalog.Image{
				image(1, "web", "debian-13"),
				image(2, "web", "debian-13", "nyc3"),
				image(3, "web", "debian-13", "nyc3"),
			},
			keep: 1,
			want: []int{2},
		},
		"no images": {
			images: nil,
			keep:   2,
			want:   []int{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t,
				test.want,
				ids(catalog.Surplus(test.images, test.keep)),
			)
		})
	}
}

func TestPick(t *testing.T) {
	images := []catalog.Image{
		image(5, "db", "debian-13"),
		image(4, "web", "debian-12"),
		image(9, "web", "debian-13"),
		image(2, "web", "debian-13"),
	}

	images[0].Name = "hornero-db-debian-13-0123456789ab"

	for name, want := range map[string]int{
		"5":                                 5,
		"hornero-db-debian-13-0123456789ab": 5,
		"db":                                5,
		"web":                               9,
		"web~0":                             9,
		"web~1":                             4,
		"web~2":                             2,
	} {
		found, err := catalog.Pick(images, name)
		require.NoError(t, err, name)
		require.Equal(t, want, found.ID, name)
	}

	for _, name := range []string{
		"web~3", "proxy", "0", "-1", "6", "", "web~-1", "web~x", "web~99999999999999999999",
	} {
		_, err := catalog.Pick(images, name)
		require.ErrorIs(t, err, catalog.ErrNoImage, name)
	}
}
