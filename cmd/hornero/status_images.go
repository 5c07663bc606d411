package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/archive"
	"github.com/hornero/hornero/internal/record"
)

// statusOutput is what `hornero status --json` prints.
type statusOutput struct {
	fleet.Report
	Images []runningImage `json:"images"`
}

// runningImage is an image that nodes of the stack were launched from.
type runningImage struct {
	ID      int              `json:"id"`
	Name    string           `json:"name"`
	Created time.Time        `json:"created_at"`
	Nodes   []string         `json:"nodes"`
	Updates []archive.Update `json:"updates"` // as far as is known here; null: not known
}

// runningImages are the images of a stack's nodes, and what is newer than them by what this machine knows: status asks
// no mirror, and no node for its record.
func runningImages(report fleet.Report) []runningImage {
	images := []runningImage{}
	at := map[int]int{}

	for _, node := range report.Nodes {
		// A node without a Droplet runs no image.
		if node.ImageID == 0 {
			continue
		}

		place, there := at[node.ImageID]
		if !there {
			// A time in another form is shown as unknown.
			created, _ := time.Parse(time.RFC3339, node.ImageMade)
			place = len(images)
			at[node.ImageID] = place

			images = append(images, runningImage{
				ID:      node.ImageID,
				Name:    node.Image,
				Created: created,
			})
		}

		images[place].Nodes = append(images[place].Nodes, node.Name)
	}

	addKnownUpdates(images)

	return images
}

// addKnownUpdates looks into the folder of records, and into the lists that the last bake read.
func addKnownUpdates(images []runningImage) {
	debian, err := newArchive(context.Background())
	if err != nil {
		return
	}

	folder, err := record.DefaultFolder()
	if err != nil {
		return
	}

	newer := newUpdates(debian.Kept)

	for i, image := range images {
		images[i].Updates = newer.kept(folder, image.Name, image.ID)
	}
}

func printRunning(w io.Writer, images []runningImage, now time.Time) {
	for i, image := range images {
		if i == 0 {
			fmt.Fprintln(w)
		}

		fmt.Fprintf(
			w,
			"image %d of %s: %s, %s\n",
			image.ID,
			strings.Join(image.Nodes, ", "),
			longAge(image.Created, now),
			updatesLine(image.Updates),
		)
	}
}
