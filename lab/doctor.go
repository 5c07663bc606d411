package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/lab/machine"
)

// Finding is something that this computer lacks for a lab, and how to mend it.
type Finding struct {
	Problem string
	Mend    string
}

// Examine finds what this computer lacks for a lab: privileges, packages, kernel features.
func Examine(ctx context.Context) []Finding {
	findings := []Finding{}
	if os.Geteuid() != 0 {
		findings = append(findings, Finding{"the lab needs root", "run it with sudo"})
	}

	if missing := missingPackages(ctx, machine.HostPackages()); len(missing) > 0 {
		findings = append(findings, Finding{
			Problem: "packages are missing: " + strings.Join(missing, ", "),
			Mend:    "apt-get install -y --no-install-recommends " + strings.Join(missing, " "),
		})
	}

	findings = append(findings, examineKernel()...)

	return append(findings, examineDisk(FolderOf(DefaultName).Parent)...)
}

func missingPackages(ctx context.Context, wanted []string) []string {
	missing := []string{}
	for _, name := range wanted {
		// dpkg knows removed packages, too: only "installed" counts
		status, err := command.Run(ctx,
			command.Command{Args: []string{"dpkg-query", "-W", "-f", "${db:Status-Status}", name}},
		)
		if err != nil || status != "installed" {
			missing = append(missing, name)
		}
	}

	return missing
}

// namespaceKinds are the namespaces that a Droplet lives in.
func namespaceKinds() []string {
	return []string{"net", "mnt", "pid", "uts", "ipc", "cgroup"}
}

func examineKernel() []Finding {
	findings := []Finding{}
	filesystems, err := os.ReadFile("/proc/filesystems")
	if err == nil && !strings.Contains(string(filesystems), "\toverlay\n") {
		findings = append(findings, Finding{
			Problem: "this kernel has no overlay file system (or it is not loaded)",
			Mend:    "modprobe overlay",
		})
	}

	if err == nil && !strings.Contains(string(filesystems), "\tcgroup2\n") {
		findings = append(findings, Finding{
			Problem: "this kernel has no cgroup v2",
			Mend:    "boot a kernel with CONFIG_CGROUPS",
		})
	}

	// a module that can be loaded is as good as one that is
	if _, err := os.Stat("/proc/sys/net/bridge"); err != nil &&
		exec.Command("modprobe", "br_netfilter").Run() != nil {
		findings = append(findings, Finding{
			Problem: "this kernel has no br_netfilter: Cloud Firewalls can't stand",
			Mend:    "modprobe br_netfilter",
		})
	}

	for _, kind := range namespaceKinds() {
		if _, err := os.Stat("/proc/self/ns/" + kind); err != nil {
			findings = append(findings, Finding{
				Problem: "this kernel has no " + kind + " namespaces",
				Mend:    "boot a kernel that has them",
			})
		}
	}

	if caps := effectiveCapabilities(); os.Geteuid() == 0 && caps&neededCapabilities() != neededCapabilities() {
		findings = append(findings, Finding{
			Problem: "root lacks privileges here (cap_sys_admin, cap_net_admin): an unprivileged container?",
			Mend:    "run the lab on the computer itself, in a virtual machine, or in a privileged container",
		})
	}

	return findings
}

func neededCapabilities() uint64 {
	return 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_NET_ADMIN
}

func effectiveCapabilities() uint64 {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData

	if err := unix.Capget(&header, &data[0]); err != nil {
		return neededCapabilities() // not known: not held against anybody
	}

	return uint64(data[1].Effective)<<32 | uint64(data[0].Effective)
}

// neededDisk is what base images, baked images and a stack of seven take, rounded up.
const neededDisk = 6 << 30

func examineDisk(folder string) []Finding {
	// the lab's folder may not exist yet: its parent is on the same file system
	for ; folder != "/"; folder = folder[:max(strings.LastIndex(folder, "/"), 1)] {
		if _, err := os.Stat(folder); err == nil {
			break
		}
	}

	var stat unix.Statfs_t

	// what can't be measured is not held against the computer
	if err := unix.Statfs(folder, &stat); err != nil {
		return nil
	}

	free := stat.Bavail * uint64(stat.Bsize)
	if free < neededDisk {
		return []Finding{{
			Problem: fmt.Sprintf(
				"%s has %d MB free; a stack in the lab takes up to %d MB",
				folder,
				free>>20,
				uint64(neededDisk)>>20,
			),
			Mend: fmt.Sprintf("free some, or move the lab: %s=/elsewhere", FolderVariable),
		}}
	}

	return nil
}
