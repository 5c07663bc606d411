package galera

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// donors are the other nodes that are to give this one its state, sorted: Synced, staying, and not the writer.
// Empty when the writer is all that there is.
func (in Input) donors() []string {
	var names []string
	writer := in.Peers.Holder(peerset.LeaseWriter)

	for _, peer := range in.Peers.Role(Role) {
		heard := peer.Alive || !in.Peers.Quorum // without a quorum it is what was last known
		if heard &&
			peer.Name != in.Node &&
			peer.Name != writer &&
			State(peer.State) == StateSynced &&
			!leaves(peer) {
			names = append(names, peer.Name)
		}
	}

	return names
}

// busy are the nodes for which a joiner waits rather than have the writer give: each gives its state to another
// now, and is a donor again soon. Galera itself would take the writer for an incremental transfer, whom it was
// told to prefer or not.
func (in Input) busy() []string {
	if len(in.donors()) > 0 {
		return nil
	}

	writer := in.Peers.Holder(peerset.LeaseWriter)

	return slices.DeleteFunc(in.otherPrimaries(), func(name string) bool {
		peer, _ := in.Peers.Peer(name)
		return name == writer || State(peer.State) != StateDonor || leaves(peer)
	})
}

// donorLine is the line of the server's configuration that names the donors. A joiner waits for one of those
// named, and asks nobody else: an empty name at the end would allow everybody, also the writer, while they are
// busy. It is there when the names are only what was known before the peer set lost its quorum: a server whose
// donors are all gone gives up.
func (in Input) donorLine() string {
	donors := in.donors()
	if len(donors) == 0 {
		return ""
	}
	if !in.Peers.Quorum {
		donors = append(donors, "")
	}

	return fmt.Sprintf("wsrep_sst_donor = %q\n", strings.Join(donors, ","))
}

// misdirected stops a start whose donor has become the writer since the server was told its name, while another could
// give. When it has asked already it is too late: the writer gives the writes up then, if the transfer lasts.
func (d *Driver) misdirected(ctx context.Context, f *following, in Input) (bool, error) {
	if !in.Peers.Quorum || in.Local.Process != ProcessStarting || d.Data.Transferring() {
		return false, nil
	}

	writer := in.Peers.Holder(peerset.LeaseWriter)
	if !slices.Contains(f.donors, writer) || len(in.donors()) == 0 {
		return false, nil
	}

	d.Log.Info("end the start of the server",
		"reason", writer+", which was to give its state, takes the writes now",
	)

	return true, d.end(ctx, f, in)
}
