package media

import (
	"sync"
	"syscall"
	"time"
)

// relieveAgain is how long a full disk is left alone after nothing could be evicted: what fills it is another's.
const relieveAgain = time.Minute

// roomTimes are when a full disk was looked at in vain.
type roomTimes struct {
	mu     sync.Mutex
	inVain time.Time
}

// disk is how large the disk of the files is, and how much of it is taken, in bytes.
func (d *Daemon) disk() (size, taken int64, err error) {
	if d.Disk != nil {
		return d.Disk()
	}

	var found syscall.Statfs_t

	if err := syscall.Statfs(d.Config.Folder, &found); err != nil {
		return 0, 0, err
	}

	size = int64(found.Blocks) * found.Bsize

	return size, size - int64(found.Bavail)*found.Bsize, nil
}

// makeRoom evicts what the Space has and nobody reads, where the files take more of the disk than their share.
func (d *Daemon) makeRoom() {
	size, _, err := d.disk()
	if err == nil && d.Config.Share > 0 {
		_, err = d.evict(size, restWhile)
	}

	d.note("make room", err)
}

// relieve evicts what the Space has where the disk fills faster than files grow old, as in an import of a library that
// is larger than the disk: from the middle between the files' share and a full disk on.
func (d *Daemon) relieve() {
	if d.spaces == nil || d.Config.Share == 0 {
		return
	}

	size, taken, err := d.disk()
	if err != nil || taken*200 < size*int64(d.Config.Share+100) {
		return
	}

	d.room.mu.Lock()
	defer d.room.mu.Unlock()

	if time.Since(d.room.inVain) < relieveAgain {
		return
	}

	count, err := d.evict(size, 0)
	if count == 0 {
		d.room.inVain = time.Now()
	}

	d.note("make room", err)
}

// evict leaves the files their share of a disk.
func (d *Daemon) evict(size int64, rest time.Duration) (int, error) {
	count, err := d.library.evict(size/100*int64(d.Config.Share), rest)
	if count > 0 {
		d.Log.Info("files evicted", "count", count)
	}

	return count, err
}
