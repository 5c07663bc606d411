//go:build root

package builder_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/catalog"
	"github.com/hornero/hornero/internal/record"
)

// recordFiles lists the image records of this machine.
func (o *oven) recordFiles() []string {
	o.Helper()
	folder, err := record.DefaultFolder()
	require.NoError(o, err)

	entries, err := os.ReadDir(string(folder))
	require.NoError(o, err)
	var names []string

	for _, entry := range entries {
		if strings.HasSuffix(
			entry.Name(),
			".json",
		) && !strings.HasSuffix(entry.Name(), ".cdx.json") {
			names = append(names, entry.Name())
		}
	}

	return names
}

// hornero runs `hornero images` on the oven's lab.
func (o *oven) hornero(input string, args ...string) (string, string, error) {
	o.Helper()

	command := exec.CommandContext(
		o.Context(),
		"../bin/hornero",
		append([]string{"-f", "none.yaml", "images"}, args...)...,
	)

	command.Env = append(os.Environ(), "CLOUD=lab", "LAB="+o.at.name)
	command.Stdin = strings.NewReader(input)
	var said bytes.Buffer
	command.Stderr = &said
	out, err := command.Output()

	return string(out), said.String(), err
}

func (o *oven) horneroJSON(into any, args ...string) {
	o.Helper()
	out, said, err := o.hornero("", append(args, "--json")...)
	require.NoError(o, err, said)
	require.NoError(o, json.Unmarshal([]byte(out), into))
}

func (o *oven) listed() []catalog.Image {
	o.Helper()
	var images []catalog.Image
	o.horneroJSON(&images, "list")

	return images
}

// checkImagesCommand goes through `hornero images` after the bakes of TestLayers: three of tiny, which a
// package of the layer and a template tell apart, and two of other and of common. A Droplet runs the newest of
// tiny, and its record is written.
func checkImagesCommand(o *oven, oldest int, written string) {
	t := o.T
	made(t, "bin/hornero")

	old := o.launch(oldest, "old")
	require.NotEmpty(t, old("hostname"))

	images := o.listed()
	require.Len(t, images, 7)

	newest := images[len(images)-3]
	require.Equal(t, "tiny", newest.Role)
	require.Equal(t, "debian-13", newest.Release)
	require.Equal(t, []string{"nyc3"}, newest.Regions)
	require.Positive(t, newest.Size)
	require.Equal(t, "tiny", newest.Runs[0].Name)

	require.Equal(t,
		"old",
		images[len(images)-1].Runs[0].Name,
	)

	var shown struct {
		Image  catalog.Image
		Record record.Image
	}
	o.horneroJSON(&shown, "show", "tiny")

	inside, err := record.Parse([]byte(written))
	require.NoError(t, err)
	require.Equal(t, inside, shown.Record, "the record here is the one in the image")
	require.True(t, strings.HasPrefix(shown.Record.Digest, shown.Image.Digest))

	var difference struct {
		record.Difference
		Contents []record.Change
	}
	o.horneroJSON(&difference, "diff", "tiny~1", "tiny")

	require.Equal(t,
		[]record.Change{{
			Name: "tree",
			To:   inside.Packages["tree"],
		}},
		difference.Packages,
	)

	require.Equal(t,
		[]string{record.RolesPath + "/common/role.yaml"},
		namesOf(difference.Files),
	)

	o.horneroJSON(&difference, "diff", strconv.Itoa(oldest), "tiny~1")
	require.Empty(t, difference.Packages)

	require.Equal(t,
		[]string{record.RolesPath + "/tiny/tiny.conf"},
		namesOf(difference.Files),
	)

	require.Equal(t,
		[]string{record.RolesPath + "/tiny/tiny.conf"},
		namesOf(difference.Contents),
		"and no other file on the root file system differs",
	)

	_, said, err := o.hornero("", "show", "nobody")
	require.Error(t, err)
	require.Contains(t, said, "no such image")

	o.checkPrune(oldest)
}

func namesOf(changes []record.Change) (names []string) {
	for _, change := range changes {
		names = append(names, change.Name)
	}

	return names
}

func (o *oven) checkPrune(oldest int) {
	t := o.T
	out, said, err := o.hornero("", "prune", "--keep", "1", "--dry-run")
	require.NoError(t, err, said)
	require.Contains(t, out, "would delete 3 images of 7")

	_, said, err = o.hornero("", "prune", "--keep", "1")
	require.Error(t, err)
	require.Contains(t, said, "delete 3 images? [y/N]")
	require.Len(t, o.listed(), 7)

	out, said, err = o.hornero("y\n", "prune", "--keep", "1")
	require.NoError(t, err, said)
	require.Contains(t, out, "deleted 3 images of 7")

	roles := map[string]int{}

	for _, image := range o.listed() {
		roles[image.Role]++
	}

	require.Equal(t, map[string]int{
		"common": 1,
		"other":  1,
		"tiny":   2,
	}, roles)

	require.Equal(t, oldest, o.listed()[3].ID, "what a Droplet runs stays")
	require.Len(t, o.recordFiles(), 4)

	out, said, err = o.hornero("", "prune", "--keep", "1", "--yes")
	require.NoError(t, err, said)
	require.Contains(t, out, "deleted 0 images of 4")
}
