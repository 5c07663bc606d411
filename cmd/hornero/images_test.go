package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/catalog"
	"github.com/hornero/hornero/internal/record"
)

func TestImagesAreListed(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, printImages(&out, []catalog.Image{
		{
			ID:      7,
			Role:    "web",
			Release: "debian-13",
			Digest:  "0123456789abcdef",
			Created: time.Now().Add(-90 * time.Minute),
			Regions: []string{"nyc3", "ams3"},
			Size:    0.7,
			Droplets: []catalog.Droplet{
				{ID: 1, Name: "demo-web-1"},
				{ID: 2, Name: "demo-web-2"},
			},
		},
		{
			ID:      10,
			Role:    "db",
			Release: "debian-12",
			Digest:  "fedcba9876543210",
		},
	}))

	require.Equal(t, "ID  ROLE  RELEASE    DIGEST        AGE  REGIONS    SIZE     DROPLETS\n"+
		"7   web   debian-13  0123456789ab  1h   nyc3,ams3  0.70 GB  demo-web-1,demo-web-2\n"+
		"10  db    debian-12  fedcba987654  ?               0.00 GB  -\n", out.String())
}

func TestADifferenceIsTold(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, printDifference(&out, comparison{
		From: catalog.Image{ID: 1, Name: "one"},
		To:   catalog.Image{ID: 2, Name: "two"},
		Difference: record.Difference{
			Packages: []record.Change{
				{Name: "added", To: "2"},
				{Name: "gone", From: "1"},
				{
					Name: "newer",
					From: "1",
					To:   "2",
				},
			},
			Files: []record.Change{{
				Name: "/etc/x",
				From: "0123456789abcdef",
				To:   "fedcba9876543210",
			}},
		},
	}))

	require.Equal(t,
		"from  1, one\nto    2, two\n\npackages  3 changed\n+ added   2\n- gone    1\n~ newer   1 -> 2\n\nfiles "+
			"    1 changed\n~ /etc/x  0123456789ab -> fedcba987654\n",
		out.String(),
	)
}

func TestADifferenceOfAllFilesIsTold(t *testing.T) {
	digest := strings.Repeat("0123456789abcdef", 4)
	varies := map[string]string{"/etc/when": "the moment of the bake"}
	from := side{
		record:   record.Image{Varies: varies},
		contents: record.Contents{"/etc/when": "1", "/etc/x": digest + " 0644 0:0"},
	}

	to := side{
		record:   record.Image{Varies: varies},
		contents: record.Contents{"/etc/when": "2", "/etc/x": digest + " 0600 0:0"},
	}

	for all, want := range map[bool]string{
		false: "all files  1 changed, and 1 that the records name as varying\n~ /etc/x   0123456789ab 0644 0:0 " +
			"-> 0123456789ab 0600 0:0\n",
		true: "\nall files          1 changed, and 1 that the records name as varying\n~ /etc/x           " +
			"0123456789ab 0644 0:0 -> 0123456789ab 0600 0:0\n" +
			"varying /etc/when  the moment of the bake\n",
	} {
		var out bytes.Buffer
		require.NoError(t, (&imagesCommands{all: all}).compare(&out, from, to))

		require.True(t,
			strings.HasSuffix(out.String(), want),
			out.String(),
		)
	}

	to.missing = errors.New("no list of image 2 here")
	var out bytes.Buffer
	require.NoError(t, new(imagesCommands).compare(&out, from, to))
	require.Contains(t, out.String(), "all files  not compared: no list of image 2 here\n")
}

func TestAge(t *testing.T) {
	now := time.Now()
	for gone, want := range map[time.Duration]string{
		-time.Second:     "0s",
		59 * time.Second: "59s",
		time.Minute:      "1m",
		47 * time.Hour:   "47h",
		72 * time.Hour:   "3d",
	} {
		require.Equal(t, want, age(now.Add(-gone), now))
	}
}

func TestPruneRefusesNonsense(t *testing.T) {
	var out, said bytes.Buffer
	require.Equal(t,
		1,
		run(t.Context(), []string{"images", "prune", "--keep", "0"}, &out, &said),
	)

	require.Equal(t,
		"hornero: --keep: must be 1 or more, got 0: without its newest image no node of a role can be replaced\n",
		said.String(),
	)
	said.Reset()
	t.Setenv("CLOUD", "elsewhere")

	require.Equal(t,
		1,
		run(t.Context(), []string{"images", "list"}, &out, &said),
	)

	require.Equal(t,
		"hornero: the environment's CLOUD is \"elsewhere\"; set it to lab or digitalocean\n",
		said.String(),
	)
}
