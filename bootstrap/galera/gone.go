package galera

import (
	"fmt"
	"strconv"
	"strings"
)

// gone tells why this incarnation is to take no part any more; "" while it is. Its data may hold commits that nobody
// else has, and the cluster may have gone on without them. It must not meet the cluster again, whether it can ask
// anybody or not.
func (in Input) gone() string {
	// The disk remembers it: after a reboot there may be nobody to ask.
	if in.Local.Gone != "" {
		return in.Local.Gone
	}

	if forgotten, ok := in.Peers.Forgotten()[in.Node]; ok && forgotten >= in.Incarnation {
		return "it was declared gone"
	}

	if peer, ok := in.Peers.Peer(in.Node); ok && peer.Incarnation > in.Incarnation {
		return fmt.Sprintf("incarnation %d took its name", peer.Incarnation)
	}

	return ""
}

// retire is all that is left for an incarnation that is gone.
func (in Input) retire(why string) Action {
	reason := "this incarnation never serves again: " + why + "; replace the node"

	if in.Local.down() || in.Local.Process == ProcessStopping {
		return wait(StateStopped, reason)
	}

	return Action{Kind: Stop, State: StateStopped, Reason: reason}
}

// rememberGone leaves on disk that this incarnation is gone: after a reboot there may be nobody to say so.
func (d *Driver) rememberGone(in Input) {
	why := in.gone()
	if why == "" || in.Local.Gone != "" {
		return
	}

	err := d.Data.MarkGone(d.Incarnation, why)
	if err != nil && !d.goneMarked {
		d.Log.Warn("remember that this incarnation is gone", "reason", why, "err", err)
	}

	// It is tried at every look, and complained of once.
	d.goneMarked = true
}

// MarkGone leaves the mark that an incarnation is gone.
func (d DataDir) MarkGone(incarnation int, why string) error {
	return d.write(goneMark, []byte(fmt.Sprintf("%d %s\n", incarnation, why)))
}

// GoneReason tells why an incarnation is gone; "" when it is not. A mark of an earlier incarnation says nothing of this
// one.
func (d DataDir) GoneReason(incarnation int) (string, error) {
	text, err := readIfThere(d.Path, goneMark)
	if err != nil || text == "" {
		return "", err
	}

	number, why, _ := strings.Cut(strings.TrimSpace(text), " ")

	marked, err := strconv.Atoi(number)
	if err != nil || marked < incarnation {
		return "", err
	}

	return why, nil
}
