package bootstrap_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
)

// kindRoles are a role of each word that a manifest has for its nodes' part in the peer set.
var kindRoles = fstest.MapFS{
	"common/role.yaml": {Data: []byte("version: 1\nname: common\nabstract: true\n")},
	"store/role.yaml":  {Data: []byte("version: 1\nname: store\npeers: member\n" + peersPort)},
	"gate/role.yaml":   {Data: []byte("version: 1\nname: gate\npeers: auto\n" + peersPort)},
	"shop/role.yaml":   {Data: []byte("version: 1\nname: shop\npeers: client\n")},
}

const peersPort = "ports: [{port: 9202, name: peers, from: [peers]}, {port: 7, name: seven, from: [peers]}]\n"

// kindAgent is an agent of a role's node that was in the peer set before its machine was started anew, and counts how
// often it tries to get into consensus.
func kindAgent(t *testing.T, role, kind string) (agent *bootstrap.Agent, w *fakeWalls, opened *atomic.Int32) {
	folder := t.TempDir()
	w, opened = &fakeWalls{}, &atomic.Int32{}

	agent = bootstrap.New(bootstrap.Config{
		Metadata: metadataOf(t, role, kind),
		State:    filepath.Join(folder, "state"),
		PKI:      filepath.Join(folder, "pki"),
		Roles:    kindRoles,
		Retry:    time.Millisecond,
		Walls:    w.apply,
		Known:    func() bool { return true },
		Open: func(context.Context, bootstrap.Opening) (bootstrap.Member, error) {
			opened.Add(1)
			return nil, errors.New("no consensus here")
		},
		Log: testLog(t),
	})

	require.NoError(t, os.MkdirAll(filepath.Join(folder, "state"), 0o700))
	snapshot := filepath.Join(folder, "state", "snapshot.json")
	require.NoError(t, os.WriteFile(snapshot, []byte(`{"founded": "f"}`), 0o600))

	return agent, w, opened
}

// What the manifest leaves open, the certificate says: the operator's tool issues it by stack.yaml.
func TestANodeOfARoleOfBothKindsIsWhatItsCertificateSays(t *testing.T) {
	for _, c := range []struct {
		role, kind string
		joins      string
	}{
		{role: "store", kind: "member", joins: "member"},
		{role: "gate", kind: "member", joins: "member"},
		{role: "gate", kind: "client", joins: "client"},
		{role: "gate", kind: "", joins: "client"},
		{role: "shop", kind: "client", joins: "client"},
	} {
		t.Run(c.role+" "+c.kind, func(t *testing.T) {
			agent, w, opened := kindAgent(t, c.role, c.kind)
			require.NoError(t, agent.Find(t.Context()))
			require.Equal(t, c.joins, agent.JoinsAs())
			require.Equal(t, c.joins == "member", w.let("tcp dport 9202"), "nothing of a client listens there")
			require.Equal(t, c.role != "shop", w.let("tcp dport 7"))

			stop := background(t, agent.Join)

			if c.joins == "member" {
				eventually(t, func() bool { return opened.Load() > 0 })
				return
			}

			eventually(t, func() bool { return agent.Status().PeerSet.Founded == "f" })
			stop()
			require.Zero(t, opened.Load(), "a client is in no consensus")
		})
	}
}

func TestANodeWhoseCertificateIsForNoKnownKindIsRefused(t *testing.T) {
	for role, kind := range map[string]string{"gate": "king", "store": "client"} {
		agent, _, _ := kindAgent(t, role, kind)
		require.ErrorIs(t, agent.Find(t.Context()), bootstrap.ErrRefused, role)
	}
}
