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

// recordFiles lists the images' records that the bakes left.
func (l *bakeLab) recordFiles() []string {
	l.Helper()
	entries, err := os.ReadDir(l.options["records_dir"].(string))
	require.NoError(l, err)
	var names []string

	for _, entry := range entries {
		name := entry.Name()
		if strings.HasSuffix(name, ".json") && !strings.HasSuffix(name, ".cdx.json") {
			names = append(names, name)
		}
	}

	return names
}

// hornero runs `hornero images` on the lab's lab.
func (l *bakeLab) hornero(input string, args ...string) (string, string, error) {
	l.Helper()

	args = append([]string{"-f", "none.yaml", "images"}, args...)
	command := exec.CommandContext(l.Context(), "../bin/hornero", args...)
	command.Env = append(os.Environ(), "CLOUD=lab", "LAB="+l.started.name, "XDG_DATA_HOME="+l.data)
	command.Stdin = strings.NewReader(input)
	var said bytes.Buffer
	command.Stderr = &said
	out, err := command.Output()

	return string(out), said.String(), err
}

func (l *bakeLab) horneroJSON(into any, args ...string) {
	l.Helper()
	out, said, err := l.hornero("", append(args, "--json")...)
	require.NoError(l, err, said)
	require.NoError(l, json.Unmarshal([]byte(out), into))
}

func (l *bakeLab) listed() []catalog.Image {
	l.Helper()
	var images []catalog.Image
	l.horneroJSON(&images, "list")

	return images
}

// checkImagesCommand goes through `hornero images` after the bakes of TestLayers: three of tiny, which a
// package of the layer and a template tell apart, and two of other and of common. A Droplet runs the newest of
// tiny, and its record is written.
func checkImagesCommand(l *bakeLab, oldest int, written string) {
	t := l.T
	made(t, "bin/hornero")

	old := l.launch(oldest, "old")
	require.NotEmpty(t, old("hostname"))

	images := l.listed()
	require.Len(t, images, 7)

	newest := images[len(images)-3]
	require.Equal(t, "tiny", newest.Role)
	require.Equal(t, "debian-13", newest.Release)
	require.Equal(t, []string{"nyc3"}, newest.Regions)
	require.Positive(t, newest.Size)
	require.Equal(t, "tiny", newest.Droplets[0].Name)

	require.Equal(t,
		"old",
		images[len(images)-1].Droplets[0].Name,
	)

	var shown struct {
		Image  catalog.Image
		Record record.Image
	}
	l.horneroJSON(&shown, "show", "tiny")

	inside, err := record.Parse([]byte(written))
	require.NoError(t, err)
	require.Equal(t, inside, shown.Record, "the record here is the one in the image")
	require.True(t, strings.HasPrefix(shown.Record.Digest, shown.Image.Digest))

	var difference struct {
		record.Difference
		Contents []record.Change
	}
	l.horneroJSON(&difference, "diff", "tiny~1", "tiny")

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

	l.horneroJSON(&difference, "diff", strconv.Itoa(oldest), "tiny~1")
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

	_, said, err := l.hornero("", "show", "nobody")
	require.Error(t, err)
	require.Contains(t, said, "no such image")

	l.checkPrune(oldest)
}

func namesOf(changes []record.Change) (names []string) {
	for _, change := range changes {
		names = append(names, change.Name)
	}

	return names
}

func (l *bakeLab) checkPrune(oldest int) {
	t := l.T
	out, said, err := l.hornero("", "prune", "--keep", "1", "--dry-run")
	require.NoError(t, err, said)
	require.Contains(t, out, "would delete 3 images of 7")

	_, said, err = l.hornero("", "prune", "--keep", "1")
	require.Error(t, err)
	require.Contains(t, said, "delete 3 images? [y/N]")
	require.Len(t, l.listed(), 7)

	out, said, err = l.hornero("y\n", "prune", "--keep", "1")
	require.NoError(t, err, said)
	require.Contains(t, out, "deleted 3 images of 7")

	roles := map[string]int{}

	for _, image := range l.listed() {
		roles[image.Role]++
	}

	require.Equal(t, map[string]int{
		"common": 1,
		"other":  1,
		"tiny":   2,
	}, roles)

	require.Equal(t, oldest, l.listed()[3].ID, "what a Droplet runs stays")
	require.Len(t, l.recordFiles(), 4)

	out, said, err = l.hornero("", "prune", "--keep", "1", "--yes")
	require.NoError(t, err, said)
	require.Contains(t, out, "deleted 0 images of 4")
}
