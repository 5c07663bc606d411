package galera

import (
	"fmt"
	"syscall"
	"time"
)

// Space is what the data directory's file system has for the server, in bytes.
type Space struct{ Free, Total int64 }

// The floor: with less free space a node is short of it. An import fills the smallest in seconds, and the writer moves in one.
const (
	minFloor   = 256 << 20
	maxFloor   = 2 << 30
	floorShare = 50 // of the total, between the two
)

// short tells whether there is too little space to take writes. A node that was short is so until it has twice the floor:
// the writer does not go to and fro with what the server writes and removes.
func (s Space) short(was bool) bool {
	floor := max(minFloor, min(s.Total/floorShare, maxFloor))
	if was {
		floor *= 2
	}
	return s.Total > 0 && s.Free < floor
}

func (s Space) String() string {
	if s.Free >= 1<<30 {
		return fmt.Sprintf("%.1f GiB", float64(s.Free)/(1<<30))
	}
	return fmt.Sprintf("%d MiB", s.Free>>20/16*16) // coarse: a status that differs is told
}

// readOnly is ST_RDONLY of statfs(2).
const readOnly = 1

// Space asks the file system. One that became read-only has none left.
func (d DataDir) Space() (Space, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(d.Path, &stat); err != nil {
		return Space{}, fmt.Errorf("ask for the space at %s: %w", d.Path, err)
	}
	space := Space{Free: int64(stat.Bavail) * stat.Bsize, Total: int64(stat.Blocks) * stat.Bsize}
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
	if now := time.Now(); now.Sub(d.freeTime) >= d.Times.SeqnoEvery {
		d.free, d.freeTime = space.String(), now
	}
	return d.free
}
