package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/status"
)

func (w *world) dial(_ context.Context, _, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	w.mutex.Lock()
	defer w.mutex.Unlock()

	for _, machine := range w.machines {
		if machine.Public.String() == host {
			return w.connect(w.document(machine), machine.Private.String())
		}
	}

	return nil, errors.New("no route to host")
}

func (w *world) connect(document cloudinit.Node, address string) (net.Conn, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}

	go func() {
		defer listener.Close()
		if connection, err := listener.Accept(); err == nil {
			w.shell(document, address, connection)
		}
	}()

	return net.Dial("tcp", listener.Addr().String())
}

// sshConfig is a node's: the host key and certificate of its document, for the authorized key of its document.
func sshConfig(document cloudinit.Node) (*ssh.ServerConfig, error) {
	checkKey := func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
		if line != document.SSH.AuthorizedKeys[0] {
			return nil, errors.New("a stranger's key")
		}

		return nil, nil
	}

	key, err := ssh.ParsePrivateKey([]byte(document.SSH.HostKey.Reveal()))
	if err != nil {
		return nil, err
	}

	certificate, _, _, _, err := ssh.ParseAuthorizedKey([]byte(document.SSH.HostCertificate))
	if err != nil {
		return nil, err
	}

	signer, err := ssh.NewCertSigner(certificate.(*ssh.Certificate), key)
	if err != nil {
		return nil, err
	}

	config := &ssh.ServerConfig{PublicKeyCallback: checkKey}
	config.AddHostKey(signer)

	return config, nil
}

// shell serves SSH as a node does.
func (w *world) shell(document cloudinit.Node, address string, connection net.Conn) {
	defer connection.Close()

	config, err := sshConfig(document)
	if err != nil {
		w.t.Error(err)
		return
	}

	_, channels, requests, err := ssh.NewServerConn(connection, config)
	if err != nil {
		return // the other side says why
	}

	go ssh.DiscardRequests(requests)

	for channel := range channels {
		session, asked, err := channel.Accept()
		if err != nil {
			return
		}

		go w.session(document, address, session, asked)
	}
}

func (w *world) session(document cloudinit.Node, address string, session ssh.Channel, asked <-chan *ssh.Request) {
	defer session.Close()

	for request := range asked {
		if request.Type == "pty-req" {
			w.noteTerminal(document.Node, request)
			continue
		}

		if request.Type != "exec" {
			_ = request.Reply(false, nil)
			continue
		}

		go func() {
			for request := range asked {
				w.noteTerminal(document.Node, request)
			}
		}()

		_ = request.Reply(true, nil)

		w.mutex.Lock()
		silent := w.silent == document.Node
		remembers := w.remembers
		w.mutex.Unlock()

		if silent {
			<-w.t.Context().Done()
			return
		}

		if remembers {
			_, _ = io.WriteString(session.Stderr(), "this node remembers\n")
		}

		command := string(request.Payload[4:]) // after its length
		var code uint32

		switch {
		case strings.HasPrefix(command, "hornero-bootstrap status "):
			code = w.tellStatus(document, address, command, session)
		case strings.HasPrefix(command, "hornero-bootstrap "), strings.HasPrefix(command, "systemctl show "):
			_, _ = io.WriteString(session, w.command(document, address, command))
		case strings.HasSuffix(command, "print n[k], k }'"):
			_, _ = io.WriteString(session, w.countOf(document.Node))
		case strings.Contains(command, "journalctl"):
			code = w.journals.run(document.Node, command, session)
		default:
			code = w.roleCommand(document.Node, command, session)
		}

		exit := ssh.Marshal(struct{ Code uint32 }{code})
		_, _ = session.SendRequest("exit-status", false, exit)

		return
	}
}

// noteTerminal notes what is asked of a terminal: its type and size, or a new size.
func (w *world) noteTerminal(node string, request *ssh.Request) {
	var size struct{ Columns, Rows, Width, Height uint32 }

	var opened struct {
		Type                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}

	said := node + ": terminal"
	if ssh.Unmarshal(request.Payload, &opened) == nil {
		size.Columns = opened.Columns
		size.Rows = opened.Rows
		said += " " + opened.Type
	} else if ssh.Unmarshal(request.Payload, &size) != nil {
		return
	}

	w.set(func() { w.ran = append(w.ran, fmt.Sprintf("%s %dx%d", said, size.Columns, size.Rows)) })

	if request.WantReply {
		_ = request.Reply(true, nil)
	}
}

// roleCommand runs a command of a role: it notes the command with its input, and prints two lines, one without an end.
func (w *world) roleCommand(node, command string, session ssh.Channel) uint32 {
	input, err := io.ReadAll(session)
	if err != nil {
		w.t.Error(err)
	}

	w.mutex.Lock()
	hangs := w.hangs == node
	w.mutex.Unlock()

	if hangs {
		<-w.t.Context().Done()
	}

	w.mutex.Lock()
	defer w.mutex.Unlock()

	w.ran = append(w.ran, node+": "+command+" <"+string(input))
	_, _ = io.WriteString(session, "one\ntwo")
	_, _ = io.WriteString(session.Stderr(), "aside\n")

	return w.exits[node]
}

// command is what a node's program prints.
func (w *world) command(document cloudinit.Node, address, command string) string {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	if notice, drains := strings.CutPrefix(command, "hornero-bootstrap drain --notice "); drains {
		w.history = append(w.history, "drain "+document.Node)
		w.notice, _, _ = strings.Cut(notice, " ")

		return ""
	}

	switch command {
	case "hornero-bootstrap recover --dry-run --json":
		said := w.survivors[document.Node]
		said.Node = document.Node

		return encode(said)

	case "hornero-bootstrap recover --yes --json":
		w.rebuilt = append(w.rebuilt, document.Node)
		return "{}"
	}

	if share, ok := strings.CutPrefix(command, "hornero-bootstrap share "); ok {
		w.history = append(w.history, "share "+share+" of "+document.Node)
		return ""
	}

	if name, ok := strings.CutPrefix(command, "hornero-bootstrap forget --yes --force "); ok {
		return w.forget(name)
	}

	if strings.HasPrefix(command, "systemctl show ") {
		w.restarts[document.Node] += w.restarting[document.Node]
		return "0\n" + strconv.Itoa(w.restarts[document.Node]) + "\n"
	}

	var after int64
	var number int
	const eventsFormat = "hornero-bootstrap events --json --after %d -n %d"

	if n, _ := fmt.Sscanf(command, eventsFormat, &after, &number); n == 2 {
		return w.eventsAfter(after)
	}

	return encode(w.statusOf(document, address))
}

// forget declares a node gone.
func (w *world) forget(name string) string {
	w.history = append(w.history, "forget "+name)

	if w.forgotten == nil {
		w.forgotten = map[string]int{}
	}

	w.forgotten[name] = w.known[name]
	delete(w.known, name)

	return "gone for good will be " + name + "\n"
}

func encode(value any) string {
	encoded, _ := json.Marshal(value)
	return string(encoded)
}

// eventsAfter prints an event a line.
func (w *world) eventsAfter(after int64) string {
	var out strings.Builder
	for _, event := range w.events {
		if event.ID > after {
			out.WriteString(encode(event) + "\n")
		}
	}

	return out.String()
}

// statusOf is what a node's agent tells of itself.
func (w *world) statusOf(document cloudinit.Node, address string) status.Status {
	node := document.Node
	w.asked[node]++

	// One that was declared gone is not taken in again.
	if w.forgotten[node] < document.Incarnation {
		w.known[node] = max(w.known[node], document.Incarnation)
	}

	// It takes its time, and a large stack is asked often.
	launched := launch{node, document.Incarnation}
	if _, known := w.kinds[launched]; !known {
		w.kinds[launched] = w.kindOf(document)
	}

	said := status.Status{
		Stack:       document.Stack,
		Node:        node,
		Role:        document.Role,
		Incarnation: document.Incarnation,
		Address:     address,
		Phase:       "serving",
		State:       "synced",
		Healthy:     !w.unhealthy[node],
		Writer:      slices.Contains(w.writers, node),
		Image:       w.images[node],
		PeerSet:     w.peerSet(),
	}

	if w.unhealthy[node] {
		said.Reason = "it was told to be"
	}

	w.measure(&said)

	if _, given := document.Secrets[cloudinit.SecretReservedIPToken]; given {
		said.ReservedIP = &status.ReservedIP{
			Address: document.Settings[cloudinit.SettingReservedIP],
			Holder:  w.holder,
			Problem: w.problems[node],
		}
	}

	if w.cutOff == node {
		said.PeerSet.Quorum = false
		said.PeerSet.Writer = "db-9"
	}

	if w.strangers {
		said.Phase = "joining"
		said.Healthy = false
		said.UnknownPeer = !w.mayFound(document)
		said.PeerSet = status.PeerSet{}
	}

	if w.refused == node {
		said.Phase = "refused"
		said.Healthy = false
	}

	if w.twin == node && document.Incarnation == 1 {
		said.Phase = "refused"
		said.Healthy = false
		said.PeerSet = status.PeerSet{}

		return said
	}

	for _, name := range slices.Sorted(maps.Keys(w.known)) {
		peer := status.Peer{
			Name:        name,
			Kind:        w.kinds[launch{name, w.known[name]}],
			Incarnation: w.known[name],
		}
		if name == w.twin {
			peer.Address = "10.9.9.9"
		}

		said.PeerSet.Peers = append(said.PeerSet.Peers, peer)
	}

	return said
}

// kindOf is what a node's certificate says that it is in the peer set.
func (w *world) kindOf(document cloudinit.Node) string {
	certificate, err := pki.ParseCertificate(document.TLS.Certificate)
	if err != nil {
		w.t.Error(err)
		return ""
	}

	name, err := pki.NameOf(certificate)
	if err != nil {
		w.t.Error(err)
	}

	return name.Kind
}

// peerSet is the one that all nodes are in.
func (w *world) peerSet() status.PeerSet {
	return status.PeerSet{
		Founded:    "f",
		Quorum:     !w.lost,
		Era:        w.era,
		Forgotten:  w.forgotten,
		Writer:     "db-1",
		ReservedIP: w.holder,
		Leader:     "10.0.0.9:9202",
		Voters:     []string{"10.0.0.9:9202"},
		Leases:     maps.Clone(w.leases),
	}
}

// happen is an event that every node knows from now on.
func (w *world) happen(kind, node string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	w.events = append(w.events, status.Event{
		ID:   int64(len(w.events) + 1),
		Kind: kind,
		Node: node,
	})
}
