package immutable_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/internal/status"
)

// sealed gives a baked image the list of its files, as the last step of a bake does.
func sealed(t *testing.T) baked {
	b := bake(t)
	b.write("/opt/vendor/tool", "a tool")

	contents := record.Contents{}
	require.NoError(t, filepath.WalkDir(b.Root, func(name string, _ fs.DirEntry, err error) error {
		within, _ := filepath.Rel(b.Root, name)
		contents[filepath.Join("/", within)] = "something"
		return err
	}))

	list, err := contents.Pack()
	require.NoError(t, err)
	b.write(record.ContentsPath, string(list))

	return b
}

// hold holds the node to its image, later than all that is there: the clock of files is coarse.
func (b baked) hold() {
	b.Helper()
	require.NoError(b, b.MarkLocked())

	mark := filepath.Join(b.State, "held")
	info, err := os.Stat(mark)
	require.NoError(b, err)

	require.Eventually(b, func() bool {
		b.write("/clock", "")
		now, err := os.Stat(b.at("/clock"))
		require.NoError(b, err)

		return now.ModTime().After(info.ModTime())
	}, 5*time.Second, time.Millisecond)
}

func TestWhatIsAddedIsFound(t *testing.T) {
	b := sealed(t)
	findings := func() []status.Finding {
		pass, err := b.Check(t.Context(), 1)
		require.NoError(t, err)
		return pass.Findings
	}

	b.write("/usr/local/bin/early", "by what user-data has cloud-init do")
	require.Empty(t, findings(), "the node is not held yet")
	b.hold()
	require.Empty(t, findings(), "the node's own")

	b.write("/usr/bin/backdoor", "#!/bin/sh")
	b.write("/usr/lib/systemd/system/miner.service.d/a.conf", "[Service]")
	b.write("/usr/lib/systemd/system/miner.service.d/deep/b.conf", "[Service]")
	b.write("/opt/agent/run", "#!/bin/sh")
	require.NoError(t, os.Symlink("backdoor", b.at("/usr/bin/other")))
	require.NoError(t, os.MkdirAll(b.at("/usr/share/empty"), 0o755))

	// As a module's first user writes it; what else is there is no cache.
	b.write("/usr/share/tool/__pycache__/data.cpython-313.pyc", "")
	b.write("/usr/share/tool/data.pyc", "")
	b.write("/etc/tool.d/more.conf", "the role's, or an operator's")
	b.write("/var/lib/tool/state", "data")

	require.Equal(t, []status.Finding{
		{Path: "/usr/bin/backdoor", What: "is added"},
		{Path: "/usr/bin/other", What: "is added"},
		{Path: "/usr/lib/systemd", What: "is added, files in it: 2"},
		{Path: "/usr/share/tool/data.pyc", What: "is added"},
		{Path: "/opt/agent", What: "is added, files in it: 1"},
	}, findings())

	t.Log("a time that was set back hides nothing, and neither does another boot")

	old := time.Now().Add(-24 * time.Hour)
	require.NoError(t, os.Chtimes(b.at("/usr/bin/backdoor"), old, old))
	require.NoError(t, b.MarkLocked())
	require.Len(t, findings(), 5)

	own, err := b.CheckOwn(t.Context())
	require.NoError(t, err)
	require.Empty(t, own.Findings, "a glance does not look for it")

	added := []string{
		"/usr/bin/backdoor",
		"/usr/bin/other",
		"/usr/lib/systemd",
		"/usr/share/tool/data.pyc",
		"/opt/agent",
	}

	for _, path := range added {
		require.NoError(t, os.RemoveAll(b.at(path)))
	}

	require.Empty(t, findings())
}

func TestAListThatIsTornIsTold(t *testing.T) {
	b := sealed(t)
	b.hold()
	b.write("/usr/bin/backdoor", "#!/bin/sh")
	b.write(record.ContentsPath, "torn")

	_, err := b.Check(t.Context(), 1)
	require.ErrorContains(t, err, "read the list of files")

	require.NoError(t, os.Remove(b.at(record.ContentsPath)))

	pass, err := b.Check(t.Context(), 1)
	require.NoError(t, err)
	require.Empty(t, pass.Findings, "an image of a recipe that made no list")
}
