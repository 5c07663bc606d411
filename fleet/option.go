package fleet

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
)

// The features by which a Droplet shows what it was asked for (DigitalOcean's API description, droplet).
const (
	featureMonitoring = "monitoring"
	featureIPv6       = "ipv6"
	featureBackups    = "backups"
)

// weekly is when DigitalOcean takes its backups: without a plan it is each day, for half as much again. The hours
// begin a window of four.
func weekly() *godo.DropletBackupPolicyRequest {
	hour := 4

	return &godo.DropletBackupPolicyRequest{
		Plan:    "weekly",
		Weekday: "SUN",
		Hour:    &hour,
	}
}

func (m member) has(feature string) bool { return slices.Contains(m.Droplet.Features, feature) }

// compareOptions tells which options are otherwise that a Droplet has from its first day. IPv6 could be turned on
// later, and never off; the system in it would have to be told.
func compareOptions(node wantedNode, m member) []string {
	var reasons []string

	compare := func(feature string, want bool) {
		is := m.has(feature)
		if is != want {
			reasons = append(reasons, changed(feature, onOff(is), onOff(want)))
		}
	}

	compare(featureMonitoring, node.Monitoring)
	compare(featureIPv6, node.IPv6)

	return reasons
}

// compareBackups stands apart, as they are turned on and off where the node is.
func compareBackups(node wantedNode, m member) []Difference {
	is := m.has(featureBackups)
	if is == node.Backups {
		return nil
	}

	one := Difference{
		Kind:   KindNode,
		Name:   node.Name,
		Action: ActionChange,
		Reason: changed(featureBackups, onOff(is), onOff(node.Backups)),
		By:     up,
	}

	return []Difference{one}
}

func onOff(on bool) string {
	if on {
		return "on"
	}

	return "off"
}

// ensureBackups turns DigitalOcean's backups of nodes on or off. Those that were taken stay.
func (f *Fleet) ensureBackups(ctx context.Context) error {
	members, err := f.nodes(ctx)
	if err != nil {
		return err
	}

	for _, node := range f.Stack.All() {
		m, there := find(members, node.Name)
		if !there || m.has(featureBackups) == node.Backups {
			continue
		}

		if err := f.turnBackups(ctx, m, node.Backups); err != nil {
			return fmt.Errorf("turn backups of %s %s: %w", node.Name, onOff(node.Backups), err)
		}

		f.progress("%s: backups of Droplet %d are %s", node.Name, m.Droplet.ID, onOff(node.Backups))
	}

	return nil
}

// turnBackups asks for it and waits until the Droplet shows it. One that is gone meanwhile is launched as it is wanted.
func (f *Fleet) turnBackups(ctx context.Context, m member, on bool) error {
	id := m.Droplet.ID

	ask := func(ctx context.Context) error {
		if on {
			_, _, err := f.Client.DropletActions.EnableBackupsWithPolicy(ctx, id, weekly())
			return err
		}

		_, _, err := f.Client.DropletActions.DisableBackups(ctx, id)

		return err
	}

	what := fmt.Sprintf("change Droplet %d", id)
	err := do.Repeat(ctx, what, f.Unclear, ask)

	// Refused where an answer was lost: the Droplet tells whether it was done.
	if err != nil && do.Status(err) != http.StatusUnprocessableEntity && !do.IsNotFound(err) {
		return err
	}

	refused := err
	_, err = do.WaitDropletFeature(ctx, f.Client, id, featureBackups, on, do.WaitOptions{
		Timeout: readBackLimit,
	})

	switch {
	case err == nil:
		return nil
	case do.IsNotFound(err):
		return nil
	case refused != nil:
		return refused
	}

	return err
}
