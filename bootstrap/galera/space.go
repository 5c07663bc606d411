package galera

import (
	"fmt"
	"syscall"
	"time"
)

// Space is what the data directory's file system has for the server: bytes, and files that can still be made
// (inodes). Files is 0 where the file system sets no limit to them.
type Space struct{ Free, Total, FreeFiles, Files int64 }

// The floors: with less free space a node is short of it. An import fills the smallest in seconds, and the
// writer moves in one. A server makes a few files for each table, and for each query that it cannot hold in
// memory.
const (
	minFloor      = 256 << 20
	maxFloor      = 2 << 30
	minFloorFiles = 64
	maxFloorFiles = 4096
	floorShare    = 50 // of the total, between the two
)

// short tells whether there is too little space to take writes. A node that was short stays so until it has twice the
// floor, so that the writer does not move back and forth with what the server writes and removes.
func (s Space) short(was bool) bool {
	return below(s.Free, s.Total, minFloor, maxFloor, was) || s.shortOfFiles(was)
}

func (s Space) shortOfFiles(was bool) bool {
	return below(s.FreeFiles, s.Files, minFloorFiles, maxFloorFiles, was)
}

func below(free, total, least, most int64, was bool) bool {
	floor := max(least, min(total/floorShare, most))

	if was {
		floor *= 2
	}

	return total > 0 && free < floor
}

func (s Space) String() string {
	// The figures are coarse, because every status that differs is reported.
	if s.shortOfFiles(true) {
		return fmt.Sprintf("%d files", s.FreeFiles/16*16)
	}

	if s.Free >= 1<<30 {
		return fmt.Sprintf("%.1f GiB", float64(s.Free)/(1<<30))
	}

	return fmt.Sprintf("%d MiB", s.Free>>20/16*16)
}

// readOnly is ST_RDONLY of statfs(2).
const readOnly = 1

// Space asks the file system. One that became read-only has none left.
func (d DataDir) Space() (Space, error) {
	var stat syscall.Statfs_t

	if err := syscall.Statfs(d.Path, &stat); err != nil {
		return Space{}, fmt.Errorf("ask for the space at %s: %w", d.Path, err)
	}

	space := Space{
		Free:      int64(stat.Bavail) * stat.Bsize,
		Total:     int64(stat.Blocks) * stat.Bsize,
		FreeFiles: int64(stat.Ffree),
		Files:     int64(stat.Files),
	}

	if stat.Flags&readOnly != 0 {
		space.Free = 0
	}

	return space, nil
}

// measure looks how much space there is. What cannot be asked for stays as it was.
func (d *Driver) measure(local *Local) {
	if space, err := d.Data.Space(); err == nil {
		local.Space, local.Short = space, space.short(local.Short)
	}
}

// reportedFree is told now and then, like the seqno.
func (d *Driver) reportedFree(space Space) string {
	now := time.Now()
	if now.Sub(d.freeTime) >= d.Times.SeqnoEvery {
		d.free, d.freeTime = space.String(), now
	}

	return d.free
}
