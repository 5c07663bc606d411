package galera_test

import (
	"os"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
)

func (r *rig) free(bytes int64) {
	r.disk.edit(func(d *disk) { d.space.Free = bytes })
}

func (r *rig) isShort(yes bool) {
	r.t.Helper()
	r.eventually("short of space, or not any more", func() bool {
		return (r.fact(galera.FactShort) != "") == yes
	})
}

func TestAWriterWhoseDiskFillsHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.server.edit(serve)
		r.start()
		r.holds(peerset.LeaseWriter)

		t.Log("nobody else has room: it stays the writer")
		r.say(crowded("db-1"), crowded("db-3"))
		r.free(100 << 20)
		r.isShort(true)
		r.reason("its disk is nearly full, 96 MiB are free")
		require.Equal(t, "db-2", r.holder(peerset.LeaseWriter))

		t.Log("another has")
		r.say(primary("db-3", ours))
		r.released(peerset.LeaseWriter)

		self, _ := r.set.Snapshot().Peer("db-2")
		require.True(t, self.Healthy, "it can be read from")

		t.Log("a little more is not enough")
		r.free(900 << 20)
		r.says(galera.FactFree, "896 MiB")
		r.isShort(true)
		require.Empty(t, r.holder(peerset.LeaseWriter))

		r.free(2 << 30)
		r.isShort(false)
		r.holds(peerset.LeaseWriter)
	})
}

func TestAWriterThatCanMakeNoFilesHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.server.edit(serve)

		r.disk.edit(func(d *disk) {
			d.space.Files = 1_600_000
			d.space.FreeFiles = 1_500_000
		})

		r.start()
		r.holds(peerset.LeaseWriter)

		r.say(primary("db-3", ours))
		r.disk.edit(func(d *disk) { d.space.FreeFiles = 17 })
		r.isShort(true)
		r.reason("its disk is nearly full, 16 files are free")
		r.released(peerset.LeaseWriter)

		t.Log("a little more is not enough")
		r.disk.edit(func(d *disk) { d.space.FreeFiles = 8000 })
		r.reason("8000 files are free")
		r.isShort(true)

		r.disk.edit(func(d *disk) { d.space.FreeFiles = 8192 })
		r.isShort(false)
		r.holds(peerset.LeaseWriter)
	})
}

func TestTheFloorFollowsTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.server.edit(serve)
		r.say(primary("db-1", ours))
		r.start()

		for _, c := range []struct{ total, floor int64 }{
			{total: 8 << 30, floor: 256 << 20},
			{total: 50 << 30, floor: 1 << 30},
			{total: 1000 << 30, floor: 2 << 30},
		} {
			r.disk.edit(func(d *disk) {
				d.space = galera.Space{Free: 2 * c.floor, Total: c.total}
			})

			r.isShort(false)

			r.free(c.floor - 1)
			r.isShort(true)
		}

		for _, c := range []struct{ total, floor int64 }{
			{total: 1000, floor: 64},
			{total: 100_000, floor: 2000},
			{total: 6_000_000, floor: 4096},
		} {
			r.disk.edit(func(d *disk) {
				d.space = galera.Space{
					Free:      50 << 30,
					Total:     50 << 30,
					FreeFiles: 2 * c.floor,
					Files:     c.total,
				}
			})

			r.isShort(false)

			r.disk.edit(func(d *disk) {
				d.space.FreeFiles = c.floor - 1
			})
			r.isShort(true)
		}
	})
}

func TestSpaceIsWhatTheFileSystemSays(t *testing.T) {
	data := galera.DataDir{Path: t.TempDir()}
	space, err := data.Space()
	require.NoError(t, err)
	require.Positive(t, space.Total)
	require.LessOrEqual(t, space.Free, space.Total)
	require.LessOrEqual(t, space.FreeFiles, space.Files)

	_, err = galera.DataDir{Path: data.Path + "/none"}.Space()
	require.ErrorIs(t, err, os.ErrNotExist)
}
