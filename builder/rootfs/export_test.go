package rootfs

import "context"

// The parts of a disk's making that need no kernel of the system.
var InstallGRUB = installGRUB

func (d Disk) Partition(ctx context.Context, raw string) error {
	return d.partition(ctx, raw)
}

func (d Disk) Fill(ctx context.Context, root, raw string) error {
	return d.fill(ctx, root, raw)
}

// Sleep runs a jail that outlasts any test.
func Sleep() error {
	s, err := jail{args: []string{"sh", "-c", "mount -t tmpfs none /mnt && sleep 1000; true"}}.start()
	if err != nil {
		return err
	}

	<-s.ended

	return s.err
}
