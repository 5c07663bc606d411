package seal

import (
	"context"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

func sizeOf(info fs.FileInfo) int64 {
	const block = 512 // stat(2), st_blocks
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Blocks * block
	}

	return info.Size()
}

// socket is something that waits for others.
type socket struct {
	protocol string // tcp or udp
	address  netip.Addr
	port     int
	inode    string
}

// tables are the kernel's lists of sockets (proc_net_tcp, proc(5)) and the state that a waiting one has in each.
var tables = []struct{ file, protocol, waiting string }{
	{"tcp", "tcp", "0A"}, {"tcp6", "tcp", "0A"}, {"udp", "udp", "07"}, {"udp6", "udp", "07"},
}

// Ports where a client of DHCP hears its server's answer.
var dhcpClients = []int{68, 546}

// checkPorts looks for who listens besides sshd and what the manifests name. Loopback is not checked: no other
// machine reaches it.
func (n *inspection) checkPorts(context.Context) {
	named := map[int]bool{}
	for _, manifest := range n.manifests {
		for _, port := range manifest.Ports {
			named[port.Port] = true
		}
	}

	// A daemon that listens on IPv4 and IPv6 is in two tables.
	told := map[string]bool{}

	for _, socket := range n.sockets() {
		if named[socket.port] || socket.address.IsLoopback() {
			continue
		}

		owner := n.holder(socket.inode)
		name := fmt.Sprintf("%s port %d", socket.protocol, socket.port)

		if owner == "sshd" || told[name] {
			continue
		}

		told[name] = true

		n.fault("name the port in the manifest, or disable the service in a bake command",
			"%s listens on %s, which no manifest names", owner, name)
	}
}

func (i *Image) sockets() []socket {
	least, most := i.ephemeral()
	var found []socket

	for _, table := range tables {
		data, err := os.ReadFile(i.at(filepath.Join("/proc/net", table.file)))
		if err != nil {
			// Without IPv6 there is no such table.
			continue
		}

		for line := range strings.Lines(string(data)) {
			// The header of the table is no socket either.
			one, ok := parseSocket(line, table.waiting)

			// A client waits for its answer on a port that the kernel chose.
			client := table.protocol == "udp" &&
				(slices.Contains(dhcpClients, one.port) || one.port >= least && one.port <= most)
			if ok && !client {
				one.protocol = table.protocol
				found = append(found, one)
			}
		}
	}

	return found
}

// parseSocket reads a line of a table: number, local address, remote address, state, five more, inode.
func parseSocket(line, waiting string) (socket, bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != waiting {
		return socket{}, false
	}

	host, port, _ := strings.Cut(fields[1], ":")
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return socket{}, false
	}

	address, ok := parseAddress(host)

	return socket{
		address: address,
		port:    int(number),
		inode:   fields[9],
	}, ok
}

// parseAddress reads an address as the kernel prints it: words of four bytes, each in the machine's order, which is
// little-endian on all that Droplets are.
func parseAddress(text string) (netip.Addr, bool) {
	data, err := hex.DecodeString(text)
	if err != nil || len(data)%4 != 0 {
		return netip.Addr{}, false
	}

	for word := range slices.Chunk(data, 4) {
		slices.Reverse(word)
	}

	address, ok := netip.AddrFromSlice(data)

	return address.Unmap(), ok
}

// ephemeral is the range that the kernel takes clients' ports from.
func (i *Image) ephemeral() (least, most int) {
	// These are the kernel's defaults.
	least, most = 32768, 60999
	if data, err := os.ReadFile(i.at("/proc/sys/net/ipv4/ip_local_port_range")); err == nil {
		_, _ = fmt.Sscan(string(data), &least, &most)
	}

	return least, most
}

// holder is the name of the process that has a socket open.
func (i *Image) holder(inode string) string {
	// Glob fails only on a malformed pattern. A process may end while its links are read.
	links, _ := filepath.Glob(i.at("/proc/[0-9]*/fd/*"))
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == "socket:["+inode+"]" {
			name, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(link)), "comm"))
			if err == nil {
				return strings.TrimSpace(string(name))
			}
		}
	}

	return "a process"
}
