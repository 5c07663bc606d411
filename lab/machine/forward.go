package machine

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/internal/command"
)

// forwardTable names the nftables table of a place that passes packets on. It is in the place's own namespace.
const forwardTable = "hornero_forward"

// Forward has such a place pass packets on to these targets, as the chains of an nftables table say. It is
// given all of both, and puts them in force at once; no chains, and nothing is passed on. What is remembered of
// datagrams is forgotten unless one of the targets has them, so that the next one of a client goes by the new
// chains.
func (h *Host) Forward(ctx context.Context, name, chains string, targets []netip.Addr) error {
	defer h.lock(name)()

	// Naming the table first makes it, because nft fails to delete one that is not there.
	rules, forward := fmt.Sprintf("table ip %[1]s\ndelete table ip %[1]s\n", forwardTable), "0"
	if chains != "" {
		rules, forward = rules+fmt.Sprintf("table ip %s {\n%s}\n", forwardTable, chains), "1"
	}

	err := within(h.Namespace(name), func() error {
		if _, err := command.Run(ctx, command.Command{
			Args:  []string{"nft", "-f", "-"},
			Input: rules,
		}); err != nil {
			return err
		}

		// An ICMP redirect would tell a client to send to the target itself, past the load balancer.
		return setSysctls(map[string]string{
			"ipv4/ip_forward":               forward,
			"ipv4/conf/all/send_redirects":  "0",
			"ipv4/conf/eth0/send_redirects": "0",
			"ipv4/conf/eth1/send_redirects": "0",
		})
	})
	if err == nil {
		err = forgetDatagrams(h.Namespace(name), targets)
	}

	if err != nil {
		return fmt.Errorf("pass packets on in %s: %w", name, err)
	}

	return nil
}

// forgetDatagrams ends what a namespace remembers of datagrams, but for those that a target answers.
func forgetDatagrams(namespace string, targets []netip.Addr) error {
	inside, err := openWire(namespace)
	if err != nil {
		return err
	}
	defer inside.close()

	handle, err := netlink.NewHandleAt(inside.namespace, unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer handle.Close()

	// A client that goes on sending would otherwise reach its old target for as long as it does.
	_, err = handle.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, elsewhere(targets))

	return err
}

// elsewhere matches datagrams that none of these addresses answers.
type elsewhere []netip.Addr

// MatchConntrackFlow tells whether a flow is to be forgotten.
func (e elsewhere) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	// The source of the replies is the target that the kernel chose for the client.
	answers, _ := netip.AddrFromSlice(flow.Reverse.SrcIP)
	return flow.Forward.Protocol == unix.IPPROTO_UDP && !slices.Contains(e, answers.Unmap())
}
