package machine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/internal/file"
)

// rebootLoop runs nspawn again each time the guest reboots: with --keep-unit nspawn leaves that to whoever started it
// and says so by this exit code.
const rebootLoop = `while "$@" </dev/null; code=$?; [ $code -eq 133 ]; do :; done; exit $code`

// launchSpec is what the launcher needs to know: it runs as a process of its own, and the lab may be gone by then.
type launchSpec struct {
	Machine   string   `json:"machine"`
	Hostname  string   `json:"hostname"`
	Folder    string   `json:"folder"` // of the Droplet
	Disk      string   `json:"disk"`   // where upper and work lie
	Layers    []string `json:"layers"` // the lowest first
	Namespace string   `json:"namespace"`
	Memory    int      `json:"memory"` // MB
	Groups    []string `json:"groups"` // of cgroup v1, that it enters first of all
}

// launch starts the launcher in a session and a cgroup of its own. Nothing ties it to this process.
func (h *Host) launch(id int) error {
	droplet, err := h.Droplet(id)
	if err != nil {
		return err
	}

	name := h.Namespace(number(id))
	spec := launchSpec{
		Machine:   name,
		Hostname:  droplet.Hostname,
		Folder:    h.folder(id),
		Layers:    droplet.Layers,
		Disk:      filepath.Dir(h.upper(id)),
		Namespace: namespacePath(name),
		Memory:    droplet.Memory,
	}

	if _, err := file.Write(
		filepath.Join(spec.Folder, memoryFile),
		[]byte(memoryInfo(spec.Memory)),
		file.Options{Mode: 0o444},
	); err != nil {
		return err
	}

	// nspawn refuses to bind a folder that is missing, as this one is until a volume is attached.
	if err := os.MkdirAll(h.disks(id), 0o755); err != nil {
		return fmt.Errorf("make the folder of disks: %w", err)
	}

	if spec.Groups, err = h.makeOldGroups(droplet); err != nil {
		return fmt.Errorf("hold it to its size: %w", err)
	}

	path := filepath.Join(h.folder(id), "launch.json")

	if err := writeJSON(path, spec); err != nil {
		return err
	}

	if err := h.spawn(
		number(id),
		append(slices.Clone(h.Launcher), path),
		h.console(id),
	); err != nil {
		return err
	}

	return h.limitGroup(droplet)
}

// spawn starts a program in a station's cgroup, in a session of its own, its output appended to a file.
func (h *Host) spawn(station string, args []string, log string) error {
	group, err := h.group(station)
	if err != nil {
		return err
	}

	// A cgroup that was killed may still hold empty folders of the guest's units.
	if err := errors.Join(group.Remove(), group.Make()); err != nil {
		return err
	}

	folder, err := os.Open(string(group))
	if err != nil {
		return fmt.Errorf("open cgroup: %w", err)
	}
	defer folder.Close()

	output, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer output.Close()

	// Not bound to a context: the program is to outlive this process.
	program := exec.Command(args[0], args[1:]...)
	program.Stdout = output
	program.Stderr = output
	program.Dir = "/"

	// The program is born in its cgroup: nothing that it forks can be outside, however early.
	program.SysProcAttr = &syscall.SysProcAttr{
		Setsid:      true,
		UseCgroupFD: true,
		CgroupFD:    int(folder.Fd()),
	}

	if err := program.Start(); err != nil {
		return fmt.Errorf("run %s: %w", args[0], err)
	}

	go program.Wait() // only to reap it; whether it runs is asked of its cgroup

	return nil
}

// Launch becomes a Droplet: in a mount namespace of its own it mounts the disk, and executes systemd-nspawn. It
// returns only when that fails.
func Launch(path string) error {
	var spec launchSpec

	if err := readJSON(path, &spec); err != nil {
		return fmt.Errorf("launch: %w", err)
	}

	// A mount namespace belongs to a thread: unshare, mounts and exec must happen on the same one.
	runtime.LockOSThread()

	// The groups of cgroup v1 come first: isolate covers the mounts by which they are reached.
	if err := enter(spec.Groups); err != nil {
		return fmt.Errorf("launch %s: %w", spec.Machine, err)
	}

	if err := isolate(spec); err != nil {
		return fmt.Errorf("launch %s: %w", spec.Machine, err)
	}

	args := append([]string{"sh", "-c", rebootLoop, "sh"}, nspawnArgs(spec)...)

	// API_VFS_WRITABLE=network lets guests set the sysctls of their own network.
	environment := []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1",
		"SYSTEMD_NSPAWN_LOCK=0",
		"SYSTEMD_NSPAWN_API_VFS_WRITABLE=network",
	}

	return fmt.Errorf(
		"launch %s: run %s: %w",
		spec.Machine,
		args[0],
		syscall.Exec("/bin/sh", args, environment),
	)
}

// isolate leaves the computer's mounts: what is mounted from here on is seen by nobody else and goes with the last
// process. A /run of its own keeps nspawn's locks out of the computer's.
func isolate(spec launchSpec) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("leave the mount namespace: %w", err)
	}

	// Slave and not private: what this computer unmounts later is unmounted here, too.
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}

	// The copy of the mount table holds every Droplet's disk, and would keep them in use.
	if err := forgetDisks(spec.Disk); err != nil {
		return err
	}

	if err := mountDisk(spec); err != nil {
		return err
	}

	// A fresh mount of cgroup v2 gives nspawn a unified hierarchy, whatever this computer mounts there.
	if err := unix.Mount(
		"none",
		"/sys/fs/cgroup",
		"cgroup2",
		unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC,
		"",
	); err != nil {
		return fmt.Errorf("mount cgroup v2: %w", err)
	}

	return coverRun(spec.Namespace)
}

// coverRun puts an empty /run over the computer's, with nothing in it but the Droplet's own network namespace.
func coverRun(namespace string) error {
	// Opened before /run is covered: afterwards the path leads nowhere.
	source, err := os.Open(namespace)
	if err != nil {
		return fmt.Errorf("open namespace: %w", err)
	}
	defer source.Close()

	if err := unix.Mount(
		"none",
		"/run",
		"tmpfs",
		unix.MS_NOSUID|unix.MS_NODEV,
		"mode=755",
	); err != nil {
		return fmt.Errorf("cover /run: %w", err)
	}

	if err := errors.Join(
		os.Mkdir(filepath.Dir(namespace), 0o755),
		os.WriteFile(namespace, nil, 0o444),
	); err != nil {
		return fmt.Errorf("cover /run: %w", err)
	}

	if err := unix.Mount(
		fmt.Sprintf("/proc/self/fd/%d", source.Fd()),
		namespace,
		"",
		unix.MS_BIND,
		"",
	); err != nil {
		return fmt.Errorf("bind namespace: %w", err)
	}

	return nil
}

// mountDisk mounts the Droplet's file system. What only makes copying up quicker is off: a layer must be whole
// without it.
func mountDisk(spec launchSpec) error {
	work, root := filepath.Join(spec.Disk, "work"), filepath.Join(spec.Folder, "root")

	if err := errors.Join(
		os.RemoveAll(work),
		os.MkdirAll(work, 0o755),
		os.MkdirAll(root, 0o755),
	); err != nil {
		return fmt.Errorf("mount disk: %w", err)
	}

	// overlayfs names the topmost layer first.
	lower := slices.Clone(spec.Layers)
	slices.Reverse(lower)

	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,index=off,metacopy=off,redirect_dir=off,xino=off",
		strings.Join(lower, ":"), filepath.Join(spec.Disk, "upper"), work)

	// The kernel takes one page of mount options and cuts off the rest without an error.
	if limit := os.Getpagesize(); len(options) >= limit {
		return fmt.Errorf(
			"mount disk: %d layers: their paths are longer than %d bytes together",
			len(lower),
			limit,
		)
	}

	if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
		return fmt.Errorf("mount disk of %d layers: %w", len(lower), err)
	}

	return nil
}

// disksFolder holds a node for each volume that a Droplet has; the Droplet sees it as /dev/disk/by-id.
const disksFolder = "disks"

// memoryFile is what a Droplet sees for /proc/meminfo, which would otherwise tell of this computer's memory.
const memoryFile = "meminfo"

func memoryInfo(megabytes int) string {
	kilobytes := megabytes << 10
	var text strings.Builder

	for _, line := range []struct {
		name  string
		value int
	}{
		{"MemTotal", kilobytes},
		{"MemFree", kilobytes / 2},
		{"MemAvailable", kilobytes * 3 / 4},
		{"Buffers", 0},
		{"Cached", kilobytes / 4},
		{"SwapCached", 0},
		{"Active", kilobytes / 4},
		{"Inactive", kilobytes / 4},
		{"SwapTotal", 0},
		{"SwapFree", 0},
		{"Dirty", 0},
		{"Shmem", 0},
		{"Slab", 0},
		{"SReclaimable", 0},
		{"CommitLimit", kilobytes},
		{"Committed_AS", kilobytes / 4},
	} {
		fmt.Fprintf(&text, "%-16s%8d kB\n", line.name+":", line.value)
	}

	return text.String()
}

// nspawnArgs binds meminfo in two steps: nspawn looks for the source of what goes to /proc when only the
// Droplet's own files are left to be seen.
func nspawnArgs(spec launchSpec) []string {
	return []string{
		"systemd-nspawn", "--quiet", "--boot",
		"--directory=" + filepath.Join(spec.Folder, "root"),
		"--machine=" + spec.Machine, "--hostname=" + spec.Hostname,
		"--register=no", "--keep-unit", "--settings=no",
		"--network-namespace-path=" + spec.Namespace,
		"--capability=CAP_NET_ADMIN",
		"--bind-ro=" + filepath.Join(spec.Folder, memoryFile) +
			":/run/host/meminfo", "--bind-ro=/run/host/meminfo:/proc/meminfo",
		"--bind=" + filepath.Join(spec.Folder, disksFolder) + ":/dev/disk/by-id",
		"--console=read-only", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
	}
}

// tailOf returns the end of a log, for the error that points at it.
func tailOf(path string) string {
	const size = 1024
	log, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer log.Close()

	if info, err := log.Stat(); err == nil && info.Size() > size {
		log.Seek(-size, io.SeekEnd)
	}

	text, _ := io.ReadAll(log)

	return strings.TrimSpace(string(text))
}
