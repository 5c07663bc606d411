package rootfs

import (
	"os"
	"path/filepath"
	"strings"
)

// text is a file of the system that no package brings, or a link.
type text struct{ path, text, link string }

// kernelOptions make the first network device eth0, as on DigitalOcean's own images, and say everything on the
// serial port, too; the last console is where init speaks.
const kernelOptions = "net.ifnames=0 console=tty0 console=ttyS0,115200n8"

// notInContainers tells systemd that a unit is not for containers: who runs one configures its network, and
// mounts its root file system, from outside.
const notInContainers = "[Unit]\nConditionVirtualization=!container\n"

// files are written over what the packages brought. A custom image gets its addresses by DHCP; what cloud-init
// is told of the network goes first, as its files' names come first.
func files(uuid string) []text {
	return []text{
		// NoCloud must not come before ConfigDrive (DigitalOcean, "Custom Images Limits").
		{
			path: "etc/cloud/cloud.cfg.d/90_rootfs.cfg",
			text: "datasource_list: [ConfigDrive, DigitalOcean, NoCloud, None]\n" +
				"disable_root: false\nusers: []\nmanage_etc_hosts: true\nlocale: C.UTF-8\n",
		},
		{path: "etc/systemd/network/80-dhcp.network", text: "[Match]\nName=eth0\n\n[Network]\nDHCP=ipv4\n"},

		// Nobody waits for the others: there may be no server behind them.
		{
			path: "etc/systemd/network/81-dhcp.network",
			text: "[Match]\nName=eth* en*\n\n[Network]\nDHCP=ipv4\n\n" +
				"[DHCP]\nUseRoutes=false\n\n[Link]\nRequiredForOnline=no\n",
		},
		{path: "etc/systemd/system/systemd-networkd.service.d/rootfs.conf", text: notInContainers},
		{path: "etc/systemd/system/systemd-networkd-wait-online.service.d/rootfs.conf", text: notInContainers},
		{path: "etc/systemd/system/systemd-remount-fs.service.d/rootfs.conf", text: notInContainers},
		enabled("multi-user.target", "systemd-networkd.service"),
		enabled("network-online.target", "systemd-networkd-wait-online.service"),
		enabled("multi-user.target", "systemd-resolved.service"),
		{path: "etc/systemd/resolved.conf.d/rootfs.conf", text: "[Resolve]\nLLMNR=no\nMulticastDNS=no\n"},
		{path: "etc/resolv.conf", link: "../run/systemd/resolve/resolv.conf"},
		{path: "etc/fstab", text: "UUID=" + uuid + " / ext4 errors=remount-ro 0 1\n"},
		{path: "etc/hosts", text: "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"},

		// Empty, not absent: an absent one makes the next boot a first boot, which enables every unit.
		{path: "etc/machine-id"},
		{
			path: "etc/default/grub",
			text: "GRUB_DEFAULT=0\nGRUB_TIMEOUT=1\nGRUB_DISTRIBUTOR=Debian\n" +
				"GRUB_CMDLINE_LINUX=\"" + kernelOptions + "\"\n" +
				"GRUB_TERMINAL=\"serial console\"\n" +
				"GRUB_SERIAL_COMMAND=\"serial --unit=0 --speed=115200\"\n" +
				"GRUB_DISABLE_OS_PROBER=true\n",
		},
		{path: "boot/grub/grub.cfg", text: grubConfig(uuid)},
	}
}

// enabled is the link by which a target starts a unit of Debian's.
func enabled(target, unit string) text {
	return text{
		path: "etc/systemd/system/" + target + ".wants/" + unit,
		link: "/lib/systemd/system/" + unit,
	}
}

// grubConfig boots the newest kernel: Debian's kernel packages keep the two links. update-grub may replace it
// on a Droplet.
func grubConfig(uuid string) string {
	return `# Boots the newest kernel. update-grub writes another from /etc/default/grub.
serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
set timeout=1
menuentry "Debian" {
	search --no-floppy --fs-uuid --set=root ` + uuid + `
	linux /vmlinuz root=UUID=` + uuid + ` ro ` + kernelOptions + `
	initrd /initrd.img
}
`
}

// modulesFolder is where grub-install would put GRUB's modules, which a configuration by update-grub loads.
const (
	modulesFolder = "boot/grub/i386-pc"
	modulesSource = "usr/lib/grub/i386-pc"
)

func copyModules(root string) error {
	into := filepath.Join(root, modulesFolder)

	if err := os.MkdirAll(into, 0o755); err != nil {
		return err
	}

	entries, err := os.ReadDir(filepath.Join(root, modulesSource))
	if err != nil {
		return err
	}

	for _, entry := range entries {
		// The folder also has images of GRUB's own, which only its installer reads.
		if !strings.HasSuffix(entry.Name(), ".mod") && !strings.HasSuffix(entry.Name(), ".lst") {
			continue
		}

		data, err := os.ReadFile(filepath.Join(root, modulesSource, entry.Name()))
		if err != nil {
			return err
		}

		if err := os.WriteFile(filepath.Join(into, entry.Name()), data, 0o644); err != nil {
			return err
		}
	}

	return nil
}
