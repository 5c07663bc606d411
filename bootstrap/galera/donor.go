package galera

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// donors are the other nodes that are to give this one its state, sorted: Synced, staying, and not the writer. Empty
// when the writer is all that there is.
func (in Input) donors() []string {
	var names []string
	writer := in.Peers.Holder(peerset.LeaseWriter)

	for _, peer := range in.Peers.Role(in.Role) {
		spared := peer.Name == in.Node || peer.Name == writer

		// Without a quorum nobody can tell who is alive, and what was last known has to do.
		alive := peer.Alive || !in.Peers.Quorum
		stays := State(peer.State) == StateSynced && !leaves(peer)

		if !spared && alive && stays {
			names = append(names, peer.Name)
		}
	}

	return names
}

// busyDonors are the nodes for which a joiner waits rather than have the writer give. Each gives its state to another
// now, and is a donor again soon. Galera itself would take the writer for an incremental transfer, whatever donor it
// was told to prefer.
func (in Input) busyDonors() []string {
	if len(in.donors()) > 0 {
		return nil
	}

	writer := in.Peers.Holder(peerset.LeaseWriter)

	return slices.DeleteFunc(in.otherPrimaries(), func(name string) bool {
		peer, _ := in.Peers.Peer(name)
		return name == writer || State(peer.State) != StateDonor || leaves(peer)
	})
}

// donorLine is the line of the server's configuration that names the donors. A joiner waits for one of those named,
// and asks nobody else: an empty name at the end would allow everybody, also the writer, while they are busy. The
// empty name is there when the donors are only those known before the peer set lost its quorum: a server whose donors
// are all gone gives up.
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

// endIfDonorWrites ends a start whose donor has become the writer since the server was told its name, while another
// could give. When the server has asked already it is too late: the writer gives the writes up then, if the transfer
// lasts.
func (d *Driver) endIfDonorWrites(ctx context.Context, s *startup, in Input) (bool, error) {
	if !in.Peers.Quorum || in.Local.Process != ProcessStarting || d.Data.Transferring() {
		return false, nil
	}

	writer := in.Peers.Holder(peerset.LeaseWriter)
	if !slices.Contains(s.donors, writer) || len(in.donors()) == 0 {
		return false, nil
	}

	d.Log.Info("end the start of the server",
		"reason", writer+", which was to give its state, takes the writes now",
	)

	return true, d.end(ctx, s, in)
}
