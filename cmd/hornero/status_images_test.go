package main

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/record"
)

func TestTheStatusTellsWhatIsOutdated(t *testing.T) {
	a := newAged(t)
	a.publish(time.Now(), "openssl", "3.5.1-1+deb13u1")

	now := time.Now()
	line := func(name, role string, id, days int) fleet.NodeLine {
		return fleet.NodeLine{
			Name:      name,
			Image:     record.ImageName(role, "debian-13", digestOf(role)),
			ImageID:   id,
			ImageMade: now.AddDate(0, 0, -days).UTC().Format(time.RFC3339),
			Healthy:   true,
		}
	}

	report := fleet.Report{
		Nodes: []fleet.NodeLine{
			line("api-1", "api", a.ids["api"], 12),
			line("vault-1", "vault", 7, 3),
			line("api-2", "api", a.ids["api"], 12),
			{Name: "api-3", Reason: "it has no Droplet"},
		},
	}

	said := func() string {
		var out bytes.Buffer
		printRunning(&out, runningImages(report), now)

		return out.String()
	}

	const nothing = "\nimage 100002 of api-1, api-2: 12 days old, updates not known\n" +
		"image 7 of vault-1: 3 days old, updates not known\n"
	require.Equal(t, nothing, said())
	require.Empty(t, a.mirror.Asked(), "status asks no mirror")

	require.Zero(t, hornero(t, a.line...).code)
	a.mirror.Stop()
	a.mirror.Asked()

	const known = "\nimage 100002 of api-1, api-2: 12 days old, " +
		"1 security update (openssl 3.5.1-1 -> 3.5.1-1+deb13u1)\n" +
		"image 7 of vault-1: 3 days old, updates not known\n"
	require.Equal(t, known, said())
	require.Empty(t, a.mirror.Asked())

	var out bytes.Buffer
	require.NoError(t, printReport(&out, report, true))

	var read struct {
		Nodes  []map[string]any
		Images []runningImage
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &read))
	require.Len(t, read.Nodes, 4)
	require.Len(t, read.Images, 2)
	require.Equal(t, "openssl", read.Images[0].Updates[0].Source)
	require.Nil(t, read.Images[1].Updates)
}
